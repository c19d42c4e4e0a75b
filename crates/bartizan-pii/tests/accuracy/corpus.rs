//! Which texts are read, and what do they say is in them?

use std::{
    collections::HashMap,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use bartizan_pii::Finding;
use serde::Deserialize;

/// The labels of the corpora and the entities that they mean. Others are not looked for: titles,
/// ages, nationalities.
pub(crate) const LABELS: &[(&str, &str)] = &[
    ("API_KEY", "API_KEY"),
    ("BANK_ACCOUNT_NUMBER", "US_BANK_NUMBER"),
    ("CREDIT_CARD", "CREDIT_CARD"),
    ("DATE_TIME", "DATE_TIME"),
    ("DOMAIN_NAME", "URL"),
    ("GPE", "LOCATION"),
    ("GROUP", "ORGANIZATION"),
    ("LOC", "LOCATION"),
    ("LOCATION", "LOCATION"),
    ("ORG", "ORGANIZATION"),
    ("ORGANIZATION", "ORGANIZATION"),
    ("ORGANIZATION_NAME", "ORGANIZATION"),
    ("PER", "PERSON"),
    ("CORPORATION", "ORGANIZATION"),
    ("EMAIL_ADDRESS", "EMAIL_ADDRESS"),
    ("IBAN_CODE", "IBAN_CODE"),
    ("IP_ADDRESS", "IP_ADDRESS"),
    ("MAC_ADDRESS", "MAC_ADDRESS"),
    ("MEDICAL_RECORD_NUMBER", "MEDICAL_RECORD_NUMBER"),
    ("PASSWORD", "PASSWORD"),
    ("PERSON", "PERSON"),
    ("PERSON_NAME", "PERSON"),
    ("PHONE_NUMBER", "PHONE_NUMBER"),
    ("SOCIAL_SECURITY_NUMBER", "US_SSN"),
    ("STREET_ADDRESS", "STREET_ADDRESS"),
    ("TIMESTAMP", "DATE_TIME"),
    ("US_DRIVER_LICENSE", "US_DRIVER_LICENSE"),
    ("US_SSN", "US_SSN"),
];

/// What a model finds, and recognizers hardly or not at all.
pub(crate) const NAMES: &[&str] = &["LOCATION", "ORGANIZATION", "PERSON"];

/// Of the adversarial texts, those in which the values stand as they are.
const PLAIN: &[&str] =
    &["code_embedded", "context_ambiguous", "multi_token", "negated_pii", "url_embedded"];

/// A text, and what is labelled in it.
pub(crate) struct Text {
    pub(crate) corpus: &'static str,
    pub(crate) text: String,
    pub(crate) language: String,
    pub(crate) kind: Option<String>,
    pub(crate) spans: Vec<Span>,
}

/// A place in a text, in code points.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Span {
    pub(crate) entity: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl From<Finding> for Span {
    fn from(found: Finding) -> Self {
        Self { entity: found.entity.to_string(), start: found.start, end: found.end }
    }
}

impl Text {
    /// The entities that are labelled in this text: of the others a finding says nothing.
    pub(crate) fn labelled(&self) -> impl Iterator<Item = &'static str> {
        // The hardware addresses of logs are not labelled, those of the other texts are.
        let unlabelled = |entity: &str| {
            entity == "MAC_ADDRESS" && self.spans.iter().all(|span| span.entity != entity)
        };
        self.labelled_in_corpus().iter().copied().filter(move |entity| !unlabelled(entity))
    }

    fn labelled_in_corpus(&self) -> &'static [&'static str] {
        match self.corpus {
            "synth" => &[
                "CREDIT_CARD",
                "DATE_TIME",
                "EMAIL_ADDRESS",
                "IBAN_CODE",
                "IP_ADDRESS",
                "LOCATION",
                "ORGANIZATION",
                "PERSON",
                "PHONE_NUMBER",
                "STREET_ADDRESS",
                "URL",
                "US_DRIVER_LICENSE",
                "US_SSN",
            ],
            "web" | "social" => NAMES,
            // Most telephone numbers of these are not labelled, and no place is.
            "technology" => &[
                "API_KEY",
                "DATE_TIME",
                "EMAIL_ADDRESS",
                "IP_ADDRESS",
                "MAC_ADDRESS",
                "MEDICAL_RECORD_NUMBER",
                "ORGANIZATION",
                "PASSWORD",
                "PERSON",
                "STREET_ADDRESS",
                "US_BANK_NUMBER",
                "US_SSN",
            ],
            _ => &[
                "EMAIL_ADDRESS",
                "IP_ADDRESS",
                "MEDICAL_RECORD_NUMBER",
                "PERSON",
                "PHONE_NUMBER",
                "US_SSN",
            ],
        }
    }

    /// The tables that it counts in.
    pub(crate) fn slices(&self) -> Vec<String> {
        let Some(kind) = self.kind.as_deref().filter(|_| self.corpus == "adversarial") else {
            let language = format!("{} in {}", self.corpus, self.language);
            return if self.language == "en" {
                vec![self.corpus.to_owned()]
            } else {
                vec![self.corpus.to_owned(), language]
            };
        };
        let group = if PLAIN.contains(&kind) { "plain" } else { "disguised" };
        vec![format!("adversarial {group}"), format!("adversarial: {kind}")]
    }
}

#[derive(Deserialize)]
struct Row {
    text: String,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    domain: Option<String>,
    #[serde(alias = "annotations")]
    spans: Vec<Label>,
}

#[derive(Deserialize)]
struct Label {
    #[serde(rename = "type")]
    name: String,
    start: usize,
    end: usize,
}

/// All texts, always in the same order.
pub(crate) fn read() -> Vec<Text> {
    let synth: Vec<Row> =
        serde_json::from_slice(&unpacked("presidio-research.synth.json.gz")).unwrap();
    let lines = unpacked("pii-anon-eval.dev.jsonl.gz");
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let anon = lines.map(|line| serde_json::from_slice(line).unwrap());
    let labelled = synth.into_iter().chain(anon).map(text);
    labelled.chain(sentences("web", WEB, 1)).chain(sentences("social", SOCIAL, 0)).collect()
}

/// Web texts of Universal NER, and social ones of WNUT 2017: a word a line.
const WEB: &str = "ner/uner_en_ewt_dev.iob2";
const SOCIAL: &str = "ner/wnut17_emerging.dev.conll";

/// The sentences of a corpus with a word and its label (IOB2) on each line, the word in the column
/// `word`. Where the text is given as it was written, words are looked for in it.
fn sentences(corpus: &'static str, name: &str, word: usize) -> Vec<Text> {
    let lines = std::fs::read_to_string(folder().join(name)).unwrap();
    let sentence = |lines: &str| {
        let given = lines.lines().find_map(|line| line.strip_prefix("# text = "));
        let (mut text, mut spans, mut at) = (given.unwrap_or_default().to_owned(), Vec::new(), 0);
        for line in lines.lines().filter(|line| !line.starts_with("# ")) {
            let mut columns = line.split('\t').skip(word);
            let (word, label) = columns.next().zip(columns.next()).unwrap();
            if given.is_none() {
                text.extend([" ", word].into_iter().skip(usize::from(text.is_empty())));
            }
            let start = at + text[at..].find(word).unwrap();
            at = start + word.len();
            add(&mut spans, label, text[..start].chars().count(), text[..at].chars().count());
        }
        Text { corpus, text, language: "en".into(), kind: None, spans }
    };
    let blocks = lines.split("\n\n").map(|block| block.trim_matches('\n'));
    blocks.filter(|block| !block.is_empty()).map(sentence).collect()
}

/// Begins a span, or goes on with the last one.
fn add(spans: &mut Vec<Span>, label: &str, start: usize, end: usize) {
    let (first, kind) = label.split_once('-').unwrap_or(("O", ""));
    let entity = LABELS.iter().find(|(label, _)| label.eq_ignore_ascii_case(kind));
    let Some((_, entity)) = entity.filter(|_| first != "O") else { return };
    match spans.last_mut().filter(|last| first == "I" && last.entity == **entity) {
        Some(last) => last.end = end,
        None => spans.push(Span { entity: (*entity).to_owned(), start, end }),
    }
}

fn text(row: Row) -> Text {
    let entities: HashMap<&str, &str> = LABELS.iter().copied().collect();
    let span = |label: Label| {
        let entity = (*entities.get(label.name.as_str())?).to_owned();
        Some(Span { entity, start: label.start, end: label.end })
    };
    Text {
        corpus: match row.domain.as_deref() {
            None => "synth",
            Some("adversarial") => "adversarial",
            Some(_) => "technology",
        },
        text: row.text,
        language: row.language.unwrap_or_else(|| "en".to_owned()),
        kind: row.kind,
        spans: row.spans.into_iter().filter_map(span).collect(),
    }
}

/// What another program found: a line for each text, in their order, with `findings` in code points.
pub(crate) fn found_by(path: &OsStr) -> Vec<Vec<Span>> {
    #[derive(Deserialize)]
    struct Line {
        findings: Vec<Span>,
    }
    let lines = std::fs::read_to_string(path).unwrap();
    lines.lines().map(|line| serde_json::from_str::<Line>(line).unwrap().findings).collect()
}

/// Writes the texts for other programs, as JSON lines.
pub(crate) fn write(texts: &[Text], path: &OsStr) {
    let line = |text: &Text| serde_json::json!({ "text": text.text }).to_string() + "\n";
    std::fs::write(path, texts.iter().map(line).collect::<String>()).unwrap();
}

fn unpacked(name: &str) -> Vec<u8> {
    let path = folder().join(name);
    let output = Command::new("gzip").arg("-dc").arg(&path).output().unwrap();
    assert!(output.status.success(), "`gzip` cannot read {}", path.display());
    output.stdout
}

fn folder() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = std::env::var_os("BARTIZAN_DATA")
        .map_or_else(|| root.join("../shared/data"), PathBuf::from);
    data.join("pii")
}
