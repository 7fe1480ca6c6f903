//! A project's own files: dbt_project.yml, profiles.yml, packages.yml, and the packages they name.

mod file;
mod load;
mod package;
mod profile;
mod render;
mod tree;
mod vars;
mod version;
mod walk;

mod deps;
mod lock;

pub use deps::{DepsOptions, DepsReport, install};
pub use load::{Environment, LoadOptions, Loaded, load};
pub use package::{ConfigTree, Dispatch, Package, PackageSource, Paths, Project, Target, TreeKind};
