//! Texts to measure with: made here, from sentences and a fixed seed, so the same on every machine.
//!
//! `clean` is chat between people and models, code, tables and lists in it, without a value; `dense`
//! has a value every 300 bytes, `crowded` one every 30; `numbers` is a log of stamps, identifiers and
//! measures; `german` is not ASCII.
#![allow(
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "made for benchmarks, each of which uses a part of it"
)]

use std::fmt::Write;

pub const CHAT: &[&str] = &[
    "Sure! Here is how I would approach the migration: first, export the 3 tables.",
    "Then run `cargo test --workspace` on the new branch and look at what fails.",
    "In 2024 we saw about 1,250 requests per minute at peak; the p99 was 4.7 ms.",
    "If that's fine with you, I'll open a pull request tomorrow at 10:30.",
    "Could you explain the difference between a mutex and a semaphore once more?",
    "Think of it like a library: one desk, many readers, and only one of them may write.",
    "fn main() { let total: u64 = values.iter().map(|v| v * 2).sum(); println!(\"{total}\"); }",
    "The quarterly numbers look good, although the marketing budget was exceeded by 7%.",
    "I have attached the agenda; please read section 2.1 before the meeting on Thursday.",
    "| name | size | state |\n|------|------|-------|\n| alpha | 12 | done |\n| beta | 7 | open |",
    "- wash the vegetables\n- cut the onions\n- heat the oil, but not too much",
    "She said, \"we'll know more next week\", and left the room without another word.",
    "See https://docs.example.org/guide/getting-started#install for the details.",
    "The function returns `None` when the list is empty, which the caller must handle.",
    "My favourite season is autumn: the light is soft and the woods smell of rain.",
    "**Step 1:** open the settings. **Step 2:** choose *Privacy*. **Step 3:** press save.",
    "It depends on what you mean by fast; latency and throughput are different things.",
    "SELECT id, name FROM customers WHERE created_at > '2023-01-01' ORDER BY name LIMIT 50;",
    "No worries at all, take your time and let me know when you had a look at it.",
    "He walked for 12 kilometres that day, and another 15 the day after.",
];

pub const GERMAN: &[&str] = &[
    "Natürlich! Für die Übergabe wären zunächst drei Fragen zu klären, bevor wir anfangen können.",
    "Die Straße war gesperrt, also fuhren wir über die Brücke und kamen später als gewöhnlich an.",
    "Könnten Sie mir bitte erklären, wie sich die Gebühren im nächsten Jahr ändern würden?",
    "„Das hätte ich früher wissen müssen“, sagte er – und schloss die Tür hinter sich.",
    "Schöne Grüße aus Köln; das Wetter ist trüb, aber die Stimmung könnte größer nicht sein.",
];

const VALUES: &[&str] = &[
    "jane.doe@example.com",
    "+1 (423) 996-1370",
    "k.mueller+news@mail.example.co.uk",
    "123-45-6789",
    "4111 1111 1111 1111",
    "(415) 555-0132",
    "GB29 NWBK 6016 1331 9268 19",
    "192.168.13.7",
    "sk-proj-4f9aK2LmN8pQ7rS6tU5v",
    "5555555555554444",
    "+49 30 901820",
    "2001:db8::8a2e:370:7334",
];

/// Marsaglia's xorshift: the same texts on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % limit
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list.get(self.below(list.len())).unwrap()
    }
}

/// Sentences with a value about every `every` bytes; 0 is none.
pub fn prose(sentences: &[&str], size: usize, every: usize) -> String {
    let (mut random, mut text, mut since) = (Random(88_172_645_463_325_252), String::new(), 0);
    while text.len() < size {
        let sentence = random.of(sentences);
        let mut words = sentence.split_inclusive(' ').peekable();
        while let Some(word) = words.next() {
            text.push_str(word);
            since += word.len();
            if every > 0 && since >= every && words.peek().is_some() {
                since = 0;
                write!(text, "({}) ", random.of(VALUES)).unwrap();
            }
        }
        text.push(if random.below(4) == 0 { '\n' } else { ' ' });
    }
    text
}

pub fn numbers(size: usize) -> String {
    let (mut random, mut text) = (Random(362_436_069), String::new());
    while text.len() < size {
        let stamp = 1_748_503_543_012 + random.below(1 << 30);
        let (id, code) = (random.below(1 << 40), random.below(600));
        let (x, y) = (random.below(90_000_000), random.below(180_000_000));
        writeln!(
            text,
            "{stamp},2024-05-{:02}T10:{:02}:30.{:03}Z,{id},{code},{}.{:06},{}.{:06},{:016}",
            random.below(28) + 1,
            random.below(60),
            random.below(1000),
            x / 1_000_000,
            x % 1_000_000,
            y / 1_000_000,
            y % 1_000_000,
            random.below(1 << 50),
        )
        .unwrap();
    }
    text
}

pub fn json(size: usize) -> String {
    let text = prose(CHAT, size, 300);
    let mut json = String::from("[");
    for line in text.as_bytes().chunks(1_600) {
        let content = String::from_utf8_lossy(line);
        let message = serde_json::json!({"role": "user", "content": content, "n": 1});
        write!(json, "{message},").unwrap();
    }
    json.push_str("null]");
    json
}

/// Pieces as a model gives them: a space and up to six letters.
pub fn deltas(text: &str) -> Vec<&[u8]> {
    let (mut random, mut rest, mut deltas) = (Random(12_345), text.as_bytes(), Vec::new());
    while !rest.is_empty() {
        let most = rest.len().min(2 + random.below(6));
        let space = rest.iter().skip(1).take(most - 1).position(|b| *b == b' ');
        let (delta, behind) = rest.split_at(space.map_or(most, |at| at + 1));
        deltas.push(delta);
        rest = behind;
    }
    deltas
}
