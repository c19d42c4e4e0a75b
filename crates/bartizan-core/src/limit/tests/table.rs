//! Does a table say of every key what was put in, and a log what was counted?

use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::at;
use crate::limit::digest::{Digest, siphash};
use crate::limit::log::{Entry, Log};
use crate::limit::table::Table;
use crate::limit::{Counter, MeterKey, Shape};
use crate::time::Timestamp;

fn key(number: u16) -> MeterKey {
    MeterKey::from(&*format!("calls/requests.atonce/{number}"))
}

/// A counter that is told from others by its limit.
fn counter(limit: u64) -> Counter {
    Counter::new(&Shape::Concurrency { limit }, Timestamp(0))
}

/// Puts in, takes out, and compares with a map after every step.
fn replay(mut table: Table, steps: &[(u16, bool)], lists: bool) {
    let mut model = HashMap::new();
    for (step, (number, goes)) in steps.iter().enumerate() {
        let digest = Digest::of(key(*number).as_str());
        if *goes {
            table.remove(digest);
            model.remove(number);
        } else {
            table.insert(&key(*number), counter(step as u64));
            model.insert(*number, step as u64);
        }
        assert_eq!(table.len(), model.len());
        let said = table.get_mut(digest).map(|counter| counter.limit());
        assert_eq!(said, model.get(number).copied());
    }
    for number in 0..=300 {
        let said = table.get(Digest::of(key(number).as_str())).map(Counter::limit);
        assert_eq!(said, model.get(&number).copied(), "{number}");
    }
    if lists {
        let mut listed: Vec<_> =
            table.iter().map(|(key, one)| (key.clone(), one.limit())).collect();
        let mut expected: Vec<_> =
            model.iter().map(|(number, limit)| (key(*number), *limit)).collect();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
    }
    // One walk comes by everybody, also where those behind move up into the place of who goes.
    let mut left: Vec<_> = model.into_values().collect();
    table.walk(table.steps() + left.len(), |_, one| {
        left.retain(|limit| *limit != one.limit());
        true
    });
    assert_eq!((table.len(), left), (0, Vec::new()));
}

/// An entry: how long after the one before, how long it lasts, and how much; or an act on what there is.
#[derive(Clone, Debug)]
enum Act {
    Push(u64, u64, u64),
    PopFront,
    PopBack,
    Reduce(usize, u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let gap = prop_oneof![1_u64..1_000, 1_u64..1 << 33];
    let lasts = prop_oneof![9 => Just(0_u64), 1 => 1_u64..9];
    let amount = prop_oneof![9 => 1_u64..3, 1 => 250_u64..300];
    let act = prop_oneof![
        8 => (gap, lasts, amount).prop_map(|(gap, lasts, amount)| Act::Push(gap, lasts, amount)),
        4 => Just(Act::PopFront),
        1 => Just(Act::PopBack),
        1 => (0_usize..20, 1_u64..3).prop_map(|(which, amount)| Act::Reduce(which, amount)),
    ];
    prop::collection::vec(act, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_table_of_few_says_what_was_put_in(steps in prop::collection::vec((0_u16..300, any::<bool>()), 1..600)) {
        replay(Table::default(), &steps, true);
    }

    #[test]
    fn a_table_of_many_says_what_was_put_in(steps in prop::collection::vec((0_u16..300, any::<bool>()), 1..600)) {
        replay(Table::large(), &steps, false);
    }

    #[test]
    fn the_digest_is_the_siphash_of_everybody_else(
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        key in any::<[u64; 2]>(),
    ) {
        let theirs = siphasher::sip128::SipHasher13::new_with_keys(key[0], key[1]).hash(&bytes);
        prop_assert_eq!(siphash(key, &bytes), [theirs.h1, theirs.h2]);
    }

    // Few or many, near or far apart: a log is a list.
    #[test]
    fn a_log_that_changes_its_form_forgets_nothing(acts in acts()) {
        let (mut log, mut list, mut now) = (Log::default(), VecDeque::new(), 0);
        for act in acts {
            match act {
                Act::Push(gap, lasts, amount) => {
                    let entry = Entry(at(now + gap), at(now + gap + lasts), amount);
                    now += gap + lasts;
                    log.push_back(entry);
                    list.push_back(entry);
                }
                Act::PopFront => prop_assert_eq!(log.pop_front(), list.pop_front()),
                Act::PopBack => prop_assert_eq!(log.pop_back(), list.pop_back()),
                Act::Reduce(which, amount) => {
                    let mark = list.get(which).map_or(at(0), |entry: &Entry| entry.0);
                    let back = list.get(which).map_or(0, |entry| entry.2.min(amount));
                    prop_assert_eq!(log.reduce(mark, amount), back);
                    if let Some(entry) = list.get_mut(which) {
                        entry.2 -= back;
                    }
                    list.retain(|entry| entry.2 > 0);
                }
            }
            prop_assert_eq!(log.iter().collect::<VecDeque<_>>(), list.clone());
            prop_assert_eq!((log.len(), log.front()), (list.len(), list.front().copied()));
        }
    }
}
