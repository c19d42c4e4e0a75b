//! Does a request to the token endpoint name one client in one way, or is it refused? RFC 6749 section 2.3.
//!
//! An input is the `Authorization` header, a line break and the form.
#![no_main]

use bartizan_core::issue::form::Form;
use bartizan_core::issue::request::{GrantType, Presented, Shown, TokenRequest};
use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let (Some(authorization), Some(body)) = (parts.next(), parts.next()) else { return };
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, kind);
    if !authorization.is_empty() {
        let Ok(value) = HeaderValue::from_bytes(authorization) else { return };
        headers.insert(header::AUTHORIZATION, value);
    }
    let Ok(form) = Form::read(&headers, body) else { return };
    let request = TokenRequest::read(&headers, &form, &GrantType::ALL);
    let presented = Presented::read(&headers, &form);
    let Ok(request) = request else { return };
    assert!(presented.is_ok(), "read in two ways");
    let Some(client) = request.client else { return };
    assert!(!client.id.is_empty());
    if !authorization.is_empty() && form.get("client_id").is_some_and(|id| id != client.id) {
        panic!("two clients in one request");
    }
    let proofs = ["client_secret", "client_assertion"].map(|name| form.get(name).is_some());
    match client.shown {
        Shown::Nothing => assert_eq!(proofs, [false, false], "a proof was overlooked"),
        _ => assert_ne!(proofs, [true, true], "two proofs were taken for one"),
    }
});
