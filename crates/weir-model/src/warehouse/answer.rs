use super::Cell;

/// What a statement answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// What the warehouse says it did, such as `SELECT 5` or `CREATE VIEW`.
    pub tag: String,
    /// How many rows it touched, where the warehouse counts them.
    pub rows_affected: Option<u64>,
    /// The rows, if they were asked for and the statement has some.
    pub table: Option<Table>,
}

impl Answer {
    /// Returns the first word of the tag: `INSERT` of `INSERT 0 5`.
    pub fn code(&self) -> &str {
        let end = self.tag.find(|c: char| c.is_ascii_digit());
        self.tag[..end.unwrap_or(self.tag.len())].trim_end()
    }
}

/// Rows with named and typed columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub columns: Vec<TableColumn>,
    pub rows: Vec<Vec<Cell>>,
}

/// One column of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// As the statement named it; several columns may have the same name.
    pub name: String,
    /// The SQL type as the warehouse spells it, such as `character varying(20)`.
    pub data_type: String,
}

impl TableColumn {
    /// Makes a column.
    pub fn new(name: impl Into<String>, data_type: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            data_type: data_type.into(),
        }
    }
}

impl Table {
    /// Returns the position of the column called `name`, without regard to case if no other fits.
    pub fn position(&self, name: &str) -> Option<usize> {
        let exact = self.columns.iter().position(|column| column.name == name);
        exact.or_else(|| {
            self.columns
                .iter()
                .position(|column| column.name.eq_ignore_ascii_case(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_the_words_before_the_number() {
        let answer = |tag: &str| Answer {
            tag: tag.to_owned(),
            ..Answer::default()
        };
        assert_eq!(answer("INSERT 0 5").code(), "INSERT");
        assert_eq!(answer("CREATE VIEW").code(), "CREATE VIEW");
        assert_eq!(answer("").code(), "");
    }
}
