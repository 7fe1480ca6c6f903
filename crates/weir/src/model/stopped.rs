//! How a command about models ends before it has done its work.

use crate::failure::Failure;

/// Why a command did not do all that it was asked for. dbt tells the two apart by exit codes.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// It could not go on: something is wrong with the command, the project or the warehouse.
    Error(Failure),
    /// Its nodes ran, and some of them failed.
    Nodes(Failure),
}

impl Stopped {
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Self::Error(failure) | Self::Nodes(failure) => failure,
        }
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Error(failure)
    }
}
