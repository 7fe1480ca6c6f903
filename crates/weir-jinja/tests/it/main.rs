//! What templates give, compared with what Jinja2 itself makes of them, and what they must not do.

mod expectations;
