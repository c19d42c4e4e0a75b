//! What of a request's head may stand in the log? Paths and agents without personal data and
//! secrets.

use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bartizan_core::mask::legible::plain;
use bartizan_core::mask::{Guard, Profile};
use bartizan_pii::{Action, Config, Masker, Scanner};
use http::{HeaderMap, header};

/// The longest path that is recorded, in bytes; what is longer is cut.
const MAX_PATH: usize = 1024;

/// The longest user agent that is recorded, in bytes.
const MAX_AGENT: usize = 256;

/// Masks what a client wrote before it is recorded.
#[derive(Debug)]
pub struct Redactor {
    /// Absent where the built-in recognizers could not be loaded: then nothing is recorded.
    masker: Option<Masker>,
    /// Those who look for something that the operator has added.
    guards: Vec<Arc<Guard>>,
    /// User agents of a moment ago, each in a place that its text decides: they come again and
    /// again, and need not be searched each time.
    agents: [ArcSwapOption<Agent>; 16],
}

/// A user agent as it was sent, and as it is recorded.
#[derive(Debug)]
struct Agent {
    sent: Box<str>,
    recorded: Arc<str>,
}

/// The longest user agent that is remembered, in bytes.
const MAX_REMEMBERED: usize = 512;

impl Redactor {
    /// With the built-in recognizers, secrets among them, and with whatever else is looked for at any of
    /// the endpoints: what is recorded may be read by whoever reads the log.
    #[must_use]
    pub fn new<'p>(profiles: impl Iterator<Item = &'p Profile>) -> Self {
        let scanner = Scanner::new(&Config::default()).ok();
        let masker = scanner.map(|s| Masker::new(Arc::new(s), Action::Replace));
        let mut guards: Vec<Arc<Guard>> = Vec::new();
        for guard in profiles.flat_map(|profile| profile.request.iter().chain(&profile.response)) {
            let known = guards.iter().any(|known| known.looks_for_the_same(guard));
            if guard.has_own() && !known {
                guards.push(Arc::clone(guard));
            }
        }
        Self { masker, guards, agents: Default::default() }
    }

    /// A path, percent-decoded as far as it is text, so that `%40` hides nothing.
    #[must_use]
    pub fn path(&self, path: &str) -> Arc<str> {
        if path.contains('%') {
            let bytes = Cow::from(percent_encoding::percent_decode_str(path));
            return self.masked(&plain(&bytes), MAX_PATH);
        }
        self.masked(path, MAX_PATH)
    }

    /// The user agent, if the client names one.
    #[must_use]
    pub fn user_agent(&self, headers: &HeaderMap) -> Option<Arc<str>> {
        let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
        let Some(place) = self.place(agent) else { return Some(self.masked(agent, MAX_AGENT)) };
        if let Some(known) = &*place.load()
            && *known.sent == *agent
        {
            return Some(Arc::clone(&known.recorded));
        }
        let recorded = self.masked(agent, MAX_AGENT);
        let known = Agent { sent: agent.into(), recorded: Arc::clone(&recorded) };
        place.store(Some(Arc::new(known)));
        Some(recorded)
    }

    /// Where a user agent is remembered, if it is not too long for that.
    fn place(&self, agent: &str) -> Option<&ArcSwapOption<Agent>> {
        let short = agent.len() <= MAX_REMEMBERED;
        let sum = agent.bytes().fold(0u8, |sum, byte| sum.rotate_left(1) ^ byte);
        short.then(|| self.agents.get(usize::from(sum) % self.agents.len())).flatten()
    }

    /// Masked first and cut then: the first half of a card number is no card number, and would
    /// stay.
    fn masked(&self, text: &str, most: usize) -> Arc<str> {
        let Some(masker) = &self.masker else { return Arc::from("") };
        let mut masked = masker.mask_text(text).text;
        for guard in &self.guards {
            masked = guard.instead(&masked).map_or(masked, Cow::Owned);
        }
        Arc::from(masked.get(..masked.floor_char_boundary(most)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_mail_nor_keys_reach_the_log_by_way_of_the_path() {
        let redactor = Redactor::new([].iter());
        assert_eq!(&*redactor.path("/document"), "/document");
        assert_eq!(&*redactor.path("/u/ann%40example.org/x"), "/u/<EMAIL_ADDRESS>/x");
        assert_eq!(redactor.path(&"/x".repeat(4000)).len(), MAX_PATH);
        let at_the_end = format!("/{}/4012888888881881", "x".repeat(MAX_PATH - 10));
        assert!(!redactor.path(&at_the_end).contains("4012"));
    }
}
