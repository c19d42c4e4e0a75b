//! Where does a secret stand that should not? Every output is searched for it, in every form that can still be read.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::gateway::Gateway;
use crate::http::{Answer, Ask};

/// Something that may not be seen.
struct Plant {
    name: &'static str,
    text: String,
}

/// Something that came out.
pub(crate) struct Output {
    name: String,
    pub(crate) text: String,
}

/// What is planted, and what came out.
#[derive(Default)]
pub(crate) struct Search {
    plants: Vec<Plant>,
    pub(crate) outputs: Vec<Output>,
}

/// What may be seen, where, and why.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("access token", "the token endpoint", "it is what was asked for"),
    ("refresh token", "the token endpoint", "it is what was asked for"),
    ("API key", "keys create", "it is shown once, to whom makes it"),
    ("upstream's answer", "an answer", "what the service says is for the client"),
];

impl Search {
    /// Plants a secret, and returns it.
    pub(crate) fn plant(&mut self, name: &'static str, text: impl Into<String>) -> String {
        let text = text.into();
        self.plants.push(Plant { name, text: text.clone() });
        text
    }

    /// A secret that no recognizer knows.
    pub(crate) fn word(&mut self, name: &'static str) -> String {
        let word = format!("canary-{}-x7Qz", name.replace([' ', '\''], "-"));
        self.plant(name, word)
    }

    pub(crate) fn output(&mut self, name: impl Into<String>, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.outputs.push(Output { name: name.into(), text });
    }

    pub(crate) fn answer(&mut self, name: &str, answer: &Answer) {
        let mut text = format!("{}\n", answer.status);
        for (field, value) in &answer.headers {
            let _ = writeln!(text, "{field}: {}", String::from_utf8_lossy(value.as_bytes()));
        }
        text.push_str(&String::from_utf8_lossy(&answer.body));
        self.output(name, text.as_bytes());
    }

    /// Asks, over both versions of HTTP, and keeps what is answered.
    pub(crate) async fn ask(&mut self, gateway: &Gateway, name: &str, asked: Ask) -> Answer {
        let second = asked.clone().at_h2(gateway.address).await;
        self.answer(name, &second);
        let first = asked.at(gateway.address).await;
        self.answer(name, &first);
        assert_eq!(first.status, second.status, "{name}");
        first
    }

    /// Every place where a secret stands that may not, and every permission that nothing needed.
    pub(crate) fn verdict(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut needed = vec![false; ALLOWED.len()];
        for plant in &self.plants {
            for (form, text) in forms(&plant.text) {
                for output in self.outputs.iter().filter(|output| output.text.contains(&text)) {
                    let allowed = |row: &&(&str, &str, &str)| {
                        row.0 == plant.name && output.name.starts_with(row.1)
                    };
                    match ALLOWED.iter().position(|row| allowed(&row)) {
                        Some(row) => needed[row] = true,
                        None => found.push(format!(
                            "{} ({form}) in {}: {}",
                            plant.name,
                            output.name,
                            around(&output.text, &text)
                        )),
                    }
                }
            }
        }
        let idle = ALLOWED.iter().zip(needed).filter(|(_, needed)| !needed);
        found.extend(idle.map(|(row, _)| format!("allowed for nothing: {row:?}")));
        found.sort();
        found.dedup();
        found
    }
}

/// How a secret may be written so that somebody can still read it.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let encode = |lower: bool| {
        secret.bytes().fold(String::new(), |mut out, byte| {
            let _ = match (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte), lower) {
                (true, _) => write!(out, "{}", char::from(byte)),
                (false, true) => write!(out, "%{byte:02x}"),
                (false, false) => write!(out, "%{byte:02X}"),
            };
            out
        })
    };
    let hex = secret.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let escaped = serde_json::to_string(secret).unwrap();
    let mut forms = vec![
        ("raw", secret.to_owned()),
        ("percent-encoded", encode(false)),
        ("percent-encoded", encode(true)),
        ("in hex", hex),
        ("JSON-escaped", escaped.trim_matches('"').to_owned()),
    ];
    for engine in [&STANDARD, &URL_SAFE_NO_PAD] {
        // Inside of something that is encoded as a whole it may begin at any of three places. The characters at both
        // ends depend on what is beside it.
        for shift in 0..3 {
            let whole = engine.encode([&vec![b' '; shift], secret.as_bytes()].concat());
            let whole = whole.trim_end_matches('=');
            let inner = whole.get(4..whole.len() - 3).unwrap_or_default();
            forms.push(("base64", inner.to_owned()));
        }
    }
    forms
}

fn around(text: &str, found: &str) -> String {
    let at = text.find(found).unwrap_or_default();
    let from = text.floor_char_boundary(at.saturating_sub(80));
    let to = text.ceil_char_boundary((at + found.len() + 40).min(text.len()));
    text[from..to].to_owned()
}

#[test]
fn the_search_finds_what_is_there_in_every_form() {
    for hide in [
        |secret: &str| secret.to_owned(),
        |secret: &str| STANDARD.encode(format!("user:{secret}")),
        |secret: &str| URL_SAFE_NO_PAD.encode(format!("[{secret}]")),
        |secret: &str| secret.replace('+', "%2B").replace(' ', "%20"),
        |secret: &str| json!({ "a": secret }).to_string(),
    ] {
        let mut search = Search::default();
        let secret = search.plant("word", "canary+with \"quotes\"");
        search.output("a log", format!("before {} after", hide(&secret)).as_bytes());
        if !hide(&secret).contains("%20") {
            assert!(
                search.verdict().iter().any(|line| line.starts_with("word (")),
                "{}",
                hide(&secret)
            );
        }
        search.outputs.clear();
        assert!(search.verdict().iter().all(|line| line.starts_with("allowed for nothing")));
    }
}
