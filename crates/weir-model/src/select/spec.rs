//! What a selection says, before anything is looked up.

use std::collections::HashSet;
use std::hash::BuildHasher;

use crate::error::{ModelError, ModelErrorKind};
use crate::node::UniqueId;

/// Which tests come along with what is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Indirect {
    /// A test of anything chosen.
    #[default]
    Eager,
    /// A test of nothing but what is chosen.
    Cautious,
    /// A test of what is chosen and what that is built from.
    Buildable,
    /// No test that was not chosen itself.
    Empty,
}

impl Indirect {
    /// Reads the word of `--indirect-selection`.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "eager" => Some(Self::Eager),
            "cautious" => Some(Self::Cautious),
            "buildable" => Some(Self::Buildable),
            "empty" => Some(Self::Empty),
            _ => None,
        }
    }
}

/// One method with its value and operators: `@`, `2+`, `tag:nightly`, `+1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Criteria {
    /// As written, for messages.
    pub raw: String,
    pub method: String,
    /// What follows the method's name after dots: `config.materialized`.
    pub arguments: Vec<String>,
    pub value: String,
    pub childrens_parents: bool,
    /// Whether what it needs comes along, and how far away.
    pub parents: Option<Option<usize>>,
    /// Whether what needs it comes along, and how far away.
    pub children: Option<Option<usize>>,
    pub indirect: Indirect,
}

/// A selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    Criteria(Criteria),
    Union(Vec<Spec>, Indirect),
    Intersection(Vec<Spec>, Indirect),
    /// The first without all others.
    Difference(Vec<Spec>, Indirect),
}

pub(super) fn error(message: impl Into<String>, hint: impl Into<String>) -> ModelError {
    ModelError::new(ModelErrorKind::Selection, message).hint(hint)
}

impl Spec {
    /// Reads `--select` and `--exclude`: words and spaces are united, commas intersect. Without
    /// `select` everything is chosen.
    ///
    /// # Errors
    ///
    /// A word that is no selection.
    pub fn read(
        select: &[String],
        exclude: &[String],
        indirect: Indirect,
    ) -> Result<Self, ModelError> {
        let chosen = if select.iter().all(|word| word.trim().is_empty()) {
            Self::everything(indirect)
        } else {
            Self::words(select, indirect)?
        };
        if exclude.iter().all(|word| word.trim().is_empty()) {
            return Ok(chosen);
        }
        let mut parts = vec![chosen];
        parts.push(Self::words(exclude, indirect)?);
        Ok(Self::Difference(parts, indirect))
    }

    /// Chooses everything.
    pub fn everything(indirect: Indirect) -> Self {
        let all = |raw: &str, method: &str| {
            Self::Criteria(Criteria {
                raw: raw.to_owned(),
                method: method.to_owned(),
                arguments: Vec::new(),
                value: "*".to_owned(),
                childrens_parents: false,
                parents: None,
                children: None,
                indirect,
            })
        };
        let parts = vec![
            all("fqn:*", "fqn"),
            all("source:*", "source"),
            all("exposure:*", "exposure"),
        ];
        Self::Union(parts, indirect)
    }

    fn words(words: &[String], indirect: Indirect) -> Result<Self, ModelError> {
        let mut united = Vec::new();
        for word in words.iter().flat_map(|word| word.split_whitespace()) {
            let parts: Result<Vec<Self>, ModelError> = word
                .split(',')
                .filter(|part| !part.is_empty())
                .map(|part| Criteria::read(part, indirect).map(Self::Criteria))
                .collect();
            let mut parts = parts?;
            united.push(if parts.len() == 1 {
                parts.remove(0)
            } else {
                Self::Intersection(parts, indirect)
            });
        }
        Ok(if united.len() == 1 {
            united.remove(0)
        } else {
            Self::Union(united, indirect)
        })
    }

    pub(super) fn combined<S: BuildHasher + Default>(
        &self,
        sets: Vec<HashSet<UniqueId, S>>,
    ) -> HashSet<UniqueId, S> {
        let mut sets = sets.into_iter();
        let mut all = sets.next().unwrap_or_default();
        for set in sets {
            match self {
                Self::Intersection(..) => all.retain(|id| set.contains(id)),
                Self::Difference(..) => all.retain(|id| !set.contains(id)),
                _ => all.extend(set),
            }
        }
        all
    }
}

impl Criteria {
    /// Reads one word: `[@][n+][method:]value[+n]`.
    ///
    /// # Errors
    ///
    /// A word without a value.
    pub fn read(raw: &str, indirect: Indirect) -> Result<Self, ModelError> {
        let mut rest = raw;
        let childrens_parents = rest.starts_with('@');
        rest = rest.strip_prefix('@').unwrap_or(rest);
        let mut parents = None;
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if rest[digits..].starts_with('+') {
            parents = Some(depth(&rest[..digits]));
            rest = &rest[digits + 1..];
        }
        let mut children = None;
        let kept = rest.trim_end_matches(|c: char| c.is_ascii_digit());
        if let Some(before) = kept.strip_suffix('+') {
            children = Some(depth(&rest[kept.len()..]));
            rest = before;
        }
        if childrens_parents && children.is_some() {
            return Err(error(
                format!("`{raw}` has both `@` and a `+` at its end"),
                "`@` brings what comes after along already; leave the `+` out",
            ));
        }
        let (method, value) = match rest.split_once(':') {
            Some((method, value)) if is_method(method) => (Some(method), value),
            _ => (None, rest),
        };
        if value.is_empty() {
            return Err(error(
                format!("`{raw}` selects nothing"),
                "write a name, or `method:value`",
            ));
        }
        let mut words = method.unwrap_or_else(|| default_method(value)).split('.');
        Ok(Self {
            raw: raw.to_owned(),
            method: words.next().unwrap_or_default().to_owned(),
            arguments: words.map(str::to_owned).collect(),
            value: value.to_owned(),
            childrens_parents,
            parents,
            children,
            indirect,
        })
    }

    pub(super) fn has_relatives(&self) -> bool {
        self.childrens_parents || self.parents.is_some() || self.children.is_some()
    }
}

fn depth(digits: &str) -> Option<usize> {
    digits.parse().ok()
}

fn is_method(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '.')
}

/// Guesses what a bare value is: a path, a file, or a name.
fn default_method(value: &str) -> &'static str {
    let lower = value.to_ascii_lowercase();
    if value.contains('/') {
        "path"
    } else if [".sql", ".py", ".csv"]
        .iter()
        .any(|ending| lower.ends_with(ending))
    {
        "file"
    } else {
        "fqn"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_word_is_read_or_refused(word in "(\\PC|[@+0-9a-z.:*,]){0,40}") {
            let _ = Criteria::read(&word, Indirect::Eager);
            let _ = Spec::read(&[word], &[], Indirect::Eager);
        }
    }

    #[test]
    fn operators_are_read() {
        let read = |raw: &str| Criteria::read(raw, Indirect::Eager).expect("is a selection");
        let one = read("2+tag:nightly+1");
        assert_eq!((one.parents, one.children), (Some(Some(2)), Some(Some(1))));
        assert_eq!(
            (one.method.as_str(), one.value.as_str()),
            ("tag", "nightly")
        );
        let one = read("+orders+");
        assert_eq!((one.parents, one.children), (Some(None), Some(None)));
        assert_eq!(read("models/staging").method, "path");
        assert_eq!(read("orders.sql").method, "file");
        assert_eq!(read("config.meta.owner:anna").arguments, ["meta", "owner"]);
        assert_eq!(read("orders_2").value, "orders_2");
        assert!(read("@orders").childrens_parents);
        assert!(Criteria::read("@orders+", Indirect::Eager).is_err());
        assert!(Criteria::read("tag:", Indirect::Eager).is_err());
    }
}
