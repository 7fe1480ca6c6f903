//! The `weir` command: reads arguments, wires the rooms together, prints.

mod client;
mod command;
mod demo;
mod doctor;
mod extract;
mod failure;
mod flow;
mod house;
mod log;
mod machine;
mod memory;
mod model;
mod postgres;
mod project;
mod repl;
mod tls;
mod ui;
mod webhook;

use std::process::ExitCode;

use clap::Parser;

use crate::command::Arguments;
use crate::failure::Exit;
use crate::ui::Ui;

/// Small allocations per event, freed on other threads: what mimalloc is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A keeper of a step's command is this program with one thread, and nothing else of it.
    weir_step::keep_if_asked();
    memory::configure();
    weir_core::priority::short_turns();
    let arguments = Arguments::parse();
    let ui = Ui::new(arguments.global.json);
    // A panic is our bug and has its own exit code; the panic's own message is on stderr already.
    let run = std::panic::AssertUnwindSafe(|| command::run(arguments, &ui));
    match std::panic::catch_unwind(run) {
        Ok(Ok(())) => Exit::Done.into(),
        Ok(Err(failure)) => {
            ui.failure(&failure);
            failure.exit().into()
        }
        Err(_) => {
            ui.bug();
            Exit::Bug.into()
        }
    }
}
