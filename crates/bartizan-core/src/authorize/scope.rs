//! Which scopes does a caller hold? Those granted, and those they imply.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::lookup::{Set, Table};

/// Which scopes imply which, closed over any number of steps.
#[derive(Clone, Debug, Default)]
pub struct Scopes {
    implied_by: Table<Set>,
}

impl Scopes {
    /// Closes `implies` (a scope, and what it implies) so that a question is one look.
    #[must_use]
    pub fn new(implies: &[(Arc<str>, Vec<Arc<str>>)]) -> Self {
        let direct: HashMap<&Arc<str>, &Vec<Arc<str>>> =
            implies.iter().map(|(scope, implied)| (scope, implied)).collect();
        let mut implied_by: Table<Set> = Table::default();
        for (scope, _) in implies {
            let mut seen = HashSet::from([scope]);
            let mut open = vec![scope];
            while let Some(next) = open.pop() {
                let further = direct.get(next).into_iter().flat_map(|implied| implied.iter());
                for implied in further.filter(|implied| seen.insert(implied)) {
                    implied_by.entry(Arc::clone(implied)).or_default().insert(Arc::clone(scope));
                    open.push(implied);
                }
            }
        }
        Self { implied_by }
    }

    /// Whether `held` contains `needed`, or something that implies it. A held `*` is everything.
    #[must_use]
    pub fn hold(&self, held: &[Arc<str>], needed: &str) -> bool {
        let implying = self.implied_by.get(needed);
        held.iter().any(|scope| {
            &**scope == needed
                || &**scope == "*"
                || implying.is_some_and(|implying| implying.contains(scope))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implication_reaches_any_number_of_steps_and_survives_circles() {
        let arc = |s: &str| Arc::<str>::from(s);
        let scopes = Scopes::new(&[
            (arc("admin"), vec![arc("write")]),
            (arc("write"), vec![arc("read")]),
            (arc("read"), vec![arc("admin-lookalike"), arc("read")]),
        ]);
        assert!(scopes.hold(&[arc("admin")], "read"));
        assert!(scopes.hold(&[arc("*")], "anything"));
        assert!(!scopes.hold(&[arc("read")], "write"));
        assert!(!scopes.hold(&[], "read"));
        assert!(!scopes.hold(&[arc("rea")], "read"));
    }
}
