//! Everything a project consists of, as plain values: what parsing fills, what compiling, running,
//! selecting and the artifacts read.

mod config;
mod executable;
mod id;
mod manifest;
mod semantic;
mod source;

pub use config::{ConfigKind, Hook, NodeConfig};
pub use executable::{
    Access, Checksum, Column, Constraint, Contract, DependsOn, Docs, InjectedCte, ModelDetail,
    Node, NodeDetail, RefArgs, TestDetail, TestMetadata, Version,
};
pub use id::{ResourceKind, UniqueId};
pub use manifest::{Disabled, Manifest, ManifestMetadata};
pub use semantic::{Exposure, Group, Metric, SavedQuery, SemanticModel, UnitTest};
pub use source::{Doc, Function, Macro, MacroArgument, MacroKind, Source};

/// A mapping that keeps the order of what was written.
pub type JsonMap = serde_json::Map<String, serde_json::Value>;
