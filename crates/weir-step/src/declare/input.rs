use std::fmt;
use std::path::PathBuf;

use crate::declare::TableFormat;
use crate::error::StepError;
use crate::glob::{Glob, Template};

/// What a step reads, and how it is cut into datums.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Each place the glob finds is a datum.
    Source(Box<Source>),
    /// Each combination of datums of all.
    Cross(Vec<Input>),
    /// The datums of all, one by one.
    Union(Vec<Input>),
    /// Each combination of places whose captures are equal.
    Join(Vec<Source>),
    /// All places whose captures are equal, as one datum.
    Group(Vec<Source>),
}

/// Files under a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// What the step calls it: the folder its files lie in.
    pub name: String,
    /// Where the files come from.
    pub origin: Origin,
    /// How they are cut.
    pub glob: Glob,
    /// What must be equal in a join.
    pub join_on: Option<Template>,
    /// Whether its places appear in a join without a partner.
    pub outer_join: bool,
    /// What must be equal in a group.
    pub group_by: Option<Template>,
    /// Whether the step sees names without contents.
    pub empty_files: bool,
}

/// Where files come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// A fileset that Weir keeps.
    Fileset {
        /// Its name.
        name: String,
        /// Which branch of it.
        branch: String,
    },
    /// A folder, from the project's folder; Weir keeps what it saw in it.
    Folder(PathBuf),
    /// A table, written as files.
    Table {
        /// Its name, with its schema.
        name: String,
        /// How it is written.
        format: TableFormat,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fileset { name, branch } => write!(f, "fileset:{name}@{branch}"),
            Self::Folder(path) => write!(f, "folder:{}", path.display()),
            Self::Table { name, format } => write!(f, "table:{name}.{format}"),
        }
    }
}

impl Input {
    /// Returns every source in it, in the order they are written.
    pub fn sources(&self) -> Vec<&Source> {
        match self {
            Self::Source(source) => vec![source.as_ref()],
            Self::Cross(inputs) | Self::Union(inputs) => {
                inputs.iter().flat_map(Self::sources).collect()
            }
            Self::Join(sources) | Self::Group(sources) => sources.iter().collect(),
        }
    }

    /// Checks that what a datum holds has different names. In a union each datum has one of them.
    pub(crate) fn check_names(&self) -> Result<(), StepError> {
        self.names().map(drop)
    }

    fn names(&self) -> Result<Vec<&str>, StepError> {
        let mut names: Vec<&str> = Vec::new();
        let mut add = |name| match names.contains(&name) {
            true => Err(
                StepError::invalid(format!("two inputs are called `{name}`")).with_hint(
                    "give one of them another `name`; it is the folder its files lie in",
                ),
            ),
            false => {
                names.push(name);
                Ok(())
            }
        };
        match self {
            Self::Source(source) => add(&source.name)?,
            Self::Join(sources) | Self::Group(sources) => {
                for source in sources {
                    add(&source.name)?;
                }
            }
            Self::Cross(inputs) => {
                for input in inputs {
                    for name in input.names()? {
                        add(name)?;
                    }
                }
            }
            Self::Union(inputs) => {
                for input in inputs {
                    for name in input.names()? {
                        if !names.contains(&name) {
                            names.push(name);
                        }
                    }
                }
            }
        }
        Ok(names)
    }
}
