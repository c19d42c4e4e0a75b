//! What does the configuration say? Twice: as written (`file`), and as meant (`settings`).
//!
//! A file becomes settings in five steps, each of which tells all that it finds wrong, takes that
//! out, and leaves the rest to the next: text → [`tree`] (with places) → [`substitute`] (the
//! environment) → [`unsupported`] and [`shape`] (keys and types) → [`file`](mod@file) → [`settings`]
//! (meaning). Only a file without any error becomes settings.

pub mod units;
pub mod findings;
pub mod tree;
pub mod seen;
pub mod substitute;
pub mod unsupported;
pub mod shape;
pub mod decode;
pub mod file;
pub mod settings;
pub mod exposed;
pub mod profile;
pub mod checklist;
mod hard_coded;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub use findings::{Finding, Findings, Paint, Severity};
pub use profile::Profile;
pub use settings::{Desk, Overrides, Settings};
pub use substitute::Lookup;

use seen::{Files, Seen};
use substitute::Outside;
use tree::{Kind, Node, Place};

/// All that can be said about a configuration.
#[derive(Debug)]
pub struct Examined {
    /// What the program would run on; absent when there is an error among the findings.
    pub settings: Option<Settings>,
    /// Everything that was found, in the order of the file.
    pub findings: Findings,
    /// The file, and every file that it names and that was looked for: when one of them changes,
    /// all this may be said anew.
    pub files: Files,
    places: BTreeMap<String, Place>,
}

/// The settings of a file. `overrides` come from the command line, `env` looks variables up. Reads
/// the files that the configuration names, opens no connection and writes nothing.
///
/// # Errors
///
/// Everything that is wrong with it, when anything is. Mere warnings stand in
/// [`Settings::warnings`].
pub fn load(path: &Path, overrides: &Overrides, env: Lookup<'_>) -> Result<Settings, Findings> {
    examine(path, overrides, env).into_settings()
}

/// What a command is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// Calls that wait for somebody to agree.
    Approvals,
    /// Budgets and their ledger.
    Budgets,
    /// Users, clients, keys and tokens.
    Identities,
}

/// What commands need of a file: the store, the names of roles, and where records go; for
/// approvals also who may decide, and for budgets what they are. Everything else may be wrong, or lean on variables that are set
/// for the gateway alone.
///
/// # Errors
///
/// What is wrong with these parts.
pub fn desk(path: &Path, part: Part, env: Lookup<'_>) -> Result<Desk, Findings> {
    let seen = Seen::default();
    let text = read(path, &seen).map_err(Findings::unusable)?;
    let (mut tree, _) =
        tree::parse(&text).map_err(|fault| Findings::unusable(finding_of(fault)))?;
    let always =
        ["/store/durable", "/access/roles", "/audit/destination", "/auth/pepper", "/secrets"];
    let more: &[&str] = match part {
        Part::Approvals => {
            &["/access/scopes", "/access/assign", "/approvals", "/auth/api_keys/keys"]
        }
        Part::Budgets => &["/budgets"],
        Part::Identities => &[],
    };
    tree.keep(&[&always[..], more].concat(), &shape::is_known);
    let mut findings = Findings::default();
    let folder = path.parent().unwrap_or(Path::new(""));
    let outside = Outside::new(env, folder, &seen);
    let (file, lost) = match read_tree(&mut tree, outside, &mut findings) {
        Some(read) if !findings.has_errors() => read,
        Some(_) | None => return Err(findings),
    };
    settings::desk(&file, part, outside, &lost, &mut findings).ok_or(findings)
}

/// Everything that can be said about a file.
pub fn examine(path: &Path, overrides: &Overrides, env: Lookup<'_>) -> Examined {
    let folder = path.parent().unwrap_or(Path::new(""));
    let own = Seen::default();
    let mut examined = match read(path, &own) {
        Ok(text) => examine_text(&text, folder, overrides, env),
        Err(finding) => Examined::unusable(finding),
    };
    examined.files.extend(own.files());
    examined
}

/// The same for a text. Relative paths in it begin at `folder`.
pub fn examine_text(text: &str, folder: &Path, overrides: &Overrides, env: Lookup<'_>) -> Examined {
    let seen = Seen::default();
    let outside = Outside::new(env, folder, &seen);
    let (mut tree, faults) = match tree::parse(text) {
        Ok(parsed) => parsed,
        Err(fault) => return Examined::unusable(finding_of(fault)),
    };
    let mut findings = Findings::default();
    faults.into_iter().for_each(|fault| findings.push(finding_of(fault)));
    let places = places(&tree);
    let hard_coded = hard_coded::find(&mut tree);
    let settings = understand(&mut tree, outside, overrides, &mut findings);
    let settings = settings.map(|settings| Settings { hard_coded, ..settings });
    findings.sort();
    Examined { settings, findings, places, files: seen.files() }
}

/// The environment of this process, as a [`Lookup`].
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Examined {
    /// The settings with what was found beside them; everything that is wrong, where anything is.
    ///
    /// # Errors
    ///
    /// As [`load`].
    pub fn into_settings(self) -> Result<Settings, Findings> {
        match self.settings {
            Some(settings) => {
                Ok(Settings { warnings: self.findings, files: self.files, ..settings })
            }
            None => Err(self.findings),
        }
    }

    fn unusable(finding: Finding) -> Self {
        let (files, places) = (Files::default(), BTreeMap::new());
        Examined { settings: None, findings: Findings::unusable(finding), files, places }
    }

    /// Runs the checklist of a profile over the settings, and sorts what it finds among the rest.
    /// Without a profile only the rows that hold everywhere.
    pub fn check_profile(&mut self, profile: Option<Profile>) {
        let Some(settings) = &self.settings else { return };
        for hit in profile::run(settings, profile) {
            let place = self.place(&hit.pointer);
            let finding = Finding::new(hit.row.severity, &place, hit.message()).help(hit.row.help);
            self.findings.push(Finding { check: Some(hit.row.id), ..finding });
        }
        self.findings.sort();
    }

    /// How the settings stand against every line of a profile's checklist, once
    /// [`Examined::check_profile`] was asked; nothing where there are none.
    #[must_use]
    pub fn checklist(&self, profile: Profile) -> Vec<checklist::Answer<'_>> {
        let settings = self.settings.as_ref();
        settings
            .map(|settings| checklist::ask(profile, settings, &self.findings))
            .unwrap_or_default()
    }

    /// Where a pointer stands, or the nearest section around it.
    fn place(&self, pointer: &str) -> Place {
        let mut at = pointer;
        loop {
            if let Some(place) = self.places.get(at) {
                return place.clone();
            }
            match at.rsplit_once('/') {
                Some((outer, _)) => at = outer,
                None => return Place::start(),
            }
        }
    }
}

fn understand(
    tree: &mut Node,
    outside: Outside<'_>,
    overrides: &Overrides,
    findings: &mut Findings,
) -> Option<Settings> {
    let (file, lost) = read_tree(tree, outside, findings)?;
    settings::resolve(&file, outside, overrides, &lost, findings)
}

/// The file form of a tree, and the pointers of what was told and taken out.
fn read_tree(
    tree: &mut Node,
    outside: Outside<'_>,
    findings: &mut Findings,
) -> Option<(file::File, BTreeSet<String>)> {
    let mut lost: BTreeSet<String> =
        substitute::substitute(tree, &outside, findings).into_iter().collect();
    lost.extend(unsupported::check(tree, findings));
    let shapeless = shape::check(tree, findings)?;
    shape::take_out(tree, &lost);
    lost.extend(shapeless);
    // What was taken out may have been needed by what is left; that is no news.
    lost.extend(shape::check(tree, &mut Findings::default())?);
    match decode::decode::<file::File>(tree) {
        Ok(file) => Some((file, lost)),
        Err(error) => {
            findings.error(&error.place.unwrap_or_else(Place::start), error.message);
            None
        }
    }
}

fn read(path: &Path, seen: &Seen) -> Result<String, Finding> {
    seen.read(path).map_err(|error| {
        let message = format!("the file cannot be read: {}", substitute::why(error.kind()));
        let finding = Finding::new(Severity::Error, &Place::start(), message);
        finding.help(match error.kind() {
            std::io::ErrorKind::NotFound => {
                "name another with `--config`; `bartizan run --demo` needs none"
            }
            kind => substitute::help(&substitute::Missing::File(path.to_owned(), kind)),
        })
    })
}

fn finding_of(fault: tree::Fault) -> Finding {
    let finding = Finding::new(Severity::Error, &fault.place, fault.message);
    Finding { help: fault.help, ..finding }
}

/// Where everything stands; sections by their keys.
fn places(tree: &Node) -> BTreeMap<String, Place> {
    let mut places = BTreeMap::new();
    let mut open = vec![tree];
    while let Some(node) = open.pop() {
        places.insert(node.place.pointer.clone(), node.key.clone());
        match &node.kind {
            Kind::Scalar(_) => {}
            Kind::List(items) => open.extend(items),
            Kind::Map(entries) => open.extend(entries.iter().map(|(_, node)| node)),
        }
    }
    places
}
