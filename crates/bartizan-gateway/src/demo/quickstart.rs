//! What is behind `bartizan run --demo`? A real gateway, a store that is gone when it ends, and a password that everybody knows.

use std::net::SocketAddr;

use anyhow::{Context as _, anyhow};
use bartizan::endpoint::Served;
use bartizan_core::authenticate::password;
use secrecy::SecretString;
use tempfile::TempDir;

use super::agent;
use crate::config::{self, Findings, Overrides, Settings};

/// The configuration of the demo; its folder and the hash of its password are filled in.
const CONFIGURATION: &str = include_str!("demo.yaml");

/// The password of the guide.
const PASSWORD: &str = "secret";

/// A demo that is being run. Its store goes when it is dropped.
#[derive(Debug)]
pub struct Demo {
    folder: TempDir,
    password_hash: String,
}

impl Demo {
    /// A demo with a fresh store.
    ///
    /// # Errors
    /// There is no place for temporary files, or the kernel gives no randomness.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bartizan-demo-").tempdir();
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)
            .map_err(|error| anyhow!("the kernel gives no randomness: {error}"))?;
        let hash = password::hash(&SecretString::from(PASSWORD), &salt)?;
        let folder = folder.context("no folder for temporary files")?;
        Ok(Self { folder, password_hash: hash.to_phc() })
    }

    /// Its settings. Nothing of the environment has a say in them.
    ///
    /// # Errors
    /// What `overrides` make of them is not sound.
    pub fn settings(&self, overrides: &Overrides) -> Result<Settings, Findings> {
        let variables = |name: &str| match name {
            "DEMO_FOLDER" => Some(self.folder.path().display().to_string()),
            "DEMO_PASSWORD_HASH" => Some(self.password_hash.clone()),
            _ => None,
        };
        let folder = self.folder.path();
        let examined = config::examine_text(CONFIGURATION, folder, overrides, &variables);
        examined.settings.ok_or(examined.findings)
    }

    /// The endpoints that are written in Rust.
    #[must_use]
    pub fn endpoints() -> Vec<Served> {
        agent::endpoints()
    }

    /// What to try.
    #[must_use]
    pub fn hints(address: SocketAddr) -> String {
        let url = format!("http://localhost:{}", address.port());
        format!(
            "
Try it in another terminal:

  TOKEN=$(curl -s {url}/token -d grant_type=password -d username=agent1 -d password={PASSWORD} \\
    | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')

  curl -X SUMMARIZE {url}/document -H \"Authorization: Bearer $TOKEN\" \\
    -H 'Content-Type: application/json' -d '{{\"document_id\":\"doc_001\",\"format\":\"text\"}}'

  curl -X DISCOVER {url}/actions -H \"Authorization: Bearer $TOKEN\"
  curl -i {url}/health          # six times in a minute: 429

Ctrl-C stops it, and everything is forgotten.
"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_sound_and_keeps_to_its_own_folder() {
        let demo = Demo::new().unwrap();
        let settings = demo.settings(&Overrides::default());
        let settings = settings.map_err(|f| f.to_text("demo", config::Paint::Plain)).unwrap();
        assert!(settings.server.listen.ip().is_loopback());
        let store = format!("{:?}", settings.store);
        assert!(store.contains(&demo.folder.path().display().to_string()), "{store}");
    }
}
