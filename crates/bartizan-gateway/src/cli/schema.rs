//! `bartizan config schema`: what may stand in the configuration?

use std::io::Write;

/// What can be asked about the configuration in general.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Config {
    /// Prints the JSON Schema (draft 2020-12) of `bartizan.yaml`, for editors and generators.
    Schema,
}

/// Answers.
///
/// # Errors
///
/// `out` cannot be written.
pub fn run(command: &Config, out: &mut dyn Write) -> anyhow::Result<()> {
    match command {
        Config::Schema => {
            writeln!(out, "{:#}", crate::config::unsupported::schema_of_what_is_built())?
        }
    }
    Ok(())
}
