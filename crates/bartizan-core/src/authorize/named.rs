//! What may a caller name in a call? Rights to tools and models, by name and wildcard.

use std::sync::Arc;

use super::{Roles, Scopes};

/// Rights by name. What no pattern fits is denied; of several the most specific ones count, and
/// all of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Named {
    rules: Vec<NameRule>,
}

/// The right to whatever a pattern fits.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NameRule {
    /// A name, in which each `*` stands for any characters, also none.
    pub pattern: Arc<str>,
    /// The caller needs all of these scopes.
    pub scopes: Vec<Arc<str>>,
    /// The caller needs any of these roles; none where empty.
    pub roles: Vec<Arc<str>>,
    /// Whether somebody must agree to each use first.
    pub approval: bool,
    /// What it is called behind the gate, where that is another name.
    pub stands_for: Option<Arc<str>>,
}

/// What an endpoint says about what its calls name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Names {
    /// The tools; where nothing is said each protocol has its own default.
    pub tools: Option<Arc<Named>>,
    /// The models; where nothing is said all may be used.
    pub models: Option<Arc<Named>>,
    /// The resources, by address; denied where nothing is said.
    pub resources: Option<Arc<Named>>,
    /// The prompts; denied where nothing is said.
    pub prompts: Option<Arc<Named>>,
    /// What servers may ask of the caller, by method; denied where nothing is said.
    pub server_requests: Option<Arc<Named>>,
    /// The methods of a protocol that has some; where nothing is said all may be called.
    pub methods: Option<Arc<Named>>,
    /// The skills of an agent; where nothing is said all may be asked for.
    pub skills: Option<Arc<Named>>,
    /// What becomes of a call that offers a tool without a right to it.
    pub on_denied_tool: OnDeniedTool,
}

/// What becomes of a call that offers a model a tool to which its caller has no right.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnDeniedTool {
    /// It is refused.
    #[default]
    Refuse,
    /// The tool is taken out of the offer, and the rest goes on.
    Remove,
}

/// Which of the rules of an endpoint's [`Names`] one caller fulfils.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Held {
    pub(super) tools: Vec<bool>,
    pub(super) models: Vec<bool>,
    pub(super) resources: Vec<bool>,
    pub(super) prompts: Vec<bool>,
    pub(super) server_requests: Vec<bool>,
    pub(super) methods: Vec<bool>,
    pub(super) skills: Vec<bool>,
}

impl Named {
    /// Those rules; of two with the same pattern both count.
    #[must_use]
    pub fn new(rules: Vec<NameRule>) -> Self {
        Self { rules }
    }

    /// The rules, in the order in which they were written.
    #[must_use]
    pub fn rules(&self) -> &[NameRule] {
        &self.rules
    }

    /// Which of the rules are fulfilled by these scopes and roles.
    pub(super) fn held(
        &self,
        (scopes, held): (&Scopes, &[Arc<str>]),
        (roles, has): (&Roles, &[Arc<str>]),
    ) -> Vec<bool> {
        let holds = |rule: &NameRule| {
            rule.scopes.iter().all(|scope| scopes.hold(held, scope))
                && (rule.roles.is_empty() || rule.roles.iter().any(|role| roles.hold(has, role)))
        };
        self.rules.iter().map(holds).collect()
    }

    /// The patterns of the rules that count for `name`.
    pub(super) fn patterns(&self, name: &str) -> impl Iterator<Item = &Arc<str>> {
        self.counting(name).filter_map(|at| Some(&self.rules.get(at)?.pattern))
    }

    /// Which rules count for `name`: the most specific of those that fit.
    fn counting(&self, name: &str) -> impl Iterator<Item = usize> {
        let fitting = self.rules.iter().filter(|rule| fits(&rule.pattern, name));
        let most = fitting.map(|rule| weight(&rule.pattern)).max();
        let counts =
            move |rule: &NameRule| Some(weight(&rule.pattern)) == most && fits(&rule.pattern, name);
        self.rules.iter().enumerate().filter(move |(_, rule)| counts(rule)).map(|(at, _)| at)
    }

    /// What a name stands for, whoever calls it so.
    #[must_use]
    pub fn stands_for(&self, name: &str) -> Option<&Arc<str>> {
        let rules = self.counting(name).filter_map(|at| self.rules.get(at));
        rules.filter_map(|rule| rule.stands_for.as_ref()).next()
    }

    /// The right to `name` of a caller who fulfils `held`: `None` where there is none.
    pub(super) fn right(&self, name: &str, held: &[bool]) -> Option<Right<'_>> {
        let counting = || {
            let all = self.counting(name);
            all.filter_map(|at| Some((self.rules.get(at)?, held.get(at)?)))
        };
        counting().next()?;
        counting().all(|(_, held)| *held).then(|| Right {
            approval: counting().any(|(rule, _)| rule.approval),
            stands_for: counting().find_map(|(rule, _)| rule.stands_for.as_ref()),
        })
    }
}

/// The right to one name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Right<'a> {
    /// Whether somebody must agree first.
    pub approval: bool,
    /// What it is called behind the gate.
    pub stands_for: Option<&'a Arc<str>>,
}

/// How specific a pattern is: a name before every wildcard, then by what is written out.
fn weight(pattern: &str) -> (bool, usize) {
    (!pattern.contains('*'), pattern.bytes().filter(|byte| *byte != b'*').count())
}

/// Whether a pattern fits a name. Linear in the product of both at the worst, and both are short.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some((_, behind)) = name.split_once(piece) else { return false };
        name = behind;
    }
    name.ends_with(last)
}

/// A name without case; through capitals, for those that have more than one small letter.
pub(crate) fn fold(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(patterns: &[&str]) -> Named {
        let rule = |pattern: &&str| NameRule { pattern: (*pattern).into(), ..NameRule::default() };
        Named::new(patterns.iter().map(rule).collect())
    }

    #[test]
    fn a_star_stands_for_any_characters_and_for_none() {
        for (pattern, name, expected) in [
            ("search", "search", true),
            ("search", "search2", false),
            ("delete_*", "delete_", true),
            ("delete_*", "undelete_x", false),
            ("*_file", "read_file", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "abab", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_not_listed_is_denied_and_the_most_specific_pattern_decides() {
        let named = named(&["*", "delete_*", "delete_own"]);
        let right = |name: &str, held: &[bool]| named.right(name, held).is_some();
        assert!(right("read", &[true, false, false]));
        assert!(!right("delete_all", &[true, false, true]));
        assert!(right("delete_own", &[false, false, true]));
        assert!(self::named(&["read"]).right("write", &[true]).is_none());
    }

    #[test]
    fn two_patterns_of_one_weight_count_both() {
        let named = named(&["a*", "*a"]);
        assert!(named.right("aa", &[true, true]).is_some());
        assert!(named.right("aa", &[true, false]).is_none());
        assert!(named.right("ab", &[true, false]).is_some());
    }
}
