//! What templates give, compared with what Jinja2 itself makes of them, and what they must not do.

mod blocks;
mod errors;
mod expectations;
mod hostile;
mod macros;
mod objects;
mod random;
