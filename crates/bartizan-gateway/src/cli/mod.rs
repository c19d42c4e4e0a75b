//! What can be asked of the program? One file a command.

pub mod audit;
pub mod budgets;
pub mod check;
pub mod explain;
pub mod identities;
pub mod openapi;
pub mod pii;
pub mod prices;
pub mod run;
pub mod schema;
mod show;
pub mod tokens;

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use bartizan::clock;
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

/// A security layer for the APIs that AI agents call and serve.
#[derive(Debug, Parser)]
#[command(name = "bartizan", version, arg_required_else_help = true)]
pub struct Cli {
    /// The configuration, for the commands that read one. Default: `bartizan.yaml`.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What is asked.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, in the order in which somebody needs them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts the gateway.
    Run(run::Args),
    /// Validates the configuration: all mistakes at once, with line and column.
    Check(check::Check),
    /// Says whether a call would pass, and every reason, without sending anything.
    Explain(explain::Explain),
    /// API keys in the durable store.
    Keys {
        /// Which store.
        #[command(flatten)]
        store: identities::Store,
        /// What to do there.
        #[command(subcommand)]
        command: identities::Keys,
    },
    /// Users of the token endpoint in the durable store.
    Users {
        /// Which store.
        #[command(flatten)]
        store: identities::Store,
        /// What to do there.
        #[command(subcommand)]
        command: identities::Users,
    },
    /// Clients of the token endpoint in the durable store.
    Clients {
        /// Which store.
        #[command(flatten)]
        store: identities::Store,
        /// What to do there.
        #[command(subcommand)]
        command: identities::Clients,
    },
    /// Tokens of the token endpoint.
    Tokens {
        /// Which store.
        #[command(flatten)]
        store: identities::Store,
        /// What to do there.
        #[command(subcommand)]
        command: tokens::Tokens,
    },
    /// What was spent, and what is left: budgets in the durable store, and their ledger.
    Budgets {
        /// Which store.
        #[command(flatten)]
        store: identities::Store,
        /// What to do there.
        #[command(subcommand)]
        command: budgets::Budgets,
    },
    /// What models cost.
    #[command(subcommand)]
    Prices(prices::Prices),
    /// Calls that wait for somebody to agree.
    Approvals {
        /// Which store.
        #[command(flatten)]
        store: identities::Store,
        /// What to do there.
        #[command(subcommand)]
        command: identities::Approvals,
    },
    /// The audit log.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// The engine that finds personal data, alone.
    #[command(subcommand)]
    Pii(pii::Pii),
    /// What may stand in the configuration.
    #[command(subcommand)]
    Config(schema::Config),
    /// Prints the OpenAPI document of the service.
    Openapi(openapi::OpenApi),
    /// Prints a script that completes commands in a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Prints the version.
    Version,
}

/// Does what is asked, and returns the exit code.
///
/// # Errors
/// What went wrong, in words for the operator: exit code 2.
pub fn dispatch(command: &Command) -> anyhow::Result<ExitCode> {
    // Not locked: the gateway may write its audit log there, on a thread of its own.
    let mut out = BufWriter::new(io::stdout());
    let code = match command {
        Command::Run(args) => return wait(run::run(args))?,
        Command::Check(args) => check::run(args, &mut out)?,
        Command::Explain(args) => wait(explain::run(args, clock::now(), &mut out))??,
        Command::Openapi(args) => wait(openapi::run(args, &mut out))?.map(|()| 0)?,
        Command::Keys { store, command } => {
            let command = identities::Command::Keys(command.clone());
            wait(identities::run(&command, store, &mut out))??
        }
        Command::Users { store, command } => {
            let command = identities::Command::Users(command.clone());
            wait(identities::run(&command, store, &mut out))??
        }
        Command::Clients { store, command } => {
            let command = identities::Command::Clients(command.clone());
            wait(identities::run(&command, store, &mut out))??
        }
        Command::Tokens { store, command } => {
            let command = identities::Command::Tokens(command.clone());
            wait(identities::run(&command, store, &mut out))??
        }
        Command::Budgets { store, command } => {
            let command = identities::Command::Budgets(command.clone());
            wait(identities::run(&command, store, &mut out))??
        }
        Command::Approvals { store, command } => {
            let command = identities::Command::Approvals(command.clone());
            wait(identities::run(&command, store, &mut out))??
        }
        Command::Audit(command) => audit::run(command, clock::now(), &mut out)?,
        Command::Prices(command) => prices::run(command, &mut out)?,
        Command::Pii(command) => pii::run(command, &mut out)?,
        Command::Config(command) => schema::run(command, &mut out).map(|()| 0)?,
        Command::Completions { shell } => {
            // It panics where nobody reads any more.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "bartizan", &mut script);
            out.write_all(&script).map(|()| 0)?
        }
        Command::Version => writeln!(out, "bartizan {}", env!("CARGO_PKG_VERSION")).map(|()| 0)?,
    };
    out.flush()?;
    Ok(ExitCode::from(code))
}

/// Runs what must wait for something.
fn wait<F: Future>(work: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    Ok(runtime.context("no threads can be started")?.block_on(work))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_may_be_named_before_and_after_every_command() {
        for line in ["--config x.yaml check", "check --config x.yaml"] {
            let words = std::iter::once("bartizan").chain(line.split(' '));
            let Command::Check(check) = Cli::try_parse_from(words).unwrap().command else {
                panic!("another command")
            };
            assert_eq!(check.config, std::path::Path::new("x.yaml"));
        }
        for line in
            ["--config x.yaml keys list", "keys --config x.yaml list", "keys list --config x.yaml"]
        {
            let words = std::iter::once("bartizan").chain(line.split(' '));
            let Command::Keys { store, .. } = Cli::try_parse_from(words).unwrap().command else {
                panic!("another command")
            };
            assert_eq!(store.config, std::path::Path::new("x.yaml"));
        }
        for line in ["version", "config schema", "audit tail log", "completions bash"] {
            let words = ["bartizan", "--config", "x.yaml"].into_iter().chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
            let words =
                ["bartizan"].into_iter().chain(line.split(' ')).chain(["--config", "x.yaml"]);
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
    }

    #[test]
    fn the_commands_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
