use crate::warehouse::{Quoting, RelationName};

/// The three parts of a relation's name, which of them are shown and which are quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelationPath {
    pub(crate) database: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) identifier: Option<String>,
    pub(crate) include: Parts,
    pub(crate) quote: Parts,
    pub(crate) quote_character: char,
}

/// One truth value for each part of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) database: bool,
    pub(crate) schema: bool,
    pub(crate) identifier: bool,
}

impl Parts {
    pub(crate) const ALL: Self = Self {
        database: true,
        schema: true,
        identifier: true,
    };

    /// Replaces the parts that are given.
    pub(crate) fn with(
        self,
        database: Option<bool>,
        schema: Option<bool>,
        identifier: Option<bool>,
    ) -> Self {
        Self {
            database: database.unwrap_or(self.database),
            schema: schema.unwrap_or(self.schema),
            identifier: identifier.unwrap_or(self.identifier),
        }
    }
}

impl From<Quoting> for Parts {
    fn from(quoting: Quoting) -> Self {
        Self {
            database: quoting.database,
            schema: quoting.schema,
            identifier: quoting.identifier,
        }
    }
}

impl RelationPath {
    /// Writes the parts that are shown, with dots between them.
    pub(crate) fn render(&self) -> String {
        let parts = [
            (&self.database, self.include.database, self.quote.database),
            (&self.schema, self.include.schema, self.quote.schema),
            (
                &self.identifier,
                self.include.identifier,
                self.quote.identifier,
            ),
        ];
        let mut out = String::new();
        for (part, include, quote) in parts {
            let Some(part) = part.as_ref().filter(|_| include) else {
                continue;
            };
            if !out.is_empty() {
                out.push('.');
            }
            if quote {
                out.push(self.quote_character);
                out.push_str(part);
                out.push(self.quote_character);
            } else {
                out.push_str(part);
            }
        }
        out
    }

    /// Returns the name as the warehouse's catalog has it.
    pub(crate) fn name(&self) -> RelationName {
        RelationName {
            database: self.database.clone(),
            schema: self.schema.clone().unwrap_or_default(),
            name: self.identifier.clone().unwrap_or_default(),
        }
    }
}
