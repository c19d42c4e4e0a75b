//! Is every head read in one way: no credential, exactly one that stands there, or refused?
//!
//! An input is the target, and below it header fields, one in each line.
#![no_main]

use bartizan_core::authenticate::api_key::{Generated, Hash, is_environment};
use bartizan_core::authenticate::{Credential, MAX_CREDENTIAL, Places};
use http::request::Parts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((head, fields)) = head(input) else { return };
    for dpop in [false, true] {
        match Credential::find(&head, &Places { dpop, ..Places::default() }) {
            Ok(None) => assert!(fields.is_empty(), "a credential was overlooked"),
            Ok(Some(found)) => {
                let (Credential::ApiKey(text) | Credential::Bearer(text) | Credential::Dpop(text)) =
                    found;
                assert_eq!(fields.len(), 1, "two were taken for one");
                assert!((1..=MAX_CREDENTIAL).contains(&text.len()));
                let sent = fields[0].windows(text.len()).any(|piece| piece == text.as_bytes());
                assert!(sent, "this was not sent");
                key(text);
            }
            Err(rejection) => {
                let query = head.uri.query().is_some_and(|query| !query.is_empty());
                assert!(!fields.is_empty() || query, "nothing was shown: {rejection:?}");
            }
        }
    }
});

/// The head, and the values that claim to be a credential.
fn head(input: &[u8]) -> Option<(Parts, Vec<Vec<u8>>)> {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut request = http::Request::builder().uri(lines.next()?);
    let mut fields = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"authorization") || name.eq_ignore_ascii_case(b"x-api-key") {
            fields.push(value.to_vec());
        }
        request = request.header(name, value);
    }
    let (head, ()) = request.body(()).ok()?.into_parts();
    Some((head, fields))
}

/// A key has the form that secret scanners look for, and a digest is written as it is read.
fn key(text: &str) {
    if let Some(Generated { environment, id }) = Generated::parse(text) {
        let rest = text.strip_prefix("btz_").and_then(|rest| rest.strip_prefix(environment));
        let rest =
            rest.and_then(|rest| rest.strip_prefix('_')?.strip_prefix(id)?.strip_prefix('_'));
        assert!(is_environment(environment) && rest.is_some_and(|secret| secret.len() == 50));
    }
    if let Ok(hash) = text.parse::<Hash>() {
        assert_eq!(hash.to_string(), text.to_lowercase());
    }
}
