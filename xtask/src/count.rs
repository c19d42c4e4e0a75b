//! How many tests passed, and how many failed, by what the runner printed?

use std::fmt;
use std::ops::Add;

/// Tests that ran.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Count {
    /// The sum of the closing lines of `cargo nextest` and `cargo test`. `None` if there is none: nothing ran.
    pub(crate) fn read(lines: &[String]) -> Option<Self> {
        let counts = lines.iter().filter_map(|line| closing(&plain(line)));
        counts.reduce(Add::add)
    }
}

/// The count of one closing line.
///
/// nextest: `Summary [   1.2s] 5 tests run: 4 passed (1 slow), 1 failed, 2 skipped`;
/// libtest: `test result: ok. 4 passed; 0 failed; 0 ignored; …`.
fn closing(line: &str) -> Option<Count> {
    let line = line.trim_start();
    let results = if line.starts_with("Summary [") {
        line.split_once("run:")?.1
    } else {
        line.strip_prefix("test result: ")?.split_once(". ")?.1
    };
    let mut count = Count::default();
    for result in results.split([',', ';']) {
        let Some((number, word)) = result.trim().split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match word.split(" (").next() {
            Some("passed") => count.passed += number,
            Some("failed" | "timed out" | "exec failed") => count.failed += number,
            _ => {}
        }
    }
    Some(count)
}

/// The line without its colours.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut inside = false;
    for c in line.chars() {
        match (inside, c) {
            (false, '\u{1b}') => inside = true,
            (false, c) => text.push(c),
            (true, c) => inside = !c.is_ascii_alphabetic(),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Count> {
        Count::read(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn both_runners_are_understood_and_summed() {
        let text = "\
     Summary [   1.204s] 7 tests run: 4 passed (1 slow), 1 failed, 1 timed out, 1 exec failed, 2 skipped
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.21s
test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(read(text), Some(Count { passed: 8, failed: 5 }));
    }

    #[test]
    fn colours_do_not_hide_a_failure() {
        let text = "\u{1b}[31;1m     Summary\u{1b}[0m [   0.1s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m1\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m1\u{1b}[0m \u{1b}[31;1mfailed\u{1b}[0m, 0 skipped";
        assert_eq!(read(text), Some(Count { passed: 1, failed: 1 }));
    }

    #[test]
    fn a_build_that_failed_is_no_count_of_zero() {
        assert_eq!(read("error: could not compile `bartizan`\n"), None);
    }
}
