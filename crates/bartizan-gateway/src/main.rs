//! The binary `bartizan`.

use std::io;
use std::process::ExitCode;

use bartizan_gateway::cli::{self, Cli};
use clap::Parser as _;

// Many small objects that live as long as a request, on many threads: what mimalloc is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::dispatch(&Cli::parse().command) {
        Ok(code) => code,
        // Whoever reads what is printed has seen enough: `bartizan audit query … | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bartizan: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
