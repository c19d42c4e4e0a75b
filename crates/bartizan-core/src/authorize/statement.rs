//! What have the operators laid down beside the endpoints? Statements: allow, deny, ask first.
//!
//! They are asked in the order of their priority, those of equal priority in the order in which
//! they were written. Any statement that denies wins. Where statements that allow are written for
//! an endpoint, one of them must hold. Of those that allow and those that ask for an approval the
//! first that holds says whether one is needed. None of them opens what the endpoint itself keeps
//! shut.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use super::condition::{Asked, Conditions};
use super::{Denial, Endpoint, Routes, role};

/// One statement.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What it is called in reasons and in the audit.
    pub name: Arc<str>,
    /// What follows where it holds.
    pub effect: Effect,
    /// Statements of higher priority are asked first.
    pub priority: i32,
    /// Of which calls it speaks.
    pub target: Target,
    /// It holds where all of this does,
    pub when: Conditions,
    /// and not all of this, where anything is written here.
    pub unless: Option<Conditions>,
}

/// What follows where a statement holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// The call may pass.
    Allow,
    /// It may not.
    Deny,
    /// It may where somebody agrees first.
    RequireApproval,
}

/// Of which calls a statement speaks; what is empty speaks of all.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// The verbs, as they were decided: an alias is what it means.
    pub verbs: Vec<Method>,
    /// Patterns of paths: by segment, the last `*` for one or more; or an endpoint's template.
    pub paths: Vec<Arc<str>>,
    /// Patterns of the endpoint's resource.
    pub resources: Vec<Arc<str>>,
    /// Categories of the endpoint.
    pub categories: Vec<Arc<str>>,
}

/// All statements, and which of them speak of which endpoint.
#[derive(Clone, Debug, Default)]
pub struct Statements {
    /// In the order in which they are asked.
    all: Vec<Arc<Statement>>,
    /// By the index of the endpoint.
    by_endpoint: Vec<Option<Arc<Applicable>>>,
}

/// The statements that speak of one endpoint.
#[derive(Clone, Debug, Default)]
struct Applicable {
    denying: Vec<Spoken>,
    /// Those that allow or ask for an approval.
    others: Vec<Spoken>,
    /// Whether any of them allows: then one must.
    asks: bool,
}

/// A statement as it speaks of one endpoint.
#[derive(Clone, Debug)]
struct Spoken {
    statement: Arc<Statement>,
    /// Whether the path of the call decides: the template alone does not say it.
    by_path: bool,
}

/// Whether a pattern fits the paths of a template.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fit {
    All,
    Some,
    None,
}

/// What the statements say of a call that they do not deny.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Said<'a> {
    /// Nothing, or that it may pass.
    Pass,
    /// That somebody must agree first: so says this statement.
    Ask(&'a Arc<str>),
}

#[cfg(feature = "cedar")]
impl Said<'_> {
    /// Whoever asks for an approval is heard.
    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::Pass { other } else { self }
    }
}

impl Statements {
    /// Works out which statements speak of which endpoint.
    #[must_use]
    pub fn compile(mut statements: Vec<Statement>, routes: &Routes) -> Self {
        // Stable: those of equal priority stay as they were written.
        statements.sort_by_key(|statement| std::cmp::Reverse(statement.priority));
        let all: Vec<_> = statements.into_iter().map(Arc::new).collect();
        let mut known: HashMap<Vec<(usize, bool)>, Arc<Applicable>> = HashMap::new();
        let by_endpoint = routes.endpoints().map(|endpoint| {
            let fits = all.iter().enumerate().filter_map(|(index, statement)| {
                match statement.fit(endpoint) {
                    Fit::None => None,
                    fit => Some((index, fit == Fit::Some)),
                }
            });
            let fits: Vec<_> = fits.collect();
            (!fits.is_empty()).then(|| {
                let applicable = || Arc::new(Applicable::of(&fits, &all));
                Arc::clone(known.entry(fits.clone()).or_insert_with(applicable))
            })
        });
        let by_endpoint: Vec<_> = if all.is_empty() { Vec::new() } else { by_endpoint.collect() };
        Self { all, by_endpoint }
    }

    /// All of them, in the order in which they are asked.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Statement>> {
        self.all.iter()
    }

    /// What they say of a call at `endpoint`.
    pub(super) fn ask(&self, endpoint: &Endpoint, asked: &Asked<'_>) -> Result<Said<'_>, Denial> {
        let Some(Some(applicable)) = self.by_endpoint.get(endpoint.index) else {
            return Ok(Said::Pass);
        };
        if let Some(denying) = applicable.denying.iter().find(|spoken| spoken.holds(asked, false)) {
            return Err(Denial::Statement(Arc::clone(&denying.statement.name)));
        }
        let mut first = None;
        for spoken in applicable.others.iter().filter(|spoken| spoken.holds(asked, true)) {
            let first = first.get_or_insert(spoken);
            if !applicable.asks || spoken.statement.effect == Effect::Allow {
                return Ok(match first.statement.effect {
                    Effect::RequireApproval => Said::Ask(&first.statement.name),
                    Effect::Allow | Effect::Deny => Said::Pass,
                });
            }
        }
        if applicable.asks { Err(Denial::NotAllowed) } else { Ok(Said::Pass) }
    }

    /// Whether the same ones speak of two endpoints, whatever the path of the call is.
    pub(super) fn treat_alike(&self, one: &Endpoint, other: &Endpoint) -> bool {
        let spoken = |endpoint: &Endpoint| self.by_endpoint.get(endpoint.index)?.as_ref();
        match (spoken(one), spoken(other)) {
            (None, None) => true,
            (Some(one), Some(other)) => {
                let mut all = one.denying.iter().chain(&one.others);
                Arc::ptr_eq(one, other) && !all.any(|spoken| spoken.by_path)
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// Those that speak of `endpoint`, each with whether it holds.
    pub(super) fn look(
        &self,
        endpoint: &Endpoint,
        asked: &Asked<'_>,
    ) -> Vec<(Arc<Statement>, bool)> {
        let applicable = self.by_endpoint.get(endpoint.index).and_then(Option::as_ref);
        let spoken = applicable.iter().flat_map(|a| a.denying.iter().chain(&a.others));
        let holds = |spoken: &Spoken| spoken.holds(asked, spoken.statement.effect != Effect::Deny);
        spoken.map(|spoken| (Arc::clone(&spoken.statement), holds(spoken))).collect()
    }
}

impl Applicable {
    fn of(fits: &[(usize, bool)], all: &[Arc<Statement>]) -> Self {
        let mut applicable = Self::default();
        for (index, by_path) in fits {
            let Some(statement) = all.get(*index).map(Arc::clone) else { continue };
            applicable.asks |= statement.effect == Effect::Allow;
            let list = match statement.effect {
                Effect::Deny => &mut applicable.denying,
                Effect::Allow | Effect::RequireApproval => &mut applicable.others,
            };
            list.push(Spoken { statement, by_path: *by_path });
        }
        applicable
    }
}

impl Spoken {
    /// Whether the statement holds; `unknown` is what counts where there is no path yet.
    fn holds(&self, asked: &Asked<'_>, unknown: bool) -> bool {
        let Statement { target, when, unless, .. } = &*self.statement;
        let path =
            !self.by_path || asked.circumstances.path.map_or(unknown, |path| target.names(path));
        path && when.hold(asked) && unless.as_ref().is_none_or(|unless| !unless.hold(asked))
    }
}

impl Statement {
    /// Why it does not hold, in words for the operator; nothing where its path decides.
    pub(super) fn missed(&self, asked: &Asked<'_>) -> Vec<String> {
        let mut missed = self.when.missed(asked);
        if self.unless.as_ref().is_some_and(|unless| unless.hold(asked)) {
            missed.push("what stands under its `unless` holds".to_owned());
        }
        missed
    }

    /// A statement that denies and names no path speaks of everything. The gateway's own endpoints
    /// are spoken of by one that allows where it names their path, and are never waited for: nobody
    /// could decide any more.
    fn fit(&self, endpoint: &Endpoint) -> Fit {
        let own = endpoint.about.built_in;
        let silent = match self.effect {
            Effect::Allow => own && self.target.paths.is_empty(),
            Effect::Deny => false,
            Effect::RequireApproval => own,
        };
        if silent {
            return Fit::None;
        }
        let resource = endpoint.permission.as_ref().map(|permission| &*permission.resource);
        let category = endpoint.about.category.as_deref();
        self.target.fit(&endpoint.verb, &endpoint.path, resource, category)
    }
}

impl Target {
    /// Whether it may speak of calls of `verb` at the path template `path`.
    #[must_use]
    pub fn may_cover(
        &self,
        verb: &Method,
        path: &str,
        resource: Option<&str>,
        category: Option<&str>,
    ) -> bool {
        self.fit(verb, path, resource, category) != Fit::None
    }

    fn fit(
        &self,
        verb: &Method,
        path: &str,
        resource: Option<&str>,
        category: Option<&str>,
    ) -> Fit {
        let resources = self.resources.is_empty()
            || resource.is_some_and(|name| self.resources.iter().any(|p| role::matches(p, name)));
        let categories = self.categories.is_empty()
            || category.is_some_and(|name| self.categories.iter().any(|c| **c == *name));
        let verbs = self.verbs.is_empty() || self.verbs.contains(verb);
        if !(resources && categories && verbs) {
            return Fit::None;
        }
        if self.paths.is_empty() {
            return Fit::All;
        }
        let fits = self.paths.iter().map(|pattern| fit(pattern, path));
        fits.fold(Fit::None, |best, fit| match (best, fit) {
            (Fit::All, _) | (_, Fit::All) => Fit::All,
            (Fit::Some, _) | (_, Fit::Some) => Fit::Some,
            (Fit::None, Fit::None) => Fit::None,
        })
    }

    /// Whether a path is one of those named. A slash at its end and what stands behind `;` in a
    /// segment do not count: there are upstreams for which they do not either, and a statement
    /// that denies must not be evaded by them.
    fn names(&self, path: &str) -> bool {
        let path = path.strip_suffix('/').unwrap_or(path);
        if !path.contains(';') {
            return self
                .paths
                .iter()
                .any(|pattern| everything(pattern) || role::matches(pattern, path));
        }
        let bare = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
        let bare = bare.collect::<Vec<_>>().join("/");
        self.paths.iter().any(|pattern| {
            everything(pattern) || role::matches(pattern, path) || role::matches(pattern, &bare)
        })
    }
}

fn everything(pattern: &str) -> bool {
    matches!(pattern, "*" | "/*")
}

/// Which paths of a template a pattern fits.
fn fit(pattern: &str, template: &str) -> Fit {
    if pattern == template || everything(pattern) {
        return Fit::All;
    }
    let (mut patterns, mut places) = (pattern.split('/').peekable(), template.split('/'));
    let mut found = Fit::All;
    loop {
        match (patterns.next(), places.next()) {
            (None, None) => return found,
            (Some("*"), Some(place)) if patterns.peek().is_none() => {
                // An empty last segment is no segment.
                let rest = std::iter::once(place).chain(places).all(|place| !place.is_empty());
                return if rest { found } else { Fit::Some };
            }
            (Some(_), Some(place)) if place.starts_with("{*") => return Fit::Some,
            (Some("*"), Some(place)) if place.starts_with('{') => {}
            (Some(_), Some(place)) if place.contains(['{', '}']) => found = Fit::Some,
            (Some(pattern), Some(place)) if role::segment_matches(pattern, place) => {}
            // A slash at the end of the template: the pattern may mean the path without it.
            (None, Some("")) => return Fit::Some,
            _ => return Fit::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_weighed_against_a_template_before_there_is_a_path() {
        for (pattern, template, expected) in [
            ("*", "/", Fit::All),
            ("/*", "/", Fit::All),
            ("/a/*", "/a/b", Fit::All),
            ("/a/*", "/a/{id}", Fit::All),
            ("/a/*", "/a/{*rest}", Fit::All),
            ("/a/*", "/a_internal/b", Fit::None),
            ("/a/*", "/a", Fit::None),
            ("/a/b", "/a/{id}", Fit::Some),
            ("/a/b", "/a/{*rest}", Fit::Some),
            ("/a/b/*", "/a/{*rest}", Fit::Some),
            ("/a/*/c", "/a/{id}/c", Fit::All),
            ("/a/*/c", "/a/{id}/d", Fit::None),
            ("/a/{id}", "/a/{id}", Fit::All),
            ("/a/b", "/a/b/", Fit::Some),
        ] {
            assert_eq!(fit(pattern, template), expected, "{pattern} {template}");
        }
    }

    #[test]
    fn no_way_of_writing_a_path_evades_a_pattern() {
        let target = Target { paths: vec!["/files/secret".into()], ..Target::default() };
        for path in ["/files/secret", "/files/secret/", "/files/secret;v=1", "/files;x/secret"] {
            assert!(target.names(path), "{path}");
        }
        for path in ["/files/secrets", "/files/secret/deeper", "/files", "/files/Secret"] {
            assert!(!target.names(path), "{path}");
        }
    }
}
