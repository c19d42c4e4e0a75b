//! How is a name found among those that the operator wrote?
//!
//! Only the operator puts names into these tables, when they are compiled; callers can do no more than ask for one. So
//! nobody can fill a place on purpose, and a hash that is several times as fast as the standard library's will do.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;

/// Something for each name.
pub(super) type Table<T> = HashMap<Arc<str>, T, RandomState>;

/// Names.
pub(super) type Set = HashSet<Arc<str>, RandomState>;
