/// What distinguishes one warehouse's SQL from another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// What `adapter.type()` and `target.type` say, such as `postgres`.
    pub adapter: String,
    /// Prefixes of macros in the order they are tried, such as `["weir", "postgres", "default"]`.
    pub chain: Vec<String>,
    /// The character around quoted identifiers.
    pub quote: char,
    /// What becomes of identifiers that are not quoted.
    pub case: IdentifierCase,
    /// Whether names of databases, schemas and relations are quoted when they are rendered.
    pub quoting: Quoting,
    /// The longest identifier in bytes; longer names of relations are shortened by the macros that make
    /// them.
    pub longest_identifier: usize,
    /// Whether `begin` to `commit` is one unit, definitions of tables included.
    pub transactions: bool,
    /// Whether relations have three-part names that may name another database than the connection's.
    pub cross_database: bool,
}

/// Which parts of a relation's name are quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoting {
    pub database: bool,
    pub schema: bool,
    pub identifier: bool,
}

/// What becomes of an identifier without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentifierCase {
    Lower,
    Upper,
    /// Kept, and compared without regard to case.
    Insensitive,
}

impl Dialect {
    /// Returns PostgreSQL's.
    pub fn postgres() -> Self {
        Self {
            adapter: "postgres".to_owned(),
            chain: vec!["postgres".to_owned(), "default".to_owned()],
            quote: '"',
            case: IdentifierCase::Lower,
            quoting: Quoting {
                database: true,
                schema: true,
                identifier: true,
            },
            longest_identifier: 63,
            transactions: true,
            cross_database: false,
        }
    }

    /// Returns `name` between quotes, with quotes inside it doubled.
    pub fn quote(&self, name: &str) -> String {
        let doubled: String = [self.quote, self.quote].iter().collect();
        format!(
            "{quote}{}{quote}",
            name.replace(self.quote, &doubled),
            quote = self.quote
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_inside_a_name_are_doubled() {
        assert_eq!(Dialect::postgres().quote("a\"b"), "\"a\"\"b\"");
    }
}
