//! How far is it? Told to who waits longer than a second at a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How wide the bar is, in characters.
const WIDTH: usize = 30;

/// A bar on standard error.
pub(super) struct Progress {
    began: Instant,
    shown: Option<Instant>,
    wanted: bool,
    done: usize,
    all: usize,
}

impl Progress {
    pub(super) fn new(all: usize) -> Self {
        let wanted = io::stderr().is_terminal() && all > 1;
        Self { began: Instant::now(), shown: None, wanted, done: 0, all }
    }

    /// One more is done.
    pub(super) fn step(&mut self) {
        self.done += 1;
        let due = self.shown.map_or(Duration::from_secs(1), |_| Duration::from_millis(200));
        if self.wanted && self.shown.unwrap_or(self.began).elapsed() >= due {
            self.shown = Some(Instant::now());
            let bar = bar(self.done, self.all);
            let _ =
                write!(io::stderr().lock(), "\r\x1b[K{bar} {} of {} files", self.done, self.all);
        }
    }

    /// Takes the bar away, so that something may be written.
    pub(super) fn clear(&self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn bar(done: usize, all: usize) -> String {
    let full = WIDTH * done / all.max(1);
    format!("[{}{}]", "#".repeat(full), " ".repeat(WIDTH.saturating_sub(full)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_bar_grows_to_its_width() {
        assert_eq!(super::bar(0, 4), format!("[{}]", " ".repeat(30)));
        assert_eq!(super::bar(1, 4), format!("[{}{}]", "#".repeat(7), " ".repeat(23)));
        assert_eq!(super::bar(4, 4), format!("[{}]", "#".repeat(30)));
    }
}
