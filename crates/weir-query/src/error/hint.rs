/// Returns the candidate most like `name`, if one is like it enough to be meant.
pub(crate) fn closest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .filter_map(|candidate| {
            let distance = strsim::damerau_levenshtein(&name, &candidate.to_lowercase());
            // One slip in three letters: beyond that a suggestion is noise.
            let longest = name.chars().count().max(candidate.chars().count());
            (distance * 3 <= longest).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn suggests_only_what_is_near() {
        let names = ["tracks", "identifies", "order_completed"];
        assert_eq!(closest("track", names.into_iter()), Some("tracks"));
        assert_eq!(
            closest("order_complete", names.into_iter()),
            Some("order_completed")
        );
        assert_eq!(closest("payments", names.into_iter()), None);
        assert_eq!(closest("", names.into_iter()), None);
    }
}
