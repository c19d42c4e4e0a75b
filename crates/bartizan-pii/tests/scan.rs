//! What is found, what is left alone, and which of two findings wins?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic"
)]

use bartizan_pii::{Action, Config, ConfigError, CustomPattern, Entity, Masker, Scanner};

fn found_with(config: &Config, text: &str) -> Vec<(String, String)> {
    let findings = Scanner::new(config).unwrap().scan(text).into_iter();
    findings.map(|f| (f.entity.to_string(), text[f.start..f.end].to_owned())).collect()
}

fn found(text: &str) -> Vec<(String, String)> {
    found_with(&Config::default(), text)
}

#[track_caller]
fn assert_finds(text: &str, entity: &Entity, value: &str) {
    assert_eq!(found(text), [(entity.to_string(), value.to_owned())], "in {text:?}");
}

#[test]
fn the_span_is_the_value_and_nothing_else() {
    let cases = [
        ("(jane@example.com)", Entity::EMAIL_ADDRESS, "jane@example.com"),
        ("user=jane@example.com&x=1", Entity::EMAIL_ADDRESS, "jane@example.com"),
        ("Contact.....jane@example.com.", Entity::EMAIL_ADDRESS, "jane@example.com"),
        ("thomas.torrеs40@zoho.cоm - x", Entity::EMAIL_ADDRESS, "thomas.torrеs40@zoho.cоm"),
        ("Phone: +1 (423) 996-1370.", Entity::PHONE_NUMBER, "+1 (423) 996-1370"),
        ("Desk: +41 (0)96 471 07 95\nx", Entity::PHONE_NUMBER, "+41 (0)96 471 07 95"),
        ("Fax: 345-899-3560x4587", Entity::PHONE_NUMBER, "345-899-3560x4587"),
        ("'337-22-8965', ", Entity::US_SSN, "337-22-8965"),
        ("serverIp: \"121.141.68.182\",", Entity::IP_ADDRESS, "121.141.68.182"),
        ("[2001:db8::1]:443", Entity::IP_ADDRESS, "2001:db8::1"),
        (
            "IBAN GB29 NWBK 6016 1331 9268 19, thanks",
            Entity::IBAN_CODE,
            "GB29 NWBK 6016 1331 9268 19",
        ),
        ("电话+8613812345678。", Entity::PHONE_NUMBER, "+8613812345678"),
        (
            "key: sk-ny61XBIWM21a1o17XJLZmixmKc7qSTAc.",
            Entity::API_KEY,
            "sk-ny61XBIWM21a1o17XJLZmixmKc7qSTAc",
        ),
    ];
    for (text, entity, value) in cases {
        assert_finds(text, &entity, value);
    }
}

#[test]
fn numbers_of_everyday_life_are_left_alone() {
    let texts = [
        "at 1748503543012 ms",
        "order 1234567890123456",
        "id 4155550132",
        "2024-05-17T10:20:30Z",
        "ISBN 978-3-16-148410-0",
        "550e8400-e29b-41d4-a716-446655440000",
        "v1.2.3.4",
        "1.2.3.4.5",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "$1,234,567.89",
        "52.520008, 13.404954",
        "pages 123-456",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
        "std::vec::Vec",
        "10:20:30",
        "1Z999AA10123456784",
        "SN 123456789",
        "3.14159265358979",
        "@types/node@18.0.0",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
    ];
    for text in texts {
        assert_eq!(found(text), [], "in {text:?}");
    }
}

#[test]
fn the_earlier_then_the_longer_then_the_users_own_finding_wins() {
    let custom = |pattern: &str| Config {
        custom: vec![CustomPattern::new("OURS".parse().unwrap(), pattern)],
        ..Config::default()
    };
    let entity = |config: &Config, text: &str| found_with(config, text)[0].0.clone();
    assert_eq!(entity(&custom("[0-9]{3}"), "123-45-6789"), "US_SSN");
    assert_eq!(entity(&custom("[0-9-]{11}"), "123-45-6789"), "OURS");
    assert_eq!(entity(&custom("ssn .*"), "ssn 123-45-6789"), "OURS");
    assert_eq!(entity(&custom("sk-[a-z]+"), "sk-abc4f9aK2LmN8pQ7rS6tU5v"), "API_KEY");
}

#[test]
fn allowed_values_pass_and_blocked_terms_do_not() {
    let config = Config {
        allow: vec!["Support@example.com".into(), "10.0.0.1".into()],
        block: vec!["Projekt Zebra".into(), "o'hara".into(), "C++".into()],
        ..Config::default()
    };
    assert_eq!(found_with(&config, "support@EXAMPLE.com at 10.0.0.1"), []);
    let expected = [("IP_ADDRESS".to_owned(), "10.0.0.11".to_owned())];
    assert_eq!(found_with(&config, "10.0.0.11"), expected);
    let terms = found_with(&config, "PROJEKT zebra, Projekt Zebras, O'Hara in c++");
    let values: Vec<&str> = terms.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["PROJEKT zebra", "O'Hara", "c++"]);

    let block = (0..1_000).map(|index| format!("project number {index}")).collect();
    let many = Config { block, ..Config::default() };
    assert_eq!(found_with(&many, "Project number 99, PROJECT NUMBER 999").len(), 2);
}

#[test]
fn the_threshold_decides_and_context_raises_the_score() {
    let with = |min_confidence: f32| Config { min_confidence, ..Config::default() };
    assert_eq!(found_with(&with(0.1), "536904399").len(), 1);
    assert_eq!(found_with(&with(0.7), "10.0.0.1"), []);
    assert_eq!(found_with(&with(0.7), "client 10.0.0.1").len(), 1);
    let score = |text: &str| Scanner::new(&with(0.0)).unwrap().scan(text)[0].score;
    assert!(score("ssn 123-45-6789") > score("xyz 123-45-6789"));
    assert_eq!(score("ssn 123-45-6789"), 1.0);
}

#[test]
fn only_the_entities_that_are_asked_for_are_found() {
    let entities = vec!["EMAIL".parse().unwrap(), "SSN".parse().unwrap()];
    let config = Config { entities: Some(entities), ..Config::default() };
    let text = "a@b.example 10.0.0.1 123-45-6789";
    assert_eq!(found_with(&config, text).len(), 2);
}

#[test]
fn a_pattern_respects_boundaries_case_lines_and_its_length() {
    let find = |pattern: &str, max_length: usize, text: &str| {
        let entity = "OURS".parse().unwrap();
        let custom = vec![CustomPattern { max_length, ..CustomPattern::new(entity, pattern) }];
        found_with(&Config { custom, ..Config::default() }, text)
            .into_iter()
            .map(|f| f.1)
            .collect::<Vec<_>>()
    };
    assert_eq!(find(r"\bID-\d{3}\b", 256, "ID-123 xID-123 ID-1234 (ID-456)"), ["ID-123", "ID-456"]);
    assert_eq!(find("(?m)^key: .+$", 256, "a key: 1\nkey: 2\nb"), ["key: 2"]);
    assert_eq!(find("(?i)größe", 256, "GRÖSSE Größe GRÖßE"), ["Größe", "GRÖßE"]);
    assert_eq!(find("x[a-z]*", 4, "xabcdefg"), ["xabc"]);
    assert_eq!(find("a|ab", 256, "ab"), ["a"]);
}

#[test]
fn a_literal_word_is_found_in_no_other_word() {
    let places = |word: &str, text: &str| {
        let pattern = CustomPattern::literal_word("NAME_OF_OURS".parse().unwrap(), word);
        let entities = Some(Vec::new());
        let config = Config { entities, custom: vec![pattern], ..Config::default() };
        found_with(&config, text).len()
    };
    assert_eq!(places("Ann", "Annual plans of Anna, JoAnn and Ann4 are none of hers"), 0);
    assert_eq!(places("Ann", "Ann's plan, (Ann) and Ann"), 3);
    assert_eq!(places("Über", "Überall ist er, der Über."), 1);
    assert_eq!(places("J. R.", "by J. R. and by J. R.!"), 2);
    assert_eq!(places("東京", "東京都"), 1, "who writes without blanks has no words to look for");
}

#[test]
fn a_configuration_that_cannot_be_kept_is_refused() {
    let entity = || "OURS".parse::<Entity>().unwrap();
    let refused = |config: Config| Scanner::new(&config).unwrap_err();
    let custom = |pattern: CustomPattern| Config { custom: vec![pattern], ..Config::default() };

    let unsupported = Config { entities: Some(vec![entity()]), ..Config::default() };
    assert_eq!(refused(unsupported), ConfigError::Unsupported { entity: entity() });
    let confidence = Config { min_confidence: f32::NAN, ..Config::default() };
    assert!(matches!(refused(confidence), ConfigError::Confidence { .. }));
    let broken = refused(custom(CustomPattern::new(entity(), "([a-z]")));
    assert_eq!(broken.to_string(), "pattern `([a-z]` of `OURS` cannot be used: unclosed group");
    let empty = refused(custom(CustomPattern::new(entity(), "a*")));
    assert!(matches!(empty, ConfigError::EmptyMatch { .. }));
    let huge = refused(custom(CustomPattern::new(entity(), r"(\w{90}){90}")));
    assert!(huge.to_string().contains("too large"), "{huge}");
    let length = CustomPattern { max_length: 0, ..CustomPattern::new(entity(), "a") };
    assert!(matches!(refused(custom(length)), ConfigError::MaxLength { .. }));
}

#[test]
fn each_action_does_what_it_says() {
    let masker = |action| Masker::new(Scanner::new(&Config::default()).unwrap().into(), action);
    let keep = |keep_first, keep_last| Action::Mask { character: '#', keep_first, keep_last };
    let text = "mail josé@b.example now";
    let cases = [
        (Action::Detect, "mail josé@b.example now"),
        (Action::MASK, "mail ************** now"),
        (keep(1, 3), "mail j##########ple now"),
        (keep(9, 9), "mail ############## now"),
        (Action::Redact, "mail  now"),
        (Action::Replace, "mail <EMAIL_ADDRESS> now"),
        (Action::Block, "mail "),
    ];
    for (action, expected) in cases {
        let blocks = action == Action::Block;
        let masked = masker(action).mask_text(text);
        assert_eq!((masked.text.as_ref(), masked.blocked), (expected, blocks));
    }
    // Of a secret nothing is kept.
    let key = "sk-proj-4f9aK2LmN8pQ7rS6tU5v";
    assert_eq!(masker(keep(3, 3)).mask_text(key).text, "#".repeat(key.len()));
}

#[test]
fn hundreds_of_ones_own_patterns_are_found_beside_all_that_is_built_in() {
    let ours = |number: usize| format!("OURS_{number}").parse().unwrap();
    let pattern = |number| CustomPattern::new(ours(number), format!("QZ{number}-[0-9]{{4}}x"));
    let config = Config {
        entities: Some(Config::all_entities()),
        custom: (0..400).map(pattern).collect(),
        phone_regions: ["AT", "CH", "DE", "ES", "FR", "GB", "IT", "NL"].map(String::from).into(),
        ..Config::default()
    };
    let scanner = Scanner::new(&config).unwrap();
    for number in 0..400 {
        let text = format!("see QZ{number}-1234x, or jane@example.com");
        let found: Vec<_> = scanner.scan(&text).into_iter().map(|found| found.entity).collect();
        assert_eq!(found, [ours(number), Entity::EMAIL_ADDRESS], "{text}");
    }
}
