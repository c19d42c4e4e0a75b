//! `bartizan openapi`: the whole description of the service.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use bartizan_core::describe::openapi::{self, Version};

use super::show;
use crate::assemble::{Standing, examine};
use crate::config::Overrides;
use crate::config::settings::Durable;

/// Prints the OpenAPI document of every endpoint; callers of the service see those that they may
/// use.
#[derive(clap::Args, Clone, Debug)]
pub struct OpenApi {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "bartizan.yaml")]
    pub config: PathBuf,
    /// The version of OpenAPI.
    #[arg(long, value_enum, default_value = "3.2")]
    pub version: Which,
}

/// The version of OpenAPI.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Which {
    /// For older readers: verbs of one's own under `x-additionalOperations`.
    #[value(name = "3.1")]
    V3_1,
    /// Verbs of one's own under `additionalOperations`.
    #[value(name = "3.2")]
    V3_2,
}

/// Prints to `out`.
///
/// # Errors
/// The configuration is not sound.
pub async fn run(args: &OpenApi, out: &mut dyn Write) -> anyhow::Result<()> {
    let settings = show::settings(&args.config, &Overrides::default())?;
    let folder = tempfile::tempdir().context("no folder for temporary files")?;
    let mut alone = show::without_log(settings, folder.path());
    alone.store.durable = Durable::Sqlite(folder.path().join("none.db"));
    let standing = Standing::open(&alone).await?;
    let (app, _) = examine(&alone, &standing).await?;
    let version = match args.version {
        Which::V3_1 => Version::V3_1,
        Which::V3_2 => Version::V3_2,
    };
    let document = openapi::document(app.title(), version, app.policy().routes.endpoints());
    writeln!(out, "{document:#}")?;
    app.close(std::time::Duration::from_secs(1)).await;
    standing.close().await;
    Ok(())
}
