//! Does every action keep its promise? What is taken out comes back, and nothing else stays.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic"
)]

use std::sync::{Arc, LazyLock};

use bartizan_pii::{
    Action, Config, Entity, GROWTH, GROWTH_TIMES, Key, Keyring, MAX_VALUES, Masker, Restorer,
    Scanner, Spelling, Vault, report,
};
use proptest::prelude::*;
use serde_json::Value;

/// Values, and what may stand near them. None but the values holds a letter or digit of them twice.
const VALUES: &[&str] = &[
    "jane.doe@example.com",
    "o'brien+x@mail.example.co.uk",
    "123-45-6789",
    "4111 1111 1111 1111",
    "4111111111111111",
    "+1 (423) 996-1370",
    "10.0.0.1",
    "2001:db8::8a2e:370:7334",
    "GB29 NWBK 6016 1331 9268 19",
    "sk-proj-4f9aK2LmN8pQ7rS6tU5vW4xY3z",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r",
    "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----",
    "jane\\u0040example.com",
    "jane%40example.com",
    "４１１１ １１１１ １１１１ １１１１",
    "123\u{200B}-45-67\u{AD}89",
    "amFuZS5kb2VAZXhhbXBsZS5jb20=",
];

const BETWEEN: &[&str] = &[
    " ",
    " ",
    "\n",
    ", ",
    "\"",
    "\\",
    "{\"a\":\"",
    "\"}",
    "é",
    "🙂 ",
    "ssn ",
    "password: ",
    "_",
    "EMAIL_ADDRESS_1_",
    "PERSON_2_AAAAAAAA",
    "<EMAIL_ADDRESS>",
    "E",
    "PHONE_NUMBER",
    "x ",
    "[1, 2]",
    "token=",
    "the quick fox ",
    "'",
];

fn scanner() -> Arc<Scanner> {
    static SCANNER: LazyLock<Arc<Scanner>> = LazyLock::new(|| {
        let mut entities = Entity::DEFAULT.to_vec();
        entities.push(Entity::PASSWORD);
        let config = Config { entities: Some(entities), ..Config::default() };
        Arc::new(Scanner::new(&config).unwrap())
    });
    SCANNER.clone()
}

fn key() -> Key {
    Key::new(b"0123456789abcdef0123456789abcdef").unwrap()
}

fn masker(action: Action) -> Masker {
    Masker::new(scanner(), action)
}

fn actions() -> Vec<Action> {
    vec![
        Action::MASK,
        Action::Mask { character: '•', keep_first: 0, keep_last: 0 },
        Action::Redact,
        Action::Replace,
        Action::Hash(key()),
        Action::Encrypt(key()),
        Action::Tokenise,
    ]
}

/// What becomes of a text; tokens are of one vault.
fn act(masker: &Masker, text: &str) -> String {
    let mut vault = Vault::new(3);
    masker.mask_text_into(text, &mut vault).text.into_owned()
}

fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        prop::sample::select(VALUES).prop_map(str::to_owned),
        prop::sample::select(BETWEEN).prop_map(str::to_owned),
    ];
    prop::collection::vec(part, 0..10).prop_map(|parts| parts.concat())
}

/// Values that stand apart: where they touch, what is left of one may look like another.
fn apart() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        prop::sample::select(VALUES),
        prop::sample::select(vec!["it's ok", "é", "x", "<PERSON>", "PERSON_2_AAAAAAAA", "{}", "-"]),
    ];
    prop::collection::vec(part, 0..10).prop_map(|parts| parts.join(" | "))
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::from),
        1 => Just(Value::from(4_111_111_111_111_111_u64)),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    let nested = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner.clone()), 0..3)
                .prop_map(|members| members.into_iter().collect()),
            // A document that stands in a string, as the arguments of a tool call do.
            inner.prop_map(|value| Value::from(value.to_string())),
        ]
    });
    nested.prop_map(|value| serde_json::json!({ "a": value }))
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..12)
}

fn restored(vault: &Arc<Vault>, spelling: Spelling, text: &str, cuts: &[usize]) -> String {
    let (mut restorer, mut out) = (Restorer::new(Arc::clone(vault), spelling), Vec::new());
    let mut from = 0;
    for &cut in cuts.iter().chain([&text.len()]) {
        restorer.feed(&text.as_bytes()[from..cut], &mut out);
        assert!(restorer.held() < 80, "{} bytes held back", restorer.held());
        from = cut;
    }
    restorer.finish(&mut out);
    String::from_utf8(out).unwrap()
}

fn places(cuts: &[prop::sample::Index], length: usize) -> Vec<usize> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
    places.sort_unstable();
    places
}

/// Every name and every text of a document.
fn strings(document: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match document {
        Value::String(text) => Box::new(std::iter::once(text.as_str())),
        Value::Array(items) => Box::new(items.iter().flat_map(strings)),
        Value::Object(members) => Box::new(
            members
                .iter()
                .flat_map(|(name, item)| std::iter::once(name.as_str()).chain(strings(item))),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => Box::new(std::iter::empty()),
    }
}

fn is_json_but_for_its_lines(text: &str) -> bool {
    let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
    !is_json(text) && is_json(&text.replace(char::is_control, ""))
}

/// The document, with the JSON in its strings read.
fn as_read(document: &Value) -> Value {
    match document {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner) => as_read(&inner),
            Err(_) => document.clone(),
        },
        Value::Array(all) => all.iter().map(as_read).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), as_read(value))).collect()
        }
        other => other.clone(),
    }
}

fn is_json_with_escapes(text: &str) -> bool {
    text.contains("\\u") && serde_json::from_str::<Value>(text).is_ok()
}

/// A stream that waits at a value begins anew there: the sign that assigns it stands in what it
/// has let out.
#[test]
fn a_password_at_which_a_stream_has_waited_does_not_pass() {
    let masker = masker(Action::Redact);
    for (length, value) in (40..140).flat_map(|length| [(length, "_10.0.0.1"), (length, "1-2zz ")])
    {
        let text = format!("{} password: {value}", "x".repeat(length));
        let whole = masker.mask_text(&text).text;
        for cut in length..=text.len() {
            let (mut stream, mut out) = (masker.stream(), Vec::new());
            stream.feed(&text.as_bytes()[..cut], &mut out);
            stream.feed(&text.as_bytes()[cut..], &mut out);
            stream.finish(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), whole, "{length}, cut at {cut}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2_000)))]

    #[test]
    fn what_is_tokenised_comes_back_however_the_answer_is_cut(text in text(), chance: u128, cuts in cuts()) {
        let mut vault = Vault::new(chance);
        let tokenised = masker(Action::Tokenise).mask_text_into(&text, &mut vault);
        let tokenised = tokenised.text.into_owned();
        let vault = Arc::new(vault);
        let whole = vault.restore_text(tokenised.as_bytes()).into_owned();
        prop_assert_eq!(&String::from_utf8(whole).unwrap(), &text);
        let every: Vec<usize> = (0..tokenised.len()).collect();
        for cuts in [places(&cuts, tokenised.len()), every] {
            prop_assert_eq!(&restored(&vault, Spelling::Plain, &tokenised, &cuts), &text);
        }
    }

    #[test]
    fn a_tokenised_document_comes_back_byte_for_byte(document in document(), chance: u128, cuts in cuts()) {
        // What is JSON only while its line breaks are put aside comes back as JSON: with `\n`.
        prop_assume!(!strings(&document).any(is_json_but_for_its_lines));
        let json = document.to_string();
        let mut vault = Vault::new(chance);
        let masker = masker(Action::Tokenise);
        let masked = masker.mask_json_into(json.as_bytes(), &mut vault).unwrap();
        let masked = String::from_utf8(masked.bytes.into_owned()).unwrap();
        prop_assert!(serde_json::from_str::<Value>(&masked).is_ok(), "{}", masked);
        let vault = Arc::new(vault);
        let whole = vault.restore_json(masked.as_bytes()).into_owned();
        let whole = String::from_utf8(whole).unwrap();
        if strings(&document).any(is_json_with_escapes) {
            // A value within JSON in a string comes back as it is read, not as it was spelled.
            let back = as_read(&serde_json::from_str(&whole).unwrap());
            prop_assert_eq!(back, as_read(&document));
            return Ok(());
        }
        prop_assert_eq!(&whole, &json);
        // A stream follows no JSON in strings of JSON: its own text is that already.
        if !masked.contains("\\\\") && !masked.contains("\\\"") {
            let cuts = places(&cuts, masked.len());
            prop_assert_eq!(&restored(&vault, Spelling::Json, &masked, &cuts), &json);
        }
    }

    #[test]
    fn any_cuts_of_a_text_give_what_the_whole_gives(text in text(), cuts in cuts(), digits: bool) {
        let digits = if digits { Action::EncryptDigits(key()) } else { Action::Tokenise };
        for action in actions().into_iter().chain([digits]) {
            let masker = masker(action);
            let (mut stream, mut out, mut from) = (masker.stream(), Vec::new(), 0);
            for &cut in places(&cuts, text.len()).iter().chain([&text.len()]) {
                stream.feed(&text.as_bytes()[from..cut], &mut out);
                from = cut;
            }
            stream.finish(&mut out);
            let whole = masker.mask_text(&text);
            prop_assert_eq!(String::from_utf8_lossy(&out), whole.text);
        }
    }

    #[test]
    fn masking_twice_is_masking_once(text in apart()) {
        for action in actions() {
            let masker = masker(action.clone());
            let once = act(&masker, &text);
            prop_assert_eq!(&act(&masker, &once), &once, "{:?}", action);
        }
    }

    #[test]
    fn what_is_encrypted_is_read_again(text in text()) {
        let masked = masker(Action::Encrypt(key())).mask_text(&text).text.into_owned();
        prop_assert_eq!(String::from_utf8(Keyring::new([key()]).decrypt_text(masked.as_bytes()).text).unwrap(), text);
    }

    #[test]
    fn json_stays_json_under_every_action(document in document()) {
        let json = document.to_string();
        for action in actions() {
            let masked = masker(action).mask_json(json.as_bytes()).unwrap();
            prop_assert!(serde_json::from_slice::<Value>(&masked.bytes).is_ok());
        }
    }
}

#[test]
fn no_part_of_a_value_survives_any_action() {
    for action in actions() {
        for value in VALUES {
            let text = format!("<{value}>");
            let masked = act(&masker(action.clone()), &text);
            let plain = masked.trim_matches(['<', '>']);
            // Four characters in a row would be a part, but of what says which kind of value it is.
            let characters: Vec<char> = value.chars().collect();
            for part in characters.windows(4) {
                let part: String = part.iter().collect();
                let is_part = plain.contains(&part) && !"PRIVATE KEY".contains(&part);
                assert!(!is_part, "{part:?} of {value:?} in {masked:?}");
            }
            assert_ne!(masked, text, "{value:?} was not found");
        }
    }
}

#[test]
fn a_value_of_another_request_is_not_put_back() {
    let text = "jane.doe@example.com";
    let [mut mine, mut theirs] = [Vault::new(1), Vault::new(2)];
    let masker = masker(Action::Tokenise);
    let of_mine = masker.mask_text_into(text, &mut mine).text.into_owned();
    let of_theirs = masker.mask_text_into("bob@example.com", &mut theirs).text.into_owned();
    assert_eq!(&*mine.restore_text(of_mine.as_bytes()), text.as_bytes());
    assert_eq!(&*mine.restore_text(of_theirs.as_bytes()), of_theirs.as_bytes());
    assert_eq!(&*Vault::new(1).restore_text(of_mine.as_bytes()), of_mine.as_bytes());
}

#[test]
fn the_same_value_is_the_same_person_in_all_parts_of_a_request() {
    let mut vault = Vault::new(0);
    let masker = masker(Action::Tokenise);
    let json = br#"{"a":"ann@b.example","b":["bob@b.example","ann@b.example"]}"#;
    let masked = masker.mask_json_into(json, &mut vault).unwrap();
    let value: Value = serde_json::from_slice(&masked.bytes).unwrap();
    assert_eq!(value["a"], value["b"][1]);
    assert_ne!(value["a"], value["b"][0]);
    assert_eq!(
        masker.mask_text_into("ann@b.example", &mut vault).text,
        value["a"].as_str().unwrap()
    );
}

#[test]
fn a_value_is_escaped_as_deep_as_it_stands() {
    let mut vault = Vault::new(0);
    let masker = masker(Action::Tokenise);
    let key = "-----BEGIN PRIVATE KEY-----\nMIGH\"AgEAMB\n-----END PRIVATE KEY-----";
    let word = masker.mask_text_into(key, &mut vault).text.into_owned();
    let arguments = serde_json::json!({ "key": word }).to_string();
    let answer = serde_json::json!({ "said": format!("it is {word}"), "arguments": arguments });
    let restored = vault.restore_json(answer.to_string().as_bytes()).into_owned();
    let restored: Value = serde_json::from_slice(&restored).unwrap();
    assert_eq!(restored["said"], format!("it is {key}"));
    let arguments: Value = serde_json::from_str(restored["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments["key"], key);
}

/// A vault with one value of so many bytes, and its placeholder.
fn long_value(length: usize, filling: &str) -> (Vault, String, String) {
    let (begin, end) = ("-----BEGIN PRIVATE KEY-----\n", "\n-----END PRIVATE KEY-----");
    let key = format!("{begin}MIGHAgEAMBMGByqG{}{end}", filling.repeat(length / filling.len()));
    let mut vault = Vault::new(0);
    let word = masker(Action::Tokenise).mask_text_into(&key, &mut vault).text.into_owned();
    assert!(word == "PRIVATE_KEY_1_AAAAAAAA", "{} bytes: {:.80}", word.len(), word);
    (vault, key, word)
}

/// How an answer gets its values back.
type Way<'v> = &'v dyn Fn(&str) -> Vec<u8>;

#[test]
fn an_answer_that_repeats_a_placeholder_grows_to_its_bound_and_no_further() {
    for filling in ["MIGH", "\"\\\u{1}\n"] {
        let (vault, key, word) = long_value(100_000, filling);
        let most = GROWTH + GROWTH_TIMES * key.len() as u64;
        let text = format!("{word} ").repeat(200);
        let nested = |text: &str| serde_json::json!({ "a": text }).to_string();
        let twice = nested(&nested(&text));
        let vault = Arc::new(vault);
        let streamed = |spelling, text: &str| {
            let cuts: Vec<usize> = (0..text.len()).step_by(7).collect();
            restored(&vault, spelling, text, &cuts).into_bytes()
        };
        let ways: [(&str, Way<'_>, &str); 5] = [
            ("text", &|text| vault.restore_text(text.as_bytes()).into_owned(), &text),
            ("json", &|text| vault.restore_json(text.as_bytes()).into_owned(), &nested(&text)),
            ("json in json", &|text| vault.restore_json(text.as_bytes()).into_owned(), &twice),
            ("pieces", &|text| streamed(Spelling::Plain, text), &text),
            ("pieces of json", &|text| streamed(Spelling::Json, text), &nested(&text)),
        ];
        for (way, restore, text) in ways {
            vault.begin_anew();
            let out = restore(text);
            let grown = (out.len() - text.len()) as u64;
            // There was no room for one more, whose escapes may be doubled twice.
            let one = 8 * key.len() as u64;
            assert!(grown <= most && grown + one > most, "{way}: {grown} of {most}");
            assert!(vault.is_spent(), "{way}");
            assert!(out.ends_with(&text.as_bytes()[text.len() - 40..]), "{way}");
            // The first one is there, and what has no room any more stays what it was.
            assert!(String::from_utf8_lossy(&out).contains("BEGIN PRIVATE KEY"), "{way}");
        }
    }
}

#[test]
fn values_no_longer_than_their_placeholders_come_back_as_often_as_they_are_there() {
    let mut vault = Vault::new(0);
    let word = masker(Action::Tokenise).mask_text_into("10.0.0.1", &mut vault).text.into_owned();
    let text = format!("{word} ").repeat(200_000);
    let out = vault.restore_text(text.as_bytes());
    assert_eq!(out.len(), "10.0.0.1 ".len() * 200_000);
    assert!(!vault.is_spent());
}

#[test]
fn a_placeholder_comes_back_also_where_it_is_spelled_with_escapes() {
    let mut vault = Vault::new(0);
    masker(Action::Tokenise).mask_text_into("10.0.0.1", &mut vault);
    let json = br#"{"a":"\u0049P_ADDRESS\u005f1_AAAAAAAA \/ \u00e9"}"#;
    let restored = vault.restore_json(json).into_owned();
    assert_eq!(String::from_utf8(restored).unwrap(), r#"{"a":"10.0.0.1 \/ \u00e9"}"#);
}

#[test]
fn a_value_that_is_written_in_json_in_a_string_is_the_value_itself() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----";
    let json = serde_json::json!({ "arguments": serde_json::json!({ "key": key }).to_string() });
    let mut vault = Vault::new(0);
    masker(Action::Tokenise).mask_json_into(json.to_string().as_bytes(), &mut vault).unwrap();
    let restored = vault.restore_text(b"PRIVATE_KEY_1_AAAAAAAA").into_owned();
    assert_eq!(String::from_utf8(restored).unwrap(), key);
}

#[test]
fn json_in_a_string_stays_json_under_every_action() {
    let inner = r#"{"card":4111111111111111,"to":"jane.doe@example.com","n":1.50}"#;
    let json = serde_json::json!({ "arguments": inner }).to_string();
    for action in actions() {
        let masked = masker(action).mask_json(json.as_bytes()).unwrap();
        let outer: Value = serde_json::from_slice(&masked.bytes).unwrap();
        let text = outer["arguments"].as_str().unwrap();
        assert!(serde_json::from_str::<Value>(text).is_ok() && text.ends_with("1.50}"), "{text}");
        let pointers: Vec<&str> = masked.findings.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(pointers, ["/arguments/card", "/arguments/to"]);
    }
}

#[test]
fn a_full_vault_lets_nothing_pass() {
    let masker = masker(Action::Tokenise);
    let addresses = (0..=MAX_VALUES).map(|n| format!("10.1.{}.{}", n / 256, n % 256));
    let text = addresses.collect::<Vec<_>>().join(" ");
    let masked = masker.mask_text_into(&text, &mut Vault::new(0));
    assert!(masked.blocked && !masked.text.contains("10.1.64.0"));
    let json = serde_json::json!([text]).to_string();
    let masked = masker.mask_json_into(json.as_bytes(), &mut Vault::new(0)).unwrap();
    assert!(masked.blocked && !String::from_utf8_lossy(&masked.bytes).contains("10.1.64.0"));
}

#[test]
fn a_value_that_is_too_long_to_be_kept_is_named_alone() {
    let text = format!("-----BEGIN PRIVATE KEY-----\n{}", "A".repeat(20_000));
    for action in [Action::Hash(key()), Action::Encrypt(key())] {
        let masker = masker(action);
        assert_eq!(masker.mask_text(&text).text, "<PRIVATE_KEY>");
        assert_eq!(report::mask(&masker, text.as_bytes()).0, b"<PRIVATE_KEY>");
    }
}
