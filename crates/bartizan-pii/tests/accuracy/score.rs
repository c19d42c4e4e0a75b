//! How many were found, missed and invented?

use std::{collections::BTreeMap, ops::AddAssign};

use crate::corpus::Span;

/// By corpus and entity.
pub(crate) type Table = BTreeMap<(String, String), Counts>;

/// What became of labels and findings.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) labelled: usize,
    pub(crate) found: usize,
    /// Findings that have exactly the span of a label.
    exact: usize,
    /// Labels that a finding touches, and findings that touch a label.
    touched: usize,
    touching: usize,
}

impl Counts {
    pub(crate) fn of(labelled: &[Span], found: &[Span]) -> Self {
        let touch = |a: &Span, b: &Span| a.start < b.end && b.start < a.end;
        Self {
            labelled: labelled.len(),
            found: found.len(),
            exact: labelled.iter().filter(|span| found.contains(span)).count(),
            touched: labelled.iter().filter(|l| found.iter().any(|f| touch(l, f))).count(),
            touching: found.iter().filter(|f| labelled.iter().any(|l| touch(l, f))).count(),
        }
    }

    /// Whether anything is not exactly as labelled.
    pub(crate) fn wrong(&self) -> bool {
        self.exact != self.labelled || self.exact != self.found
    }

    pub(crate) fn recall(&self) -> f64 {
        ratio(self.exact, self.labelled)
    }

    pub(crate) fn precision(&self) -> f64 {
        ratio(self.exact, self.found)
    }

    pub(crate) fn recall_by_overlap(&self) -> f64 {
        ratio(self.touched, self.labelled)
    }

    pub(crate) fn precision_by_overlap(&self) -> f64 {
        ratio(self.touching, self.found)
    }

    /// The harmonic mean in which recall weighs `beta` times as much.
    pub(crate) fn f(&self, beta: f64) -> f64 {
        let (recall, precision, square) = (self.recall(), self.precision(), beta * beta);
        if recall + precision == 0.0 {
            return 0.0;
        }
        (1.0 + square) * precision * recall / (square * precision + recall)
    }

    /// Half the width of the 95 % interval of the recall (Wilson).
    pub(crate) fn uncertainty(&self) -> f64 {
        let (n, p, z) = (self.labelled as f64, self.recall(), 1.96_f64);
        if self.labelled == 0 {
            return 0.0;
        }
        z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt()
    }
}

/// The harmonic mean.
pub(crate) fn mean(precision: f64, recall: f64) -> f64 {
    if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
}

/// Nothing of nothing is all of it.
fn ratio(part: usize, all: usize) -> f64 {
    if all == 0 { 1.0 } else { part as f64 / all as f64 }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.labelled += other.labelled;
        self.found += other.found;
        self.exact += other.exact;
        self.touched += other.touched;
        self.touching += other.touching;
    }
}
