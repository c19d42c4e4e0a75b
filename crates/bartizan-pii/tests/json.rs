//! Is a JSON document masked where it must be, and nowhere else changed by a byte?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic"
)]

use std::sync::{Arc, LazyLock};

use bartizan_pii::{Action, Config, Entity, JsonError, MAX_DEPTH, Masker, Scanner};
use proptest::prelude::*;
use serde_json::Value;

fn masker(action: Action) -> Masker {
    static SCANNER: LazyLock<Arc<Scanner>> =
        LazyLock::new(|| Arc::new(Scanner::new(&Config::default()).unwrap()));
    Masker::new(SCANNER.clone(), action)
}

fn masked(json: &str) -> String {
    let masked = masker(Action::MASK).mask_json(json.as_bytes()).unwrap();
    String::from_utf8(masked.bytes.into_owned()).unwrap()
}

fn located(json: &str) -> Vec<(String, String, u64)> {
    let masked = masker(Action::MASK).mask_json(json.as_bytes()).unwrap();
    let rows = masked.findings.into_iter();
    rows.map(|l| (l.pointer, l.entity.to_string(), l.count)).collect()
}

#[test]
fn only_what_was_found_changes_and_every_other_byte_stays() {
    let cases = [
        (
            r#" {"b" : 1.50e+1, "a":"é \u00e9 \/ a@b.example"} "#,
            r#" {"b" : 1.50e+1, "a":"é \u00e9 \/ ***********"} "#,
        ),
        (r#"["x","ssn 123-45-6789\n"]"#, r#"["x","ssn ***********\n"]"#),
        (r#""first 10.0.0.1, then 10.0.0.2""#, r#""first ********, then ********""#),
        (r#"{"text":"","n":null,"t":true}"#, r#"{"text":"","n":null,"t":true}"#),
    ];
    for (json, expected) in cases {
        assert_eq!(masked(json), expected);
    }
}

#[test]
fn escapes_hide_nothing() {
    assert_eq!(masked(r#""jane\u0040example.com""#), r#""****************""#);
    assert_eq!(masked(r#""\u0031\u00323-45-6789 🙂""#), r#""*********** 🙂""#);
    assert_eq!(
        masked(r#""\ud83d\ude42\n4111111111111111""#),
        r#""\ud83d\ude42\n****************""#
    );
    assert_eq!(masked(r#""\ud83dx 10.0.0.1""#), r#""\ud83dx ********""#);
}

#[test]
fn the_name_of_a_member_is_context_for_its_value() {
    assert_eq!(
        masked(r#"{"ssn":"536904399","id":"536904399"}"#),
        r#"{"ssn":"*********","id":"536904399"}"#
    );
    assert_eq!(masked(r#"{"phoneNumbers":["4155550132"]}"#), r#"{"phoneNumbers":["**********"]}"#);
}

#[test]
fn what_is_assigned_to_the_name_of_a_password_or_key_is_one() {
    let entities = Some(vec![Entity::PASSWORD, Entity::API_KEY]);
    let scanner = Scanner::new(&Config { entities, ..Config::default() }).unwrap();
    let masker = Masker::new(Arc::new(scanner), Action::Redact);
    let cases = [
        (
            r#"{"password":"correcthorse","n":"correcthorse"}"#,
            r#"{"password":"","n":"correcthorse"}"#,
        ),
        (r#"{"dbPass":"a\"b c'd1"}"#, r#"{"dbPass":""}"#),
        (r#"{"api_key":"9f86d081884c7d659a2feaa0c55ad015"}"#, r#"{"api_key":""}"#),
        (r#"{"a":"{\"password\":\"correcthorse\"}"}"#, r#"{"a":"{\"password\":\"\"}"}"#),
        (
            r#"{"password":"string","monkey":"9f86d081884c7d659a2f"}"#,
            r#"{"password":"string","monkey":"9f86d081884c7d659a2f"}"#,
        ),
    ];
    for (json, expected) in cases {
        let masked = masker.mask_json(json.as_bytes()).unwrap();
        assert_eq!(String::from_utf8_lossy(&masked.bytes), expected);
    }
}

#[test]
fn a_number_that_is_found_becomes_a_string() {
    assert_eq!(masked(r#"{"card":4111111111111111}"#), r#"{"card":"****************"}"#);
    assert_eq!(masked("4111111111111111"), r#""****************""#);
    let unchanged = r#"{"time":1748503543012,"price":12345.678,"n":-4111111111111112}"#;
    assert_eq!(masked(unchanged), unchanged);
}

#[test]
fn a_number_is_found_however_it_is_spelled_and_none_of_it_stays() {
    for written in [
        "4111111111111111.0",
        "-4111111111111111",
        "4111111111111111e0",
        "4.111111111111111e15",
        "41111111111111110E-1",
    ] {
        assert_eq!(masked(&format!("[{written} ]")), r#"["****************" ]"#, "{written}");
    }
    let floats = r#"{"ssn":536903412.0,"phone":4915112345678.0,"x":4915112345678.0}"#;
    let expected = r#"{"ssn":"*********","phone":"*************","x":4915112345678.0}"#;
    assert_eq!(masked(floats), expected);
    let others = r#"[4111111111111111.5,4e15,1e400,0.4111111111111111,4111111111111111e1]"#;
    assert_eq!(masked(others), others);
}

#[test]
fn a_number_comes_back_as_it_was_written() {
    let json = r#"{"a":4111111111111111,"b":"4111111111111111","c":4.111111111111111e15,"d":[-4111111111111111,4111111111111111.0,4111111111111111]}"#;
    let mut vault = bartizan_pii::Vault::new(7);
    let masker = masker(Action::Tokenise);
    let masked = masker.mask_json_into(json.as_bytes(), &mut vault).unwrap();
    let sent = String::from_utf8(masked.bytes.into_owned()).unwrap();
    assert!(!sent.contains("4111") && !sent.contains("111111"), "{sent}");
    // What stands for a value says how it was written: it comes back so.
    assert_eq!(vault.len(), 5);
    assert_eq!(String::from_utf8_lossy(&vault.restore_json(sent.as_bytes())), json);
}

#[test]
fn names_are_searched_and_pointers_never_hold_a_value() {
    let json = r#"{"a/b":{"jane@example.com":["x",{"ip":"10.0.0.1 and 10.0.0.2"}]}}"#;
    assert_eq!(
        masked(json),
        r#"{"a/b":{"****************":["x",{"ip":"******** and ********"}]}}"#
    );
    let at = "/a~1b/<EMAIL_ADDRESS>".to_owned();
    assert_eq!(
        located(json),
        [(at.clone(), "EMAIL_ADDRESS".into(), 1), (at + "/1/ip", "IP_ADDRESS".into(), 2)]
    );
}

#[test]
fn a_replacement_that_needs_escapes_gets_them() {
    let quote = Action::Mask { character: '"', keep_first: 0, keep_last: 0 };
    let json = masker(quote).mask_json(br#"{"a":"10.0.0.1"}"#).unwrap();
    let value: Value = serde_json::from_slice(&json.bytes).unwrap();
    assert_eq!(value["a"], "\"".repeat(8));
}

#[test]
fn detection_changes_nothing_and_blocking_says_so() {
    let json = br#"{"a":"10.0.0.1","n":4111111111111111}"#;
    let detected = masker(Action::Detect).mask_json(json).unwrap();
    assert_eq!(
        (&*detected.bytes, detected.findings.len(), detected.blocked),
        (&json[..], 2, false)
    );
    let blocking = masker(Action::Detect).with_action(Entity::IP_ADDRESS, Action::Block);
    let blocked = blocking.mask_json(json).unwrap();
    assert!(blocked.blocked);
    assert_eq!(&*blocked.bytes, br#"{"a":"********","n":4111111111111111}"#);
}

#[test]
fn what_is_not_json_is_refused_where_it_stops_being_so() {
    let cases = [
        ("", 0),
        ("{", 1),
        ("[1,]", 3),
        (r#"{"a":1,}"#, 7),
        (r#"{"a" 1}"#, 5),
        ("01", 1),
        ("1.", 2),
        ("-", 1),
        ("1e", 2),
        ("nul", 3),
        (r#""a"#, 2),
        (r#""\x""#, 2),
        (r#""\u12g4""#, 5),
        ("\"\n\"", 1),
        ("1 2", 2),
        ("[1 2]", 3),
        ("{1:2}", 1),
        ("+1", 0),
    ];
    for (json, offset) in cases {
        let result = masker(Action::MASK).mask_json(json.as_bytes());
        assert_eq!(result, Err(JsonError::Syntax { offset }), "{json}");
    }
    let result = masker(Action::MASK).mask_json(b"\"\xff\"");
    assert_eq!(result, Err(JsonError::Syntax { offset: 1 }));
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(masker(Action::MASK).mask_json(nested(MAX_DEPTH).as_bytes()).is_ok());
    let too_deep = nested(MAX_DEPTH + 1);
    let result = masker(Action::MASK).mask_json(too_deep.as_bytes());
    assert_eq!(result, Err(JsonError::TooDeep { offset: MAX_DEPTH }));
}

/// Documents with values in names and strings, spelled with more or fewer escapes.
fn document() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec![
        "plain",
        "",
        "é\n\"\\/",
        "jane@example.com",
        "say 123-45-6789 \u{1F642}",
        "\u{0}10.0.0.1\u{7f}",
        "4111111111111111",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CV",
    ]);
    let leaf = prop_oneof![
        text.clone().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner), 0..4)
                .prop_map(|members| members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

/// The same document with every character of its strings escaped.
fn escaped(json: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    let mut characters = json.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                inside = !inside;
                out.push('"');
            }
            '\\' => {
                let kind = characters.next().unwrap();
                out.extend(['\\', kind]);
                out.extend(characters.by_ref().take(if kind == 'u' { 4 } else { 0 }));
            }
            _ if inside => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => out.push(character),
        }
    }
    out
}

proptest! {
    #[test]
    fn a_masked_document_means_the_masked_strings_however_it_is_spelled(document in document()) {
        let plain = document.to_string();
        let spelled = escaped(&plain);
        let of_plain: Value = serde_json::from_str(&masked(&plain)).unwrap();
        let of_spelled: Value = serde_json::from_str(&masked(&spelled)).unwrap();
        prop_assert_eq!(&of_plain, &of_spelled);
        prop_assert_eq!(located(&plain), located(&spelled));
        if located(&plain).is_empty() {
            prop_assert_eq!(masked(&spelled), spelled);
        }
    }

    #[test]
    fn what_serde_refuses_is_refused_and_nothing_else(json in "[\\[\\]{},:\"\\\\ a1.eE+-]{0,12}|[\\[{]{0,3}(\"a\"|1|null)?(:1)?[\\]}]{0,3}") {
        let ours = masker(Action::MASK).mask_json(json.as_bytes()).is_ok();
        prop_assert_eq!(ours, serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok());
    }
}
