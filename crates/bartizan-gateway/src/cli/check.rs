//! `bartizan check`: is this configuration sound?

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;

use crate::config::{self, Overrides, Paint, Profile, checklist};

/// Validates the configuration: all mistakes at once, with line and column.
///
/// Exit codes: 0 sound, also with warnings; 1 where a line of the checklist is not met; 2 where the
/// gateway would not start.
#[derive(Clone, Debug, clap::Args)]
pub struct Check {
    /// The file.
    #[arg(long, value_name = "FILE", default_value = "bartizan.yaml")]
    pub config: PathBuf,
    /// Also runs the checklist for where the gateway will run, and says for each of its lines
    /// whether it is met, where it is not, or what to look at elsewhere.
    #[arg(long, value_enum)]
    pub profile: Option<Profile>,
    /// How to tell what was found.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// How to tell what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

/// Checks, tells, and says the exit code.
///
/// # Errors
///
/// `out` cannot be written.
pub fn run(args: &Check, out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut examined =
        config::examine(&args.config, &Overrides::default(), &config::process_environment);
    examined.check_profile(args.profile);
    let (findings, file) = (&examined.findings, args.config.display().to_string());
    let answers = args.profile.map(|profile| (profile, examined.checklist(profile)));
    let answers = answers.filter(|(_, answers)| !answers.is_empty());
    match args.format {
        Format::Text => {
            write!(out, "{}", findings.to_text(&file, paint()))?;
            if let (Some(profile), None) = (args.profile, &answers) {
                let profile = profile.name();
                writeln!(out, "the checklist for {profile} is asked when the errors are mended")?;
            }
            if let Some((profile, answers)) = &answers {
                write!(out, "{}", checklist::to_text(*profile, answers, &file, paint()))?;
            }
        }
        Format::Json => {
            let mut report = findings.to_json(&file);
            if let (Some((profile, answers)), Some(members)) = (&answers, report.as_object_mut()) {
                members.insert("profile".into(), profile.name().into());
                members.insert("checklist".into(), checklist::to_json(answers));
            }
            writeln!(out, "{report:#}")?;
        }
    }
    Ok(findings.exit_code())
}

/// Colours only on a terminal, and not where <https://no-color.org> says no.
fn paint() -> Paint {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if io::stdout().is_terminal() && !unwanted { Paint::Terminal } else { Paint::Plain }
}
