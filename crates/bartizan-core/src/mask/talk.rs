//! What must not pass of a conversation? Each of its messages is screened whole, and what is put
//! aside of one side's comes back in the other's.

use std::sync::Arc;

use bytes::Bytes;

use super::found::Found;
use super::{Blocked, Detection, Guard, Profile, Screened, Spotted, Vault, restore, spot};
use crate::validate::media::Media;

/// The texts of a WebSocket on their way through an endpoint.
#[derive(Debug)]
pub struct Talk {
    request: Option<Arc<Guard>>,
    response: Option<Arc<Guard>>,
    /// What was put aside of the opening request.
    opening: Option<Arc<Vault>>,
    /// What was put aside of the messages since.
    vault: Option<Vault>,
    found: [Found; 2],
}

/// Who says something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The client, whose messages are like requests.
    Client,
    /// The upstream, whose messages are like answers.
    Upstream,
}

impl Talk {
    /// A conversation at an endpoint of that profile, after an opening request of which `opening`
    /// was put aside; `chance` makes the placeholders its own.
    #[must_use]
    pub fn new(profile: &Profile, opening: Option<Arc<Vault>>, chance: u128) -> Self {
        let request = profile.request.clone();
        let vault = request.as_ref().filter(|guard| guard.tokenises()).map(|_| Vault::new(chance));
        let response = profile.response.clone();
        Self { request, response, opening, vault, found: Default::default() }
    }

    /// Whether something is looked for in what a side says, so that what cannot be read must not
    /// pass. To restore is a courtesy.
    #[must_use]
    pub fn guards(&self, side: Side) -> bool {
        match side {
            Side::Client => self.request.is_some(),
            Side::Upstream => self.response.is_some(),
        }
    }

    /// What of a text may pass: JSON is screened as JSON, anything else as text.
    ///
    /// # Errors
    /// [`Blocked`] where something was found whose action is to block, and where the vault is full.
    pub fn pass(&mut self, side: Side, text: Bytes) -> Result<Bytes, Blocked> {
        let screened = match side {
            Side::Client => match &self.request {
                Some(guard) => guard.put_aside(Media::Text, text, self.vault.as_mut()),
                None => return Ok(text),
            },
            Side::Upstream => match &self.response {
                Some(guard) => guard.screen(Media::Text, text),
                None => Ok(Screened { bytes: text, detections: Vec::new() }),
            },
        };
        let Screened { bytes, detections } = screened?;
        self.note(side, detections);
        Ok(bytes)
    }

    /// Takes out of a text what a hook has found in it, as if it had been found here.
    ///
    /// # Errors
    /// As [`Talk::pass`], and where it cannot be taken out.
    pub fn mask_spotted(
        &mut self,
        side: Side,
        spotted: &[Spotted],
        text: Bytes,
    ) -> Result<Bytes, Blocked> {
        let Screened { bytes, detections } = match side {
            Side::Client => {
                let vault = self.vault.as_mut();
                spot(self.request.as_deref(), Media::Text, text, spotted, vault)
            }
            Side::Upstream => spot(self.response.as_deref(), Media::Text, text, spotted, None),
        }?;
        self.note(side, detections);
        Ok(bytes)
    }

    /// A text of the upstream with what was put aside of the client's.
    #[must_use]
    pub fn restore(&self, text: Bytes) -> Bytes {
        let vaults = [self.opening.as_deref(), self.vault.as_ref()];
        let filled = vaults.into_iter().flatten().filter(|vault| !vault.is_empty());
        filled.fold(text, |text, vault| {
            vault.begin_anew();
            restore(vault, Media::Text, text)
        })
    }

    /// What was found so far in what a side has said.
    #[must_use]
    pub fn found(&self, side: Side) -> &[Detection] {
        let [client, upstream] = &self.found;
        match side {
            Side::Client => client.as_slice(),
            Side::Upstream => upstream.as_slice(),
        }
    }

    fn note(&mut self, side: Side, detections: Vec<Detection>) {
        let [client, upstream] = &mut self.found;
        match side {
            Side::Client => client.extend(detections),
            Side::Upstream => upstream.extend(detections),
        }
    }
}

#[cfg(test)]
mod tests {
    use bartizan_pii::{Action, Config, Masker, Scanner};

    use super::super::found::MAX_PLACES;
    use super::*;

    fn talk(action: Action) -> Talk {
        let scanner = Arc::new(Scanner::new(&Config::default()).unwrap());
        let guard = |action| Some(Arc::new(Guard::new(Masker::new(Arc::clone(&scanner), action))));
        let (request, response) = (guard(action), guard(Action::MASK));
        let profile = Profile { request, response, ..Profile::default() };
        Talk::new(&profile, None, 7)
    }

    fn said(talk: &mut Talk, side: Side, text: &str) -> String {
        let passed = talk.pass(side, Bytes::copy_from_slice(text.as_bytes())).unwrap();
        let passed = if side == Side::Upstream { talk.restore(passed) } else { passed };
        String::from_utf8(passed.to_vec()).unwrap()
    }

    #[test]
    fn what_a_client_said_comes_back_to_it_and_what_the_upstream_adds_is_masked() {
        let mut talk = talk(Action::Tokenise);
        let sent = said(&mut talk, Side::Client, r#"{"to":"ann@example.org"}"#);
        assert!(!sent.contains("ann@"), "{sent}");
        let again = said(&mut talk, Side::Client, "ann@example.org");
        assert!(sent.contains(&again), "the same value has the same placeholder: {sent} {again}");
        let answer = said(&mut talk, Side::Upstream, &format!("{again} and bob@example.org"));
        assert_eq!(answer, "ann@example.org and ***************");
        let foreign = format!("{}AAAAAAAA", again.trim_end_matches(char::is_alphabetic));
        assert_eq!(said(&mut talk, Side::Upstream, &foreign), foreign);
    }

    #[test]
    fn what_blocks_says_what_was_found() {
        let blocked = talk(Action::Block).pass(Side::Client, "ann@example.org".into());
        assert_eq!(blocked.unwrap_err().detections.len(), 1);
    }

    #[test]
    fn a_long_conversation_has_a_short_record() {
        let mut talk = talk(Action::MASK);
        for n in 0..200 {
            said(&mut talk, Side::Client, &format!(r#"{{"k{n}":"ann@example.org"}}"#));
        }
        let found = talk.found(Side::Client);
        assert_eq!(found.len(), MAX_PLACES + 1);
        assert_eq!(found.iter().map(|found| found.count).sum::<u64>(), 200);
    }
}
