//! Is every text that somebody may send as a credential read in one way, or refused? Texts are made
//! up: of anything, of what looks like a credential, and of good ones that were touched.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic"
)]

use std::sync::LazyLock;

use bartizan_core::authenticate::api_key::{self, Generated, Hash, Pepper};
use bartizan_core::authenticate::{Credential, MAX_CREDENTIAL, Places, Rejection};
use http::{HeaderValue, Request, request::Parts};
use proptest::prelude::*;
use regex::Regex;
use secrecy::ExposeSecret as _;

/// What a secret scanner looks for; the same stands in `docs/keys-and-secrets.md`.
static SCANNER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\bbtz_[A-Za-z0-9-]{1,16}_[A-Za-z0-9-]{1,32}_[0-9A-Za-z]{50}\b").unwrap()
});

fn head(target: &str, fields: &[(&str, Vec<u8>)]) -> Option<Parts> {
    let mut request = Request::builder().uri(target);
    for (name, value) in fields {
        request = request.header(*name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

/// Bytes that a field may have, and that somebody who looks for a way in would try.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(prop_oneof![Just(b'\t'), 0x20_u8..=0x7e, 0x80_u8..=0xff], 0..200),
        "(Bearer|bearer|BEARER|Basic|DPoP|Negotiate|)[ \t]{0,3}[ -~]{0,60}"
            .prop_map(String::into_bytes),
        "(Bearer )?btz_[a-z]{1,6}_[a-zA-Z0-9'\"; -]{1,40}_[0-9A-Za-z]{44,52}"
            .prop_map(String::into_bytes),
        "Bearer ' OR 1=1( --|;#|/\\*)?".prop_map(String::into_bytes),
        (0..3_usize).prop_map(|more| vec![b'a'; MAX_CREDENTIAL + more]),
    ]
}

fn field() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    (prop_oneof![Just("authorization"), Just("x-api-key"), Just("cookie")], value())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// One field is one credential, or none that can be read; two are never one.
    #[test]
    fn whatever_stands_in_the_fields_at_most_one_credential_is_found(
        fields in prop::collection::vec(field(), 0..4),
    ) {
        let Some(head) = head("/x", &fields) else { return Ok(()) };
        let credentials =
            fields.iter().filter(|(name, _)| *name != "cookie").count();
        match Credential::find(&head, &Places::default()) {
            Ok(None) => prop_assert_eq!(credentials, 0),
            Ok(Some(found)) => {
                prop_assert_eq!(credentials, 1);
                let text = match found {
                    Credential::ApiKey(text) | Credential::Bearer(text) => text,
                    Credential::Dpop(text) => text,
                };
                prop_assert!((1..=MAX_CREDENTIAL).contains(&text.len()));
                prop_assert!(!text.starts_with(' ') && !text.ends_with(' '));
                // It is a piece of what was sent: nothing is decoded, nothing made up.
                let sent = fields.iter().any(|(_, value)| {
                    value.windows(text.len()).any(|piece| piece == text.as_bytes())
                });
                prop_assert!(sent);
            }
            Err(_) => prop_assert!(credentials >= 1),
        }
    }

    /// A credential in the query is refused whatever else stands there.
    #[test]
    fn a_credential_in_the_query_is_found_however_it_is_written(
        before in "[a-z=&%0-9]{0,20}",
        name in prop::sample::select(vec!["access_token", "ACCESS_TOKEN", "access%5Ftoken", "%61ccess_token", "api_key", "apikey"]),
        value in "[a-zA-Z0-9._-]{0,30}",
        after in "[a-z=&]{0,20}",
    ) {
        let Some(head) = head(&format!("/x?{before}&{name}={value}&{after}"), &[]) else { return Ok(()) };
        prop_assert_eq!(Credential::find(&head, &Places::default()).unwrap_err(), Rejection::InQuery);
    }

    /// No text makes the reader of keys stumble, and what it reads has the form that is documented.
    #[test]
    fn what_is_read_as_a_key_is_what_a_scanner_finds(
        text in prop_oneof![
            any::<String>(),
            "btz_[a-zA-Z0-9é_-]{0,20}_[a-zA-Z0-9é_-]{0,36}_[0-9A-Za-z]{40,60}",
        ],
    ) {
        if let Some(read) = Generated::parse(&text) {
            prop_assert!(SCANNER.is_match(&text));
            prop_assert!(api_key::is_environment(read.environment));
        }
    }

    /// A key that was made is found in any text around it, whole, and read; touched anywhere it is
    /// neither read nor equal to its digest.
    #[test]
    fn a_key_is_found_in_a_leak_and_a_touched_one_opens_nothing(
        random: [u8; 32],
        environment in "[A-Za-z0-9-]{1,16}",
        id in "[A-Za-z0-9-]{1,32}",
        around in "[ \"'=:,;(){}\n]{1,5}",
        place in any::<prop::sample::Index>(),
        touch in prop::sample::select(vec![b' ', b'_', b'\'', b'%', b'0', b'z', b'-']),
    ) {
        let key = api_key::generate(&environment, &id, &random).unwrap();
        let key = key.expose_secret();
        let leak = format!("token{around}{key}{around}");
        prop_assert_eq!(SCANNER.find(&leak).map(|found| found.as_str()), Some(key));
        let mut touched = key.as_bytes().to_vec();
        let place = place.index(touched.len());
        if touched[place] != touch {
            touched[place] = touch;
            let touched = String::from_utf8(touched).unwrap();
            prop_assert_eq!(Generated::parse(&touched), None, "{}", touched);
            let pepper = Pepper::new(&random);
            prop_assert!(!Hash::of(key, Some(&pepper)).matches(&touched, Some(&pepper)));
        }
    }

    /// Nothing but the two written forms is a digest.
    #[test]
    fn a_digest_is_read_as_it_is_written_and_no_other_text_is(text in ".{0,90}", random: [u8; 32]) {
        if let Ok(hash) = text.parse::<Hash>() {
            prop_assert_eq!(hash.to_string(), text.to_lowercase());
        }
        let hash = Hash::of("key", Some(&Pepper::new(&random)));
        prop_assert!(hash.to_string().parse::<Hash>().unwrap() == hash);
    }
}
