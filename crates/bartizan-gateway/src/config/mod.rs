//! What does the configuration say? Twice: as written (`file`), and as meant (`settings`).
//!
//! A file becomes settings in five steps, each of which tells all that it finds wrong, takes that
//! out, and leaves the rest to the next: text → [`tree`] (with places) → [`substitute`] (the
//! environment) → [`unsupported`] and [`shape`] (keys and types) → [`file`](mod@file) → [`settings`]
//! (meaning). Only a file without any error becomes settings.

pub mod units;
pub mod findings;
pub mod tree;
pub mod substitute;
pub mod unsupported;
pub mod shape;
pub mod decode;
pub mod file;
pub mod settings;
pub mod profile;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

pub use findings::{Finding, Findings, Paint, Severity};
pub use profile::Profile;
pub use settings::{Overrides, Settings};
pub use substitute::Lookup;

use substitute::Outside;
use tree::{Kind, Node, Place};

/// All that can be said about a configuration.
#[derive(Debug)]
pub struct Examined {
    /// What the program would run on; absent when there is an error among the findings.
    pub settings: Option<Settings>,
    /// Everything that was found, in the order of the file.
    pub findings: Findings,
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
    let examined = examine(path, overrides, env);
    match examined.settings {
        Some(settings) => Ok(Settings { warnings: examined.findings, ..settings }),
        None => Err(examined.findings),
    }
}

/// Everything that can be said about a file.
pub fn examine(path: &Path, overrides: &Overrides, env: Lookup<'_>) -> Examined {
    let folder = path.parent().unwrap_or(Path::new(""));
    match read(path) {
        Ok(text) => examine_text(&text, folder, overrides, env),
        Err(finding) => Examined::unusable(finding),
    }
}

/// The same for a text. Relative paths in it begin at `folder`.
pub fn examine_text(text: &str, folder: &Path, overrides: &Overrides, env: Lookup<'_>) -> Examined {
    let outside = Outside { env, folder };
    let (mut tree, faults) = match tree::parse(text) {
        Ok(parsed) => parsed,
        Err(fault) => return Examined::unusable(finding_of(fault)),
    };
    let mut findings = Findings::default();
    faults.into_iter().for_each(|fault| findings.push(finding_of(fault)));
    let places = places(&tree);
    let settings = understand(&mut tree, outside, overrides, &mut findings);
    findings.sort();
    Examined { settings, findings, places }
}

/// The environment of this process, as a [`Lookup`].
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Examined {
    fn unusable(finding: Finding) -> Self {
        Examined { settings: None, findings: Findings::unusable(finding), places: BTreeMap::new() }
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
    let mut lost: BTreeSet<String> =
        substitute::substitute(tree, &outside, findings).into_iter().collect();
    lost.extend(unsupported::check(tree, findings));
    let shapeless = shape::check(tree, findings)?;
    shape::take_out(tree, &lost);
    lost.extend(shapeless);
    // What was taken out may have been needed by what is left; that is no news.
    lost.extend(shape::check(tree, &mut Findings::default())?);
    match decode::decode::<file::File>(tree) {
        Ok(file) => settings::resolve(&file, outside, overrides, &lost, findings),
        Err(error) => {
            findings.error(&error.place.unwrap_or_else(Place::start), error.message);
            None
        }
    }
}

fn read(path: &Path) -> Result<String, Finding> {
    let unreadable = |why: &dyn std::fmt::Display| {
        let finding = Finding::new(
            Severity::Error,
            &Place::start(),
            format!("the file cannot be read: {why}"),
        );
        finding.help("name another with `--config`; `bartizan run --demo` needs none")
    };
    let file =
        std::fs::File::open(path).map_err(|error| unreadable(&substitute::why(error.kind())))?;
    let mut bytes = Vec::new();
    // One byte more than is read, so that the tree sees that there is more.
    let most = tree::MAX_BYTES as u64 + 1;
    file.take(most)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&substitute::why(error.kind())))?;
    String::from_utf8(bytes).map_err(|_| unreadable(&"it is not UTF-8"))
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
