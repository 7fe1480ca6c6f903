//! Versions of packages and of dbt, and the ranges that projects ask for.

use std::cmp::Ordering;
use std::fmt;

/// The version of dbt whose behaviour is followed, for `require-dbt-version` and `dbt_version`.
pub(crate) const DBT_VERSION: &str = "1.11.16";

/// A semantic version: three numbers and perhaps a pre-release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    numbers: [u64; 3],
    pre: Option<String>,
}

impl Version {
    /// Reads `1.2.3`, `v1.2.3` or `1.2.3-rc1`; missing numbers are zero.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('v');
        let text = text.split('+').next().unwrap_or(text);
        let (numbers, pre) = split_pre(text);
        let mut out = [0; 3];
        for (at, part) in numbers.split('.').enumerate() {
            *out.get_mut(at)? = part.parse().ok()?;
        }
        Some(Self {
            numbers: out,
            pre: pre.map(str::to_owned),
        })
    }

    pub(crate) fn is_prerelease(&self) -> bool {
        self.pre.is_some()
    }
}

/// `1.2.3-rc1` and dbt's older `1.2.3rc1` both have a pre-release.
fn split_pre(text: &str) -> (&str, Option<&str>) {
    match text.find(|c: char| !(c.is_ascii_digit() || c == '.')) {
        Some(at) => {
            let pre = text[at..].trim_start_matches('-');
            (
                text[..at].trim_end_matches('.'),
                Some(pre).filter(|pre| !pre.is_empty()),
            )
        }
        None => (text, None),
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| match (&self.pre, &other.pre) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(a), Some(b)) => a.cmp(b),
            })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        match &self.pre {
            Some(pre) => write!(f, "-{pre}"),
            None => Ok(()),
        }
    }
}

/// One condition on a version, like `>=1.0.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    operator: Operator,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// Reads conditions, several in one text parted by commas; the text that is none is the error.
pub(crate) fn conditions(texts: &[String]) -> Result<Vec<Condition>, String> {
    texts
        .iter()
        .flat_map(|text| text.split(','))
        .map(|text| condition(text.trim()).ok_or_else(|| text.trim().to_owned()))
        .collect()
}

fn condition(text: &str) -> Option<Condition> {
    let (operator, rest) = [
        (">=", Operator::GreaterEqual),
        ("<=", Operator::LessEqual),
        (">", Operator::Greater),
        ("<", Operator::Less),
        ("==", Operator::Equal),
        ("=", Operator::Equal),
        ("", Operator::Equal),
    ]
    .into_iter()
    .find_map(|(sign, operator)| Some((operator, text.strip_prefix(sign)?)))?;
    Some(Condition {
        operator,
        version: Version::parse(rest)?,
    })
}

/// Says whether `version` meets all `conditions`.
pub(crate) fn meets(version: &Version, conditions: &[Condition]) -> bool {
    conditions.iter().all(|condition| {
        let order = version.cmp(&condition.version);
        match condition.operator {
            Operator::Equal => order.is_eq(),
            Operator::Less => order.is_lt(),
            Operator::LessEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterEqual => order.is_ge(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_they_name() {
        let range = conditions(&[">=1.0.0,<2.0.0".to_owned()]).expect("is a range");
        let version = |text| Version::parse(text).expect("is a version");
        assert!(meets(&version("1.11.16"), &range));
        assert!(!meets(&version("2.0.0"), &range));
        assert!(meets(&version("2.0.0-rc1"), &range));
        assert!(version("1.2.0rc1").is_prerelease());
        assert!(conditions(&["~1.0".to_owned()]).is_err());
        assert_eq!(version("v1.2").to_string(), "1.2.0");
    }
}
