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
    /// The sum of the closing lines of `cargo nextest`, or of those of `cargo test`. `None` if there is none:
    /// nothing ran. nextest shows what a failed test printed, the closing line of its own process with it,
    /// which would be that test once more.
    pub(crate) fn read(lines: &[String]) -> Option<Self> {
        let plain: Vec<String> = lines.iter().map(|line| plain(line)).collect();
        let sum = |of: fn(&str) -> Option<Self>| {
            plain.iter().filter_map(|line| of(line.trim_start())).reduce(Add::add)
        };
        sum(nextest).or_else(|| sum(libtest))
    }
}

/// `Summary [   1.2s] 5 tests run: 4 passed (1 slow), 1 failed, 2 skipped`
fn nextest(line: &str) -> Option<Count> {
    Some(summed(line.strip_prefix("Summary [")?.split_once("run:")?.1))
}

/// `test result: ok. 4 passed; 0 failed; 0 ignored; …`
fn libtest(line: &str) -> Option<Count> {
    Some(summed(line.strip_prefix("test result: ")?.split_once(". ")?.1))
}

fn summed(results: &str) -> Count {
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
    count
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
    fn a_failed_test_counts_once_although_its_own_process_closes_with_a_count() {
        let text = "\
        FAIL [   0.004s] (1/7) xtask count::tests::x
test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.00s
     Summary [   1.204s] 7 tests run: 4 passed (1 slow), 1 failed, 1 timed out, 1 exec failed, 2 skipped";
        assert_eq!(read(text), Some(Count { passed: 4, failed: 3 }));
    }

    #[test]
    fn the_programs_of_libtest_are_summed() {
        let text = "\
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.21s
test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(read(text), Some(Count { passed: 4, failed: 2 }));
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
