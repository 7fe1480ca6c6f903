//! A project's own files: dbt_project.yml, profiles.yml, packages.yml, and the packages they name.

mod deps;
mod file;
mod load;
mod origin;
mod package;
mod profile;
mod render;
mod requirement;
mod tar;
mod tree;
mod vars;
mod version;
mod walk;

pub use deps::{DepsOptions, Installed, install};
pub use load::{LoadOptions, Loaded, load};
pub use package::{ConfigTree, Dispatch, Package, PackageSource, Paths, Project, Target, TreeKind};
pub(crate) use render::render_tree;
pub use render::{EnvVars, SECRET_PREFIX, env_var};
pub(crate) use tree::{levels, unrendered_levels};
pub use vars::vars_of;
pub(crate) use walk::{FileKind, SourceFile, walk};
