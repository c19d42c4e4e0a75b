//! What can be done with this project besides running it?

mod command;
mod conformance;
mod count;
mod fuzz;
mod long;
mod mcp;
mod names;
mod needs;
mod pages;
mod pii_eval;
mod suite;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

const HELP: &str = "\
cargo xtask COMMAND

  test                every test: unit, integration and doc tests; ends with the count
  conformance         the suites that need the conformance data ($BARTIZAN_DATA, else ../shared/data)
  tidy                the house rules that neither rustc nor clippy knows
  pages [--check]     writes the generated pages of docs/; --check says which are stale
  bench [ARGS]        the road without network; ARGS go to the benchmark
  bench gateway [ARGS]  the gateway beside nginx and HAProxy; ARGS go to `bench/gateway`
  bench streams [ARGS]  first tokens, thousands of streams, masking; ARGS go to `bench/streams`
  pii-eval [--names] [--presidio]  the accuracy of the personal data scanner, into docs/; beside a model
                      of names, and beside Presidio
  fuzz [TARGET…] [--seconds N]  searches for inputs that break a promise, 60 s in each target of fuzz/
  names               the model of names: brings it and its runtime, and runs what the feature `names` has
  model               the SDKs of OpenAI and Anthropic against a real model on this machine
  mcp                 MCP's own conformance suite: a server behind the gateway, and without it
  nightly             what takes long: properties on many more cases, the comparison with other gateways";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match dispatch(&root(), &args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(root: &Path, args: &[&str]) -> Result<()> {
    match args {
        ["test"] => suite::run(root),
        ["conformance"] => conformance::run(root),
        ["tidy"] => tidy::run(root),
        ["pages"] => pages::write(root),
        ["pages", "--check"] => pages::check(root),
        ["bench", "gateway", rest @ ..] => long::compare(root, rest),
        ["bench", "streams", rest @ ..] => long::streams(root, rest),
        ["bench", rest @ ..] => long::bench(root, rest),
        ["pii-eval", rest @ ..] => pii_eval::evaluate(root, rest),
        ["fuzz", rest @ ..] => fuzz::search(root, rest),
        ["model"] => long::model(root),
        ["names"] => names::run(root),
        ["mcp"] => mcp::compare(root),
        ["nightly"] => long::nightly(root),
        [] | ["help" | "-h" | "--help"] => {
            eprintln!("{HELP}");
            Ok(())
        }
        _ => anyhow::bail!("`{}` is no command\n\n{HELP}", args.join(" ")),
    }
}

/// The folder that holds the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
