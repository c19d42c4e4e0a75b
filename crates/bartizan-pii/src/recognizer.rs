//! What can be found? One row for each way of writing an entity; each row carries its own test.

mod address;
pub(crate) mod assignment;
mod bank;
mod checksum;
mod crypto;
mod date;
mod device;
mod form;
mod geo;
mod health;
mod id;
mod name;
pub(crate) mod phone_home;
mod phone_regional;
mod url;
mod vehicle;

use crate::{
    Anchor, Entity, Peek, Window, card, digits, email, encoded, iban, ip, phone,
    secret::{api_key, jwt, private_key},
    ssn,
};

/// Rows whose values have a fixed form (see [`form`]): entity, what it finds, forms, validator, score,
/// context, anchors where the forms do not give any, examples and counterexamples.
macro_rules! formed {
    (@anchors $forms:expr) => { &[$crate::Anchor::Forms(&$forms)] };
    (@anchors $forms:expr, $anchors:expr) => { &$anchors };
    ($($entity:ident, $finds:literal, $forms:expr, $valid:expr, $score:literal, $context:expr,
       $(at $anchors:expr,)? yes $yes:expr, no $no:expr;)*) => {
        &[$($crate::Recognizer {
            entity: $crate::Entity::$entity,
            finds: $finds,
            starts: |byte| $crate::recognizer::form::may_start(&$forms, byte),
            anchors: $crate::recognizer::formed!(@anchors $forms $(, $anchors)?),
            check: |window, at| $crate::recognizer::form::find(window, at, &$forms, $valid),
            score: $score,
            context: $context,
            against: &[],
            max_len: $crate::recognizer::form::longest(&$forms),
            yes: &$yes,
            no: &$no,
        }),*]
    };
}
use formed;

/// What a context word adds to the score of a finding.
pub const CONTEXT_BOOST: f32 = 0.4;

/// What a word that speaks against a finding takes from its score.
pub const COUNTER_WEIGHT: f32 = 0.3;

/// One way in which an entity is written.
///
/// To add an entity is to add a row; its examples are tested by the row being there.
#[derive(Debug)]
pub struct Recognizer {
    /// What it finds.
    pub entity: Entity,
    /// What this row finds, in words, for the reference page.
    pub finds: &'static str,
    /// The bytes at which a value may begin.
    pub starts: fn(u8) -> bool,
    /// What must stand where a value begins, one of these at least: without it `check` is not asked.
    pub anchors: &'static [Anchor],
    /// Where a value ends that begins exactly here, if one does.
    pub check: fn(&Window<'_>, usize) -> Peek<Option<End>>,
    /// How sure it is without context, 0 to 1. Below the default threshold of 0.5 the row speaks
    /// only beside one of its context words.
    pub score: f32,
    /// Words before the value that add [`CONTEXT_BOOST`].
    pub context: &'static [&'static str],
    /// Words before the value that take [`COUNTER_WEIGHT`], where no context word stands.
    pub against: &'static [&'static str],
    /// How many bytes from the beginning of a candidate on it may ask for before it answers: the
    /// most that a stream holds back for this row.
    pub max_len: usize,
    /// Texts in which it finds something.
    pub yes: &'static [&'static str],
    /// Texts in which it must find nothing.
    pub no: &'static [&'static str],
}

impl Recognizer {
    /// Whether words near a value tell anything.
    pub(crate) fn has_context(&self) -> bool {
        !(self.context.is_empty() && self.against.is_empty())
    }
}

/// Where a value ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Before this byte.
    At(usize),
    /// It is established up to this byte and goes on for as long as the run does, however long.
    Open(usize, Run),
}

/// How an open-ended value goes on. Nothing of it needs to be held back: it is masked as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Letters, digits, `-` and `_`.
    Token,
    /// The same, and single dots between.
    Dotted,
    /// The letters of base64.
    Encoded,
    /// Everything up to and including the line `-----END …-----`, or the end of the text.
    Pem,
}

impl Run {
    /// How many bytes at `at` still belong to it; `None` where it ends.
    pub(crate) fn step(self, window: &Window<'_>, at: usize) -> Peek<Option<Step>> {
        use crate::secret::is_token;
        let Some(byte) = window.byte(at)? else { return Ok(None) };
        match self {
            Self::Token | Self::Dotted if is_token(byte) => Ok(Some(Step::More(1))),
            // Two dots enclose the empty key of a directly encrypted token (RFC 7516).
            Self::Dotted => {
                let dots = window.count(at, 2, |b| b == b'.')?;
                let joined = dots > 0 && window.is(at + dots, is_token)?;
                Ok(joined.then_some(Step::More(dots + 1)))
            }
            Self::Encoded if encoded::goes_on(byte) => Ok(Some(Step::More(1))),
            Self::Token | Self::Encoded => Ok(None),
            Self::Pem => private_key::step(window, at).map(Some),
        }
    }
}

/// One step along an open-ended value, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    More(usize),
    Last(usize),
}

const CARD_WORDS: &[&str] = &[
    "card",
    "cc",
    "credit",
    "debit",
    "visa",
    "mastercard",
    "amex",
    "discover",
    "jcb",
    "diners",
    "maestro",
    "unionpay",
    "pan",
    "cardholder",
    "cvv",
    "cvc",
    "karte",
    "kreditkarte",
    "kartennummer",
    "carte",
    "bancaire",
    "tarjeta",
    "crédito",
    "credito",
    "carta",
    "cartão",
    "débito",
    "creditcard",
    "kaart",
    "karta",
    "karty",
    "kredytowa",
    "カード",
    "クレジットカード",
];
const NOT_CARD_WORDS: &[&str] = &[
    "order",
    "invoice",
    "tracking",
    "parcel",
    "shipment",
    "timestamp",
    "epoch",
    "millis",
    "sku",
    "isbn",
    "ean",
    "serial",
    "build",
    "commit",
    "transaction",
    "txn",
];
const SSN_WORDS: &[&str] = &["ssn", "ssns", "social", "socialsecurity", "ssid"];
const ID_WORDS: &[&str] =
    &["ssn", "ssns", "social", "socialsecurity", "ssid", "id", "identification", "taxpayer"];
const PHONE_WORDS: &[&str] = &[
    "phone",
    "telephone",
    "telefone",
    "telefon",
    "telefoon",
    "telefono",
    "teléfono",
    "téléphone",
    "téléfono",
    "tél",
    "tel",
    "telefonnummer",
    "rufnummer",
    "mobile",
    "mobil",
    "mobilnummer",
    "móvil",
    "movil",
    "móviles",
    "celular",
    "cellulare",
    "portable",
    "handy",
    "cell",
    "cellphone",
    "komórka",
    "komórkowy",
    "numer",
    "fax",
    "faks",
    "call",
    "calling",
    "ring",
    "dial",
    "dialed",
    "whatsapp",
    "sms",
    "text",
    "texted",
    "hotline",
    "landline",
    "voicemail",
    "callback",
    "answering",
    "messages",
    "reach",
    "registered",
    "desk",
    "contact",
    "msisdn",
    "bellen",
    "anrufen",
    "電話",
    "電話番号",
    "携帯",
    "携帯電話",
    "ファックス",
];
const IP_WORDS: &[&str] = &["ip", "ipv4", "ipv6", "host", "server", "client", "address", "addr"];
const VERSION_WORDS: &[&str] =
    &["version", "ver", "release", "build", "firmware", "upgrade", "changelog", "section", "oid"];

/// The built-in rows, the most specific first: that is the order in which equally long findings at
/// the same place are preferred.
pub static RECOGNIZERS: &[&Recognizer] = &joined::<{ count(GROUPS) }>(GROUPS);

/// Credentials, then what is looked for by default, then what is looked for when asked for: first
/// what has a form of its own, last what is only digits beside a word.
const GROUPS: &[&[Recognizer]] = &[
    url::ROWS,
    ROWS,
    assignment::ROWS,
    device::ROWS,
    crypto::ROWS,
    bank::ROWS,
    vehicle::ROWS,
    vehicle::SPACED,
    phone_regional::ROWS,
    id::uk::ROWS,
    id::germany::ROWS,
    id::western_europe::ROWS,
    id::southern_europe::ROWS,
    id::northern_europe::ROWS,
    id::central_europe::ROWS,
    id::eastern_europe::ROWS,
    id::asia::ROWS,
    id::india::ROWS,
    id::korea::ROWS,
    id::africa::ROWS,
    id::oceania::ROWS,
    id::americas::ROWS,
    id::us::ROWS,
    health::ROWS,
    date::ROWS,
    geo::ROWS,
    address::ROWS,
    name::ROWS,
];

const fn count(mut groups: &[&[Recognizer]]) -> usize {
    let mut count = 0;
    while let [group, rest @ ..] = groups {
        count += group.len();
        groups = rest;
    }
    count
}

const fn joined<const N: usize>(
    mut groups: &'static [&'static [Recognizer]],
) -> [&'static Recognizer; N] {
    let [[first, ..], ..] = groups else { unreachable!() };
    let mut all = [first; N];
    let mut slots: &mut [&Recognizer] = &mut all;
    let mut group: &[Recognizer] = &[];
    while let [slot, free @ ..] = slots {
        while let ([], [next, others @ ..]) = (group, groups) {
            (group, groups) = (next, others);
        }
        if let [row, more @ ..] = group {
            *slot = row;
            group = more;
        }
        slots = free;
    }
    all
}

const ROWS: &[Recognizer] = &[
    Recognizer {
        entity: Entity::PRIVATE_KEY,
        finds: "a private key in PEM or OpenPGP armour, up to its last line",
        starts: |b| b == b'-',
        anchors: &[Anchor::Literals(&["-----BEGIN "])],
        check: private_key::check,
        score: 1.0,
        context: &[],
        against: &[],
        max_len: private_key::MAX_LEN,
        yes: &[
            "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIE",
            "\"-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEEIIrYSSNQFaA2Hwf1\"",
        ],
        no: &[
            "A key begins with -----BEGIN PRIVATE KEY----- and ends likewise.",
            "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUXxxx\n-----END CERTIFICATE-----",
        ],
    },
    Recognizer {
        entity: Entity::JWT,
        finds: "a JSON Web Token in compact form",
        starts: |b| b == b'e',
        anchors: &[Anchor::Prefixes { literals: &["eyJ"], least: jwt::MIN_LEN }],
        check: jwt::check,
        score: 0.95,
        context: &[],
        against: &[],
        max_len: jwt::MAX_LEN,
        yes: &["Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r"],
        no: &["eyJ is how they begin", "eyJhbGciOiJIUzI1NiJ9 is only a header"],
    },
    Recognizer {
        entity: Entity::API_KEY,
        finds: "a key with a well-known prefix",
        starts: api_key::starts,
        anchors: &[
            Anchor::Token(api_key::MIN_LEN),
            Anchor::Prefixes { literals: api_key::DOTTED, least: api_key::MIN_LEN },
        ],
        check: api_key::check,
        score: 0.95,
        context: &[],
        against: &[],
        max_len: api_key::MAX_LEN,
        yes: &[
            "OPENAI_API_KEY=sk-proj-4f9aK2LmN8pQ7rS6tU5v",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "aws AKIAIOSFODNN7EXAMPLE",
            "btz_live_8Zq2mVw4Kx7Nf1Rt9Yb3",
        ],
        no: &["sk-learn is a library", "ghp_short", "AKIAIOSFODNN7", "task-sk-1"],
    },
    Recognizer {
        entity: Entity::EMAIL_ADDRESS,
        finds: "an e-mail address with a plausible top-level domain",
        starts: email::starts,
        anchors: &[Anchor::Sign],
        check: email::check,
        score: 1.0,
        context: &[],
        against: &[],
        max_len: email::MAX_LEN,
        yes: &[
            "write to jane.doe+x@mail.example.co.uk.",
            "<a@xn--d1acufc.xn--p1ai>",
            "josé@ñandú.es",
            "Email: 시우.김29@example.com",
            "?email=jane.doe%40example.com&x",
        ],
        no: &["@decorator", "user@localhost", "pkg@1.2.3", "a@b", "5 @ 3.50"],
    },
    Recognizer {
        entity: Entity::IBAN_CODE,
        finds: "an account number with the length of its country and a right check number",
        starts: |b| b.is_ascii_alphabetic(),
        anchors: &[Anchor::Code { letters: (2, 2), gap: false, digits: 2 }],
        check: iban::check,
        score: 1.0,
        context: &[],
        against: &[],
        max_len: iban::MAX_LEN,
        yes: &[
            "GB29 NWBK 6016 1331 9268 19",
            "gb42nawi04454264788619",
            "DE89-3704-0044-0532-0130-00",
        ],
        no: &["GB29 NWBK 6016 1331 9268 18", "CY17 0020 0128 0000 0012 0052 760", "SD 20241"],
    },
    Recognizer {
        entity: Entity::IP_ADDRESS,
        finds: "an IPv4 address, with a prefix length if one follows",
        starts: |b| b.is_ascii_digit(),
        anchors: &[Anchor::Marks { mark: b'.', apart: (2, 4), count: 3 }],
        check: ip::v4,
        score: 0.6,
        context: IP_WORDS,
        against: VERSION_WORDS,
        max_len: ip::MAX_LEN_V4,
        yes: &[
            "from 192.168.1.1, port 80",
            "10.0.0.0/8",
            "version of 2.179.219.175 on that server 2.179.219.175",
        ],
        no: &["version 1.2.3.4", "256.1.1.1", "1.2.3", "OID 1.3.6.1.4.1", "v1.2.3.4"],
    },
    Recognizer {
        entity: Entity::IP_ADDRESS,
        finds: "an IPv6 address, with zone and prefix length if they follow",
        starts: |b| b.is_ascii_hexdigit() || b == b':',
        anchors: &[Anchor::Pair, Anchor::Marks { mark: b':', apart: (2, 5), count: 6 }],
        check: ip::v6,
        score: 0.6,
        context: IP_WORDS,
        against: &[],
        max_len: ip::MAX_LEN_V6,
        yes: &["2001:db8::8a2e:370:7334", "[::ffff:192.168.1.1]:80", "fe80::1%eth0"],
        no: &["12:34:56", "std::cout", "MyClass::add", "::", ":::", "aa:bb:cc"],
    },
    Recognizer {
        entity: Entity::CREDIT_CARD,
        finds: "a card number in groups, with the range of an issuer and a right check digit",
        starts: card::starts,
        anchors: &[Anchor::Number { first: (4, 4), then: b" -", digits: 14 }],
        check: card::grouped,
        score: 0.9,
        context: CARD_WORDS,
        against: &[],
        max_len: card::MAX_LEN,
        yes: &["4111 1111 1111 1111", "3714-496353-98431", "4111-1111-1111-1111."],
        no: &["4111 1111 1111 1112", "4111-1111 1111-1111", "9111 1111 1111 1113"],
    },
    Recognizer {
        entity: Entity::CREDIT_CARD,
        finds: "a bare card number of a large issuer in its usual length, with a right check digit",
        starts: |b| matches!(b, b'2'..=b'6'),
        anchors: &[
            // The usual lengths.
            Anchor::Number { first: (15, 16), then: Anchor::NO_WORD, digits: 15 },
            Anchor::Number { first: (1, 19), then: b".e", digits: 12 },
        ],
        check: card::bare_usual,
        score: 0.55,
        context: CARD_WORDS,
        against: NOT_CARD_WORDS,
        max_len: digits::LONGEST_FLOATING,
        yes: &[
            "4111111111111111",
            "pay with 371449635398431 now",
            "4111111111111111.0",
            "{\"n\":-4.111111111111111e15}",
        ],
        no: &[
            "order 4111111111111111",
            "4111111111111112",
            "1748503543012",
            "1700000000000",
            "4111111111111112.0",
            "4111111111111111.5",
        ],
    },
    Recognizer {
        entity: Entity::CREDIT_CARD,
        finds: "any other card number of 12 to 19 digits with a right check digit, beside a word",
        starts: |b| b.is_ascii_digit(),
        anchors: &[
            Anchor::Number { first: (12, 19), then: Anchor::NO_WORD, digits: 12 },
            Anchor::Number { first: (1, 19), then: b".e", digits: 12 },
        ],
        check: card::bare_other,
        score: 0.2,
        context: CARD_WORDS,
        against: &[],
        max_len: digits::LONGEST_FLOATING,
        yes: &["my card 30288610434735", "card number 630427373398", "card 630427373398E+0"],
        no: &["30288610434735", "my card 30288610434736", "card from 1748503543012"],
    },
    Recognizer {
        entity: Entity::US_SSN,
        finds: "a social security number with dashes, by the administration's rules",
        starts: |b| b.is_ascii_digit(),
        anchors: &[Anchor::Number { first: (3, 3), then: b"-", digits: 9 }],
        check: ssn::dashed,
        score: 0.65,
        context: SSN_WORDS,
        against: &[],
        max_len: ssn::MAX_LEN,
        yes: &["ssn 123-45-6789", "536-90-4399"],
        no: &[
            "000-12-3456",
            "666-12-3456",
            "123-00-4567",
            "123-45-0000",
            "123-45-67890",
            "912-34-5678",
        ],
    },
    Recognizer {
        entity: Entity::US_SSN,
        finds: "a social security number with spaces or dots",
        starts: |b| b.is_ascii_digit(),
        anchors: &[Anchor::Number { first: (3, 3), then: b" .", digits: 9 }],
        check: ssn::spaced,
        score: 0.5,
        context: SSN_WORDS,
        against: &[],
        max_len: ssn::MAX_LEN,
        yes: &["abc 078 05 1123 abc"],
        no: &["078 05-1123", "078 5 1123"],
    },
    Recognizer {
        entity: Entity::US_SSN,
        finds: "nine bare digits, or a number beyond the issued areas, beside a word",
        starts: |b| b.is_ascii_digit(),
        anchors: &[
            Anchor::Number { first: (3, 3), then: b"- .", digits: 9 },
            Anchor::Number { first: (9, 9), then: Anchor::NO_WORD, digits: 9 },
            Anchor::Number { first: (1, 19), then: b".e", digits: 9 },
        ],
        check: ssn::weak,
        score: 0.15,
        context: SSN_WORDS,
        against: &[],
        max_len: digits::LONGEST_FLOATING,
        yes: &["SSN: 536904399", "ssn 912-34-5678", "ssn 536904399.0", "\"ssn\": 5.36904399e8"],
        no: &["536904399", "ssn 000000000", "ssn 111111111"],
    },
    Recognizer {
        entity: Entity::US_SSN,
        finds: "a number with dashes beyond the issued areas, beside a word for any identity",
        starts: |b| b == b'9',
        anchors: &[Anchor::Number { first: (3, 3), then: b"-", digits: 9 }],
        check: ssn::unissued,
        score: 0.15,
        context: ID_WORDS,
        against: &[],
        max_len: ssn::MAX_LEN,
        yes: &["ID number: 944-44-8144"],
        no: &["944-44-8144", "id 944-00-8144", "id 944448144"],
    },
    Recognizer {
        entity: Entity::US_SSN,
        finds: "a number with dashes in which scanning made letters of digits, beside a word",
        starts: ssn::looks_like_digit,
        anchors: &[Anchor::Marks { mark: b'-', apart: (3, 3), count: 2 }],
        check: ssn::misread,
        score: 0.2,
        context: SSN_WORDS,
        against: &[],
        max_len: ssn::MAX_LEN,
        yes: &["SSN 8Sl-27-4668", "ssn: 54O-31-1078"],
        no: &["8Sl-27-4668", "ssn SSl-OO-SSSS", "ssn 8Sl-27-46681"],
    },
    Recognizer {
        entity: Entity::PHONE_NUMBER,
        finds: "a number in international form, with the length of its country",
        starts: |b| b == b'+',
        anchors: &[Anchor::Number { first: (1, 15), then: &[], digits: 8 }],
        check: phone::international,
        score: 0.75,
        context: PHONE_WORDS,
        against: &[],
        max_len: phone::MAX_LEN,
        yes: &[
            "+55 11 98456 5666",
            "+46 (0)8 928 571 38",
            "+1 (423) 996-1370.",
            "+1-903-140-4508x769",
        ],
        no: &["+1 555", "+0 123 456 789", "1 + 1234567", "+12345678901234567890"],
    },
    Recognizer {
        entity: Entity::PHONE_NUMBER,
        finds: "a North American number with separators, with its extension",
        starts: |b| b.is_ascii_digit() || b == b'(',
        anchors: &[Anchor::Number { first: (1, 3), then: b" -.)", digits: 10 }],
        check: phone::north_american,
        score: 0.6,
        context: PHONE_WORDS,
        against: &[],
        max_len: phone::MAX_LEN,
        yes: &["(415) 555-0132", "415.555.0132 x12", "1-415-555-0132", "(898)666-3621x0135"],
        no: &["4155550132", "115-555-0132", "415-155-0132", "2415-555-0132", "415-555-01321"],
    },
    Recognizer {
        entity: Entity::PHONE_NUMBER,
        finds: "a national number of 7 to 12 digits in any grouping, or an international one without its sign, beside a word",
        starts: |b| b.is_ascii_digit() || b == b'(',
        anchors: &[
            Anchor::Number { first: (1, 6), then: phone::GAPS, digits: 7 },
            Anchor::Number { first: (7, 14), then: &[], digits: 7 },
            Anchor::Number { first: (1, 19), then: b".e", digits: 7 },
        ],
        check: phone::national,
        score: 0.2,
        context: PHONE_WORDS,
        against: &[],
        max_len: phone::MAX_LEN,
        yes: &[
            "call 4155550132",
            "Phone: 60-56-85-91",
            "Mobile: 03.93.92.16.85",
            "tel. (37) 788-063",
            "phone 4915112345678",
            "phone: 4.915112345678e12",
        ],
        no: &["4155550132", "60-56-85-91", "call me on 2024-05-17", "call 112"],
    },
    Recognizer {
        entity: Entity::PHONE_NUMBER,
        finds: "a national number with a label behind it, as `office` or `fax`",
        starts: |b| b.is_ascii_digit() || b == b'(',
        anchors: &[
            Anchor::Labelled { first: (1, 12), then: phone::GAPS, digits: 7 },
            // The `x` of an extension.
            Anchor::Labelled { first: (7, 12), then: b"x", digits: 7 },
        ],
        check: phone::labelled,
        score: 0.55,
        context: PHONE_WORDS,
        against: &[],
        max_len: phone::MAX_LEN + phone::MAX_LABEL,
        yes: &["416 60 039 office", "07700 063 966-Fax", "28-64-66-98 (mobile)"],
        no: &["416 60 039 offices", "2024-05-17 office", "12345678901234 fax"],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Scanner};

    #[test]
    fn every_row_finds_its_examples_and_not_its_counterexamples() {
        let mut wrong = Vec::new();
        for row in RECOGNIZERS {
            let entities = Some(vec![row.entity.clone()]);
            let scanner = Scanner::new(&Config { entities, ..Config::default() }).expect("sound");
            let found = |text: &str| scanner.scan(text).iter().any(|f| f.entity == row.entity);
            let missed = row.yes.iter().filter(|text| !found(text));
            wrong.extend(missed.map(|text| format!("{} is not found in {text:?}", row.entity)));
            let invented = row.no.iter().filter(|text| found(text));
            wrong.extend(invented.map(|text| format!("{} is found in {text:?}", row.entity)));
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_example_is_found_by_its_own_row_alone() {
        let mut wrong = Vec::new();
        for row in RECOGNIZERS {
            for text in row.yes {
                let window = crate::Window::whole(text.as_bytes());
                let found = (0..text.len()).any(|at| {
                    let byte = text.as_bytes()[at];
                    (row.starts)(byte) && (row.check)(&window, at).is_ok_and(|end| end.is_some())
                });
                if !found {
                    wrong.push(format!("{} by {:?} in {text:?}", row.entity, row.finds));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_row_with_forms_is_not_asked_everywhere() {
        let everywhere = RECOGNIZERS.iter().filter(|row| {
            matches!(row.anchors, [Anchor::Forms(_)])
                && !crate::dispatch::Dispatch::new(&[row], &[], 0.5).anywhere.is_empty()
        });
        let names: Vec<_> = everywhere.map(|row| (row.entity.as_str(), row.finds)).collect();
        assert!(names.is_empty(), "{names:#?}");
    }

    #[test]
    fn a_row_speaks_beside_its_words_or_on_its_own() {
        for row in RECOGNIZERS {
            let reach = row.score + if row.context.is_empty() { 0.0 } else { CONTEXT_BOOST };
            assert!(reach >= 0.5, "{} can never be found by default", row.finds);
        }
    }
}
