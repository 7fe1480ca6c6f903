//! `/api/v1/questions` and `/api/v1/dashboards`: what people keep to look at again, with all its
//! versions. Who may do what is the catalog's to say.

mod drafts;
mod embeds;
mod route;
mod yaml;

pub(crate) use embeds::{links, page as embed_page};
pub(crate) use route::router;
