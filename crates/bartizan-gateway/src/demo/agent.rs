//! The `document` agent of the quick start: it knows a few texts, and says briefly what stands in
//! them.

use bartizan::core::authorize::endpoint::About;
use bartizan::endpoint::Served;
use bartizan::{Caller, Json, Problem, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DOCUMENTS, Format, document, summarise};

/// How long a summary is where the caller does not say, in words.
const MAX_WORDS: u16 = 120;

/// What `SUMMARIZE /document` is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Summarize {
    /// Which document: `doc_001`.
    #[schemars(length(min = 1, max = 64))]
    document_id: String,
    /// What the summary looks like.
    #[serde(default)]
    format: Shape,
    /// The most words of the summary.
    #[serde(default = "max_words")]
    #[schemars(range(min = 1, max = 1000))]
    max_words: u16,
}

/// What a summary looks like.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Shape {
    /// A line for each sentence.
    Bullets,
    /// Running text.
    #[default]
    Text,
}

/// What it answers.
#[derive(Debug, JsonSchema, Serialize)]
struct Summarized {
    /// The sentences that say most.
    summary: String,
    /// Which document they are from.
    document_id: String,
    /// How many words they have.
    words: usize,
}

/// What `FETCH /document` is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fetch {
    /// Which document.
    #[schemars(length(min = 1, max = 64))]
    document_id: String,
}

/// What it answers.
#[derive(Debug, JsonSchema, Serialize)]
struct Fetched {
    /// Which document it is.
    document_id: String,
    /// Its first line.
    title: String,
    /// The whole of it.
    text: String,
}

/// The agent's endpoints.
#[must_use]
pub(super) fn endpoints() -> Vec<Served> {
    let about = |category: &str, description: &str| About {
        category: Some(category.into()),
        description: Some(description.into()),
        preconditions: vec!["the document exists".into()],
        intent_impact: Some("read-only".into()),
        ..About::default()
    };
    vec![
        endpoint("SUMMARIZE", "/document")
            .scope("data:read")
            .resource("document", None)
            .alias("POST")
            .about(about("compute", "Summarises a document."))
            .json(summarize),
        endpoint("FETCH", "/document")
            .scope("data:read")
            .resource("document", None)
            .about(about("acquire", "Gives the whole text of a document."))
            .json(fetch),
    ]
}

async fn summarize(_: Caller, asked: Summarize) -> Result<Json<Summarized>, Problem> {
    let text = known(&asked.document_id)?;
    let format = match asked.format {
        Shape::Bullets => Format::Bullets,
        Shape::Text => Format::Text,
    };
    let summary = summarise(text, format, usize::from(asked.max_words));
    Ok(Json(Summarized {
        summary: summary.summary,
        document_id: asked.document_id,
        words: summary.words,
    }))
}

async fn fetch(_: Caller, asked: Fetch) -> Result<Json<Fetched>, Problem> {
    let text = known(&asked.document_id)?;
    Ok(Json(Fetched {
        title: text.lines().next().unwrap_or_default().to_owned(),
        text: text.to_owned(),
        document_id: asked.document_id,
    }))
}

fn known(id: &str) -> Result<&'static str, Problem> {
    let names = || DOCUMENTS.iter().map(|document| document.id).collect::<Vec<_>>().join(", ");
    document(id).ok_or_else(|| {
        Problem::not_found(format!("there is no such document; there are {}", names()))
    })
}

fn max_words() -> u16 {
    MAX_WORDS
}
