//! Where would a laxer reader behind the gateway find a path?
//!
//! | reader | what it takes for the same |
//! |---|---|
//! | servlet containers | `/a;x` and `/a` |
//! | Express, Fastify, Flask and most others | `/a/` and `/a` |
//! | Express, ASP.NET Core, IIS | `/A` and `/a` |
//! | IIS, what serves files on Windows | `/a.`, `/a%20` and `/a` |
//! | Rails, older Spring | `/a.json` and `/a` ([`Reading::OfFormats`]) |
//!
//! Paths and templates are folded alike, by all of it at once. Whatever part of it a reader applies,
//! it arrives at a spelling that folds to the same.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use super::named::fold;

/// Where the templates stand, by what laxer readers take them for.
#[derive(Clone, Debug, Default)]
pub(super) struct Laxer {
    paths: matchit::Router<usize>,
    /// The places of all templates that fold to the same.
    groups: Vec<Vec<usize>>,
    /// Which group a folded template is.
    templates: HashMap<String, usize>,
}

/// How lax a reader is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reading {
    /// What stands behind `;`, a slash at the end, dots and spaces at the end of a name, and capitals
    /// count for nothing.
    OfNames,
    /// Nor does what stands behind a dot in the last name: a format.
    OfFormats,
}

/// Two templates that a laxer reader cannot tell apart, as no map can hold them both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Clash;

impl Laxer {
    /// Adds a template, and where it stands.
    ///
    /// # Errors
    /// [`Clash`] where folded templates stand in each other's way.
    pub(super) fn add(
        &mut self,
        template: &str,
        place: usize,
        reading: Reading,
    ) -> Result<(), Clash> {
        let folded = folded_template(template, reading);
        let next = self.groups.len();
        if let Some(group) = self.templates.get(&folded) {
            self.groups.get_mut(*group).into_iter().for_each(|places| places.push(place));
        } else {
            self.paths.insert(folded.clone(), next).map_err(|_| Clash)?;
            self.groups.push(vec![place]);
            self.templates.insert(folded, next);
        }
        Ok(())
    }

    /// The places where a reader that reads so may find `path`.
    pub(super) fn at(&self, path: &str, reading: Reading) -> &[usize] {
        let found = self.paths.at(&folded(path, reading)).ok().map(|found| *found.value);
        found.and_then(|group| self.groups.get(group)).map_or(&[], Vec::as_slice)
    }
}

/// Whether a laxer reader may write a canonical path, or a template, in another way than this.
pub(super) fn may_differ(path: &str) -> bool {
    let odd = |byte: u8| matches!(byte, b';' | b'%' | b'.') || byte.is_ascii_uppercase();
    path.ends_with('/') || path.bytes().any(odd)
}

/// Whether a name of the path is nothing to a laxer reader: then the names behind it move up.
pub(super) fn loses_a_name(path: &str) -> bool {
    path.split('/').any(|name| !name.is_empty() && folded_name(name).is_empty())
}

/// Whether the last name has a dot in it, behind which a format may stand.
pub(super) fn names_a_format(path: &str) -> bool {
    path.rsplit('/').find(|name| !name.is_empty()).is_some_and(|name| name.contains('.'))
}

fn folded(path: &str, reading: Reading) -> String {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (parents, last) = path.rsplit_once('/').unwrap_or_default();
    let mut out = String::with_capacity(path.len() + 1);
    for name in parents.split('/').skip(1) {
        out.push('/');
        out.push_str(&folded_name(name));
    }
    out.push('/');
    let last = folded_name(last);
    out.push_str(match reading {
        Reading::OfFormats => without_format(&last),
        Reading::OfNames => &last,
    });
    out
}

fn folded_name(name: &str) -> String {
    let name = percent_decode_str(name).decode_utf8_lossy();
    let name = name.split(';').next().unwrap_or_default();
    fold(name.trim_end_matches(['.', ' ']))
}

fn without_format(name: &str) -> &str {
    let dot = name.char_indices().skip(1).find(|(_, letter)| *letter == '.');
    let name = dot.and_then(|(at, _)| name.get(..at)).unwrap_or(name);
    name.trim_end_matches(' ')
}

/// A template, folded as the paths are that it matches. What its parameters are called says
/// nothing, and they match whatever is folded.
fn folded_template(template: &str, reading: Reading) -> String {
    let mut number = 0;
    let mut names = template.strip_suffix('/').unwrap_or(template).split('/').skip(1).peekable();
    let mut out = String::with_capacity(template.len() + 1);
    while let Some(name) = names.next() {
        out.push('/');
        let plain = name.replace("{{", "").replace("}}", "");
        if plain.contains('{') {
            out.push_str(&with_parameters(name, &mut number));
            continue;
        }
        let name = folded_name(&name.replace("{{", "{").replace("}}", "}"));
        let name = match reading {
            Reading::OfFormats if names.peek().is_none() => without_format(&name),
            _ => &name,
        };
        out.push_str(&name.replace('{', "{{").replace('}', "}}"));
    }
    if out.is_empty() { "/".into() } else { out }
}

/// A name of a template with parameters in it, each with a number for its name.
fn with_parameters(name: &str, number: &mut usize) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, inner, after)) =
        rest.split_once('{').and_then(|(b, more)| more.split_once('}').map(|(i, a)| (b, i, a)))
    {
        let star = if inner.starts_with('*') { "*" } else { "" };
        out.push_str(&format!("{}{{{star}p{number}}}", fold(before)));
        *number += 1;
        rest = after;
    }
    out.push_str(&fold(rest));
    out
}
