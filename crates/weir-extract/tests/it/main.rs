//! Sources from outside: what they send, and what of it is in the tables, whatever is cut off.

mod files;
mod google;
mod loading;
mod memory;
mod mysql;
mod mysql_log;
mod mysql_types;
mod polled;
mod repair;
mod replication;
mod sftp;
mod shop;
mod taps;
