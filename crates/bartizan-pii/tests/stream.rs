//! Does a stream give what masking the whole gives, wherever the text is cut, and leak nothing?
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
    Action, Config, CustomPattern, Entity, Masker, RECOGNIZERS, Scanner, Window, report,
};
use proptest::prelude::*;

/// One of each kind of value, and what stands near values without being one.
const FRAGMENTS: &[&str] = &[
    "4111111111111111.0",
    "4.111111111111111e15",
    ".0",
    "e0",
    "jane.doe@example.com",
    "o'brien+x@mail.example.co.uk",
    "a@b",
    "josé@ñandú.es",
    "@",
    "bob..eve@x.io",
    "123-45-6789",
    "078 05 1123",
    "536904399",
    "000-12-3456",
    "ssn ",
    "SSN:",
    "4111 1111 1111 1111",
    "4111111111111111",
    "4111-1111-1111-1112",
    "371449635398431",
    "card ",
    "30288610434735",
    "order ",
    "1748503543012",
    "+1 (423) 996-1370",
    "(415) 555-0132",
    "415.555.0132 x12",
    "+46 (0)8 928 571 38",
    "+4",
    "phone: ",
    "60-56-85-91",
    "2024-05-17",
    "call ",
    "10.0.0.1",
    "192.168.1.0/24",
    "1.2.3.4.5",
    "version ",
    "2001:db8::8a2e:370:7334",
    "fe80::1%eth0/64",
    "::ffff:10.0.0.1",
    "12:34:56",
    "::",
    "GB29 NWBK 6016 1331 9268 19",
    "DE89370400440532013000",
    "GB29 NWBK 6016 1331 9268 18",
    "GB",
    "sk-proj-4f9aK2LmN8pQ7rS6tU5vW4xY3z",
    "sk-learn-is-a-library",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "AKIAIOSFODNN7EXAMPLE",
    "btz_live_8Zq2mVw4Kx7Nf1Rt",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r",
    "eyJhbGciOiJIUzI1NiJ9",
    "eyJhbGciOiJkaXIifQ..5vW4xY3z.AbC",
    "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49é\n",
    "-----END PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEEIIrYSSNQ",
    "-----",
    "CUST-123456",
    "CUST-12",
    "Projekt Zebra",
    "zebra",
    "support@example.com",
    "sk-test-allowed-0123456789",
    " ",
    " ",
    " ",
    "\n",
    ", ",
    ". ",
    "-",
    "'",
    "\"",
    "(",
    "=",
    "é",
    "文",
    "🙂",
    "a",
    "1",
    "0",
    "the quick fox ",
    "Hello there, ",
    "I am a b c d e f g, ",
    "it's ok. ",
    "don't.",
    "www.example.com ",
    "BEGIN",
    "jane\\u0040example.com",
    "\\u0031\\u0032\\u0033-45-6789",
    "\\n",
    "\\",
    "\\\\u00",
    "\\ud835\\udfcf",
    "%31%32%33",
    "%",
    "%2540",
    "jane%40example.com",
    "&#64;",
    "&amp;",
    "&",
    "４１１１ １１１１ １１１１ １１１１",
    "\u{200B}",
    "123\u{200B}-45-67\u{AD}89",
    "\u{2013}",
    "\u{A0}",
    "**",
    "12**3-45**-6789",
    "jаne@еxample.com",
    "amFuZS5kb2VAZXhhbXBsZS5jb20=",
    "313233",
    "3132332d34352d36373839",
    "1 2 3 - 4 5 - 6 7 8 9",
    "4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1",
    "\u{E0031}\u{E0032}",
];

fn scanner() -> Arc<Scanner> {
    static SCANNER: LazyLock<Arc<Scanner>> = LazyLock::new(build);
    SCANNER.clone()
}

fn build() -> Arc<Scanner> {
    let named = |name: &str| name.parse::<Entity>().unwrap();
    let config = Config {
        allow: vec!["support@example.com".into(), "sk-test-allowed-0123456789".into()],
        block: vec!["Projekt Zebra".into(), "文🙂".into()],
        custom: vec![
            CustomPattern::new(named("CUSTOMER_ID"), r"\bCUST-[0-9]{6}\b"),
            CustomPattern { max_length: 8, ..CustomPattern::new(named("LONG"), "fox [a-z ]+") },
        ],
        ..Config::default()
    };
    Arc::new(Scanner::new(&config).unwrap())
}

fn maskers() -> Vec<Masker> {
    let keep = Action::Mask { character: '•', keep_first: 2, keep_last: 3 };
    let actions = [Action::MASK, keep, Action::Replace, Action::Redact, Action::Detect];
    let mut maskers: Vec<Masker> =
        actions.into_iter().map(|action| Masker::new(scanner(), action)).collect();
    let blocking = Masker::new(scanner(), Action::MASK);
    maskers.push(blocking.clone().with_action(Entity::JWT, Action::Block));
    maskers.push(blocking.with_action(Entity::EMAIL_ADDRESS, Action::Block));
    // Without patterns of the user's own there is a shorter way through prose.
    static DEFAULT: LazyLock<Arc<Scanner>> =
        LazyLock::new(|| Arc::new(Scanner::new(&Config::default()).unwrap()));
    static ALL: LazyLock<Arc<Scanner>> = LazyLock::new(|| {
        let entities = Some(Config::all_entities());
        Arc::new(Scanner::new(&Config { entities, ..Config::default() }).unwrap())
    });
    maskers.push(Masker::new(DEFAULT.clone(), Action::MASK));
    maskers.push(Masker::new(ALL.clone(), Action::MASK));
    maskers
}

/// What comes out of a stream into which `text` goes in the pieces between `cuts`.
fn streamed(masker: &Masker, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let (mut stream, mut out, mut from) = (masker.stream(), Vec::new(), 0);
    for &cut in cuts {
        stream.feed(&text[from..cut], &mut out);
        from = cut;
    }
    stream.feed(&text[from..], &mut out);
    stream.finish(&mut out);
    out
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every fragment alone, every pair, and every pair with a space between.
fn cases() -> Vec<String> {
    let mut cases: Vec<String> = FRAGMENTS.iter().map(|f| (*f).to_owned()).collect();
    for (index, first) in FRAGMENTS.iter().enumerate() {
        for second in FRAGMENTS.iter().skip(index % 11).step_by(11) {
            cases.push(format!("{first}{second}"));
            cases.push(format!("x {second} {first}."));
        }
    }
    cases
}

#[test]
fn every_cut_in_two_gives_what_the_whole_gives() {
    for masker in [&maskers()[0], &maskers()[2]] {
        for text in cases() {
            let whole = masker.mask_text(&text).text.into_owned();
            for cut in 0..=text.len() {
                let out = streamed(masker, text.as_bytes(), &[cut]);
                assert_eq!(show(&out), whole, "{text:?} cut at {cut}");
            }
        }
    }
}

#[test]
fn a_stream_of_single_bytes_gives_what_the_whole_gives() {
    for masker in maskers() {
        for text in cases() {
            let cuts: Vec<usize> = (0..text.len()).collect();
            let whole = masker.mask_text(&text);
            let out = streamed(&masker, text.as_bytes(), &cuts);
            assert_eq!(show(&out), whole.text, "{text:?}");
        }
    }
}

#[test]
fn plain_prose_is_held_back_for_no_longer_than_its_last_word() {
    let masker = &maskers()[0];
    let prose =
        "The quick brown fox, it said, jumps over 13 lazy dogs (and one cat); see pages 4-7. ";
    let (mut stream, mut out) = (masker.stream(), Vec::new());
    for word in prose.split_inclusive(' ') {
        if word.starts_with("fox") {
            continue;
        }
        stream.feed(word.as_bytes(), &mut out);
        assert_eq!(stream.held(), 0, "behind {word:?}");
    }
}

#[test]
fn an_endless_value_is_masked_as_it_comes_and_held_back_nowhere() {
    let masker = &maskers()[0];
    let (mut stream, mut out) = (masker.stream(), Vec::new());
    stream.feed(b"-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n", &mut out);
    for _ in 0..1_000 {
        stream.feed(&[b'A'; 64], &mut out);
        assert_eq!(stream.held(), 0);
    }
    assert!(out.iter().all(|byte| *byte == b'*'));
    assert_eq!(stream.findings()[0].entity, Entity::PRIVATE_KEY);
}

/// Texts that keep a row asking for as long as it may.
fn greedy_texts() -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for unit in [
        "a", "1", "1 ", "1.", "a.", "a-", "eyJa", "sk-", "f:", "::", "-", "A ", "GB29 ", "\\n",
        "(0)",
    ] {
        for head in [
            "",
            "a@",
            "eyJ",
            "+",
            "+1",
            "(",
            "GB29",
            "::",
            "fe80::1%",
            "-----BEGIN PRIVATE KEY-----",
            "sk-",
        ] {
            texts.push(format!("{head}{}", unit.repeat(1_500 / unit.len())));
        }
    }
    texts
}

#[test]
fn no_row_asks_for_more_than_it_says() {
    for text in greedy_texts() {
        for row in RECOGNIZERS {
            for at in 0..8 {
                let known = Window::partial(&text.as_bytes()[..at + row.max_len]);
                let answer = (row.check)(&known, at);
                assert!(answer.is_ok(), "{} at {at} in {:?}", row.finds, &text[..40]);
            }
        }
    }
}

fn dense_text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(FRAGMENTS), 1..12).prop_map(|parts| parts.concat())
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..8)
}

fn places(cuts: &[prop::sample::Index], length: usize) -> Vec<usize> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
    places.sort_unstable();
    places
}

/// Nothing of a value that masking the whole removes must have come out, at any time.
fn assert_no_leak(masker: &Masker, text: &str, cuts: &[usize]) {
    let (mut stream, mut out, mut from) = (masker.stream(), Vec::new(), 0);
    let whole = masker.mask_text(text);
    let whole = whole.text.as_bytes();
    for &cut in cuts.iter().chain([&text.len()]) {
        stream.feed(&text.as_bytes()[from..cut], &mut out);
        from = cut;
        // Whatever has come out by now is a beginning of the masked whole, so nothing is in it
        // that the whole does not show; and it is whole characters.
        assert!(whole.starts_with(&out), "{:?} came out of {text:?}", show(&out));
        assert!(std::str::from_utf8(&out).is_ok(), "half a character came out of {text:?}");
    }
}

#[test]
fn an_allowed_value_is_not_searched_anew_behind_its_beginning() {
    let tags = "\u{E0031}\u{E0032}";
    let plain = format!("phone: 078 05 1123{tags}sk-test-allowed-0123456789４１１１ １１１１ x");
    // Here it is one only where the escape before it is undone.
    let escaped = format!("{tags}call \\nsk-test-allowed-0123456789 ");
    for (masker, text) in maskers().iter().flat_map(|masker| [(masker, &plain), (masker, &escaped)])
    {
        let whole = masker.mask_text(text).text.into_owned();
        for first in 0..text.len() {
            for second in first..text.len() {
                let out = streamed(masker, text.as_bytes(), &[first, second]);
                assert_eq!(show(&out), whole, "cut at {first} and {second}");
            }
        }
    }
}

/// Marsaglia's xorshift: the same cuts on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % limit
    }
}

/// Feeds a text in random pieces; nothing may come out that masking the whole does not show. How
/// often it was cut.
fn cut_at_random(masker: &Masker, text: &str, random: &mut Random) -> usize {
    let whole = masker.mask_text(text);
    let mut rest = whole.text.as_bytes();
    let (mut stream, mut out, mut from, mut cuts) = (masker.stream(), Vec::new(), 0, 0);
    let longest = 1 + random.below(12);
    while from < text.len() {
        let end = text.len().min(from + 1 + random.below(longest));
        stream.feed(&text.as_bytes()[from..end], &mut out);
        let behind = rest.strip_prefix(out.as_slice());
        rest = behind.unwrap_or_else(|| panic!("{:?} came out of {text:?}", show(&out)));
        out.clear();
        (from, cuts) = (end, cuts + 1);
    }
    stream.finish(&mut out);
    assert_eq!(show(&out), show(rest), "at the end of {text:?}");
    cuts
}

/// 10^5 cuts, or as many as `BARTIZAN_CUTS` says: 10^8 at night.
#[test]
fn no_random_cut_changes_what_comes_out_or_lets_anything_through() {
    let wanted = std::env::var("BARTIZAN_CUTS").map_or(100_000, |cuts| cuts.parse().unwrap());
    let maskers = maskers();
    let (mut random, mut cuts) = (Random(88_172_645_463_325_252), 0);
    while cuts < wanted {
        let parts = 1 + random.below(16);
        let text: String = (0..parts).map(|_| FRAGMENTS[random.below(FRAGMENTS.len())]).collect();
        let masker = &maskers[random.below(maskers.len())];
        cuts += cut_at_random(masker, &text, &mut random);
    }
}

#[test]
fn letters_that_stand_one_by_one_twice_are_found_in_the_whole_and_in_a_stream() {
    let masker = &maskers()[0];
    let spread = "4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1";
    for text in [format!("363738394{} {spread}", &spread[1..]), format!("{spread} {spread}")] {
        let whole = masker.mask_text(&text).text.into_owned();
        assert!(whole.ends_with(&"*".repeat(spread.len())), "{whole}");
        for cut in 0..text.len() {
            assert_eq!(show(&streamed(masker, text.as_bytes(), &[cut])), whole, "cut at {cut}");
        }
    }
}

proptest! {
    // More of them by `PROPTEST_CASES`, as at night.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(12_000)))]

    #[test]
    fn any_cuts_give_what_the_whole_gives(text in dense_text(), cuts in cuts(), which in 0..9_usize) {
        let masker = &maskers()[which];
        let cuts = places(&cuts, text.len());
        let whole = masker.mask_text(&text);
        prop_assert_eq!(show(&streamed(masker, text.as_bytes(), &cuts)), whole.text.as_ref());
    }

    #[test]
    fn nothing_of_a_value_comes_out_before_it_is_decided(text in dense_text(), cuts in cuts(), which in prop::sample::select(vec![0_usize, 7, 8])) {
        assert_no_leak(&maskers()[which], &text, &places(&cuts, text.len()));
    }

    #[test]
    fn masking_keeps_the_number_of_characters(text in dense_text()) {
        let masked = maskers()[0].mask_text(&text);
        prop_assert_eq!(masked.text.chars().count(), text.chars().count());
    }

    #[test]
    fn bytes_that_are_no_text_are_streamed_the_same(bytes in prop::collection::vec(any::<u8>(), 0..200), cuts in cuts()) {
        let masker = &maskers()[0];
        let cuts = places(&cuts, bytes.len());
        prop_assert_eq!(streamed(masker, &bytes, &cuts), report::mask(masker, &bytes).0);
    }

    #[test]
    fn findings_do_not_overlap_and_lie_between_characters(text in dense_text()) {
        let mut last = 0;
        for finding in scanner().scan(&text) {
            prop_assert!(last <= finding.start && finding.start < finding.end);
            prop_assert!(text.get(finding.start..finding.end).is_some());
            last = finding.end;
        }
    }
}
