//! Projects in temporary folders, read, parsed, compiled and run as any project is.

mod behaviour;
mod builds;
mod fixture;
mod graph;
mod manifest;
mod mistakes;
mod names;
mod project;
mod properties;
mod selection;
mod support;
mod wire;
