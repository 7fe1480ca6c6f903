//! The running binary: commands with their exit codes and streams, and the server behind `weir up`.

mod access;
mod app;
mod commands;
mod crash;
mod disk;
mod engines;
mod env;
mod extract;
mod flow;
mod hostile;
mod http;
mod models;
mod openapi;
mod planted;
mod postgres;
mod rebuild;
mod rights;
mod sdk;
mod server;
mod sessions;
mod sources;
mod store;
mod syscalls;
mod tokens;
mod webhooks;
mod wire;
