//! What commands need that look at a configuration and change nothing.

use std::path::Path;

use anyhow::anyhow;

use crate::config::settings::personal::Destination;
use crate::config::{self, Overrides, Paint, Settings};

/// The settings of a file, or everything that is wrong with it as one error.
pub(super) fn settings(file: &Path, overrides: &Overrides) -> anyhow::Result<Settings> {
    config::load(file, overrides, &config::process_environment).map_err(|findings| {
        let text = findings.to_text(&file.display().to_string(), Paint::Plain);
        anyhow!("{}", text.trim_end().to_owned())
    })
}

/// The same settings with a log of their own: that of the gateway has one writer.
pub(super) fn without_log(mut settings: Settings, folder: &Path) -> Settings {
    settings.audit.destination = Destination::File(folder.join("audit.jsonl"));
    settings
}
