//! YAML with positions, resolved by the rules of YAML 1.1 as PyYAML's safe loader has them, since
//! that is what projects were written against: `yes` and `on` are true, `0o7` is text, `1e5` is text.

mod read;
mod scalar;
#[cfg(test)]
mod tests;
mod value;

pub use read::{Document, read};
pub use value::{Entry, Map, Yaml, YamlValue};
