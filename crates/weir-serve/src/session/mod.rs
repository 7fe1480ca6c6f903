//! People with a browser: signing in and out, and the first owner of a new project.
//!
//! A session is a random secret in a cookie that scripts cannot read. What changes something must
//! also show a token that only pages of this server know, and come from one of them.

mod cookie;
mod route;
mod setup;

pub(crate) use cookie::{Cookies, csrf_token, from_own_page};
pub(crate) use route::router;
pub use setup::Setup;
