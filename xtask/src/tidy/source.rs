//! What does a file say, and which of it is code that ships?

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A text file of the project.
#[derive(Debug)]
pub(super) struct Source {
    /// From the project's folder, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

/// Folders that hold nothing of ours.
const FOREIGN: &[&str] = &["target", ".git", "node_modules", "corpus", "artifacts"];
/// Files that people write, by how their names end. The lock file is cargo's.
const TEXT: &[&str] =
    &[".rs", ".toml", ".md", ".yaml", ".yml", ".sh", ".py", ".json", ".txt", "run", "justfile"];

impl Source {
    /// A file, and what stands in it.
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Every text file of the project, sorted by path.
    pub(super) fn all(root: &Path) -> Result<Vec<Self>> {
        let mut sources = Vec::new();
        walk(root, "", &mut sources)?;
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(sources)
    }

    /// Every line with its number from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line))
    }

    /// The lines that ship: neither comments nor the unit tests, which stand last.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let all: Vec<&str> = self.text.lines().map(str::trim).collect();
        let opens_tests = |at: usize| {
            let after = all.iter().skip(at + 1).find(|line| !line.starts_with("#["));
            after.is_some_and(|line| line.starts_with("mod "))
        };
        let tests =
            (0..all.len()).find(|at| all.get(*at) == Some(&"#[cfg(test)]") && opens_tests(*at));
        let lines = self.lines().take(tests.unwrap_or(usize::MAX));
        lines.map(|(at, line)| (at, line.split_once("//").map_or(line, |(code, _)| code)))
    }

    /// What follows each `crate::` in the code, or each path of `super` that means the same: the rooms it enters.
    pub(super) fn rooms(&self) -> Vec<(usize, String)> {
        let above = "super::".repeat(self.depth());
        let mut rooms = Vec::new();
        let code: Vec<(usize, &str)> = self.code().collect();
        for (index, (at, line)) in code.iter().enumerate() {
            for (start, root) in
                line.match_indices("crate::").chain(line.match_indices(above.as_str()))
            {
                let Some(rest) = line.get(start + root.len()..) else { continue };
                if rest.starts_with('{') {
                    let list: String = code.iter().skip(index + 1).map(|(_, line)| *line).collect();
                    rooms.extend(
                        listed(&format!("{rest}{list}")).into_iter().map(|room| (*at, room)),
                    );
                } else {
                    rooms.push((*at, identifier(rest)));
                }
            }
        }
        rooms
    }

    /// How many `super::` lead from this module to the crate's root.
    fn depth(&self) -> usize {
        let inside = self.path.split_once("/src/").map_or("", |(_, inside)| inside);
        inside.split('/').filter(|part| *part != "mod.rs").count().max(1)
    }
}

/// The first names in `{a::X, b::{Y, Z}, c}`.
fn listed(list: &str) -> Vec<String> {
    let (mut names, mut depth, mut fresh) = (Vec::new(), 0_u32, false);
    for (at, c) in list.char_indices() {
        match c {
            '{' => (depth, fresh) = (depth + 1, depth == 0),
            '}' => depth = depth.saturating_sub(1),
            ',' => fresh = depth == 1,
            c if fresh && !c.is_whitespace() => {
                names.push(identifier(list.get(at..).unwrap_or_default()));
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn walk(root: &Path, inside: &str, sources: &mut Vec<Source>) -> Result<()> {
    let folder = root.join(inside);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read `{inside}`"))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if inside.is_empty() { name.clone() } else { format!("{inside}/{name}") };
        if entry.file_type()?.is_dir() {
            if !FOREIGN.contains(&name.as_str()) {
                walk(root, &path, sources)?;
            }
        } else if TEXT.iter().any(|end| name.ends_with(end)) {
            let text = fs::read_to_string(entry.path())
                .with_context(|| format!("cannot read `{path}`"))?;
            sources.push(Source::new(&path, &text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(path: &str, text: &str) -> Vec<String> {
        Source::new(path, text).rooms().into_iter().map(|(_, room)| room).collect()
    }

    #[test]
    fn every_way_to_write_an_import_is_seen() {
        let text = "use crate::{\n    authorize::{Grant, crateless},\n    limit,\n};\nuse super::super::mask::Vault;\nfn f(x: crate::settle::Usage) {}\n";
        assert_eq!(
            rooms("crates/bartizan-core/src/validate/schema.rs", text),
            ["authorize", "limit", "mask", "settle"]
        );
    }

    #[test]
    fn comments_and_unit_tests_do_not_ship() {
        let text = "// crate::limit\nlet a = 1; // crate::limit\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n    use crate::limit::Draw;\n}\n";
        assert!(rooms("crates/bartizan-core/src/validate/schema.rs", text).is_empty());
    }
}
