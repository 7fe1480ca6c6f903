//! The running binary: commands with their exit codes and streams, and the server behind `weir up`.

mod commands;
mod crash;
mod env;
mod sdk;
mod server;
