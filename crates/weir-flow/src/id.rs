//! Names and numbers of everything here; each has a type of its own.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes over a name as it is written.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// Returns the name as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name.into())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

name! {
    /// The id of an asset, such as `model.shop.orders`.
    AssetId
}
name! {
    /// The name of a table whose versions are followed, such as `raw_web.events`.
    TableId
}
name! {
    /// The name of a schedule.
    ScheduleName
}
name! {
    /// The name of a pool of slots.
    PoolName
}
name! {
    /// One part of a partitioned asset: the start of a span of time, or a key.
    PartitionKey
}

number! {
    /// The number of a run; grows, is never reused.
    RunId
}
number! {
    /// The number of a step, that is, of one asset in one run.
    StepId
}
number! {
    /// The number of an attempt at a step. It grows with every claim and is never reused, which
    /// makes it the fencing token of the attempt's lease.
    AttemptId
}
number! {
    /// The number of a backfill.
    BackfillId
}
