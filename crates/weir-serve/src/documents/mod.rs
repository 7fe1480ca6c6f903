//! `/api/v1/questions` and `/api/v1/dashboards`: what people keep to look at again, with all its
//! versions. Who may do what is the catalog's to say.

mod chosen;
mod deliveries;
mod drafts;
mod embeds;
mod files;
mod filters;
mod owners;
mod range;
mod route;
mod yaml;

pub(crate) use deliveries::router as deliveries_router;
pub(crate) use embeds::{links, page as embed_page};
pub(crate) use files::{Files, router as files_router};
pub use filters::{FilterValue, filter_values};
pub(crate) use owners::router as owners_router;
pub(crate) use route::router;
