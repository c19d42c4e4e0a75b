//! Which part of OpenAI's API is it? By the path: only what is understood passes, unless the
//! endpoint is written for it.

use serde_json::{Map, Value};

use super::output;
use crate::validate::prompt::Naming;
use crate::validate::usage::Unit;

/// A part of the API, as far as its calls and answers differ for us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Api {
    /// `/chat/completions`.
    Chat,
    /// `/completions`.
    Completions,
    /// `/responses`.
    Responses,
    /// `/responses/compact`: a conversation in short, of a length that nobody can ask for.
    Compact,
    /// `/embeddings`: nothing in return that has tokens.
    Embeddings,
    /// `/moderations`: verdicts in return.
    Moderations,
    /// `/images/generations`: pictures in return.
    Images,
    /// `/audio/speech`: sound in return.
    Speech,
    /// `/models`.
    Models,
    /// What is neither created nor billed: a response that is fetched, cancelled or deleted.
    Stored,
    /// `/files`, `/batches` and whatever else: nothing of it is read.
    Unread,
}

/// The first segments of everything in the API, by which an endpoint shows what it is written for.
const ROOTS: [&str; 16] = [
    "assistants",
    "audio",
    "batches",
    "chat",
    "completions",
    "containers",
    "embeddings",
    "files",
    "fine_tuning",
    "images",
    "models",
    "moderations",
    "responses",
    "threads",
    "uploads",
    "vector_stores",
];

impl Api {
    /// The part that `path` belongs to, at the endpoint with the path `template`. `None` where
    /// nothing of it can be read, and the endpoint does not name it: it needs one of its own, with
    /// rights of its own.
    pub(super) fn of(template: &str, path: &str) -> Option<Self> {
        let fixed = template.split('{').next().unwrap_or_default();
        let own = fixed.split('/').position(|segment| ROOTS.contains(&segment));
        let rest = match own {
            Some(root) => path.split('/').skip(root).collect::<Vec<_>>().join("/"),
            None => path.strip_prefix(fixed).unwrap_or(path).trim_start_matches('/').to_owned(),
        };
        let rest = rest.strip_prefix("v1/").unwrap_or(&rest);
        match Self::read(rest) {
            Self::Stored | Self::Unread if own.is_none() => None,
            api => Some(api),
        }
    }

    fn read(path: &str) -> Self {
        match path {
            "chat/completions" => Self::Chat,
            "completions" => Self::Completions,
            "responses" => Self::Responses,
            "responses/compact" => Self::Compact,
            "embeddings" => Self::Embeddings,
            "moderations" => Self::Moderations,
            "images/generations" => Self::Images,
            "audio/speech" => Self::Speech,
            "models" => Self::Models,
            _ if path.starts_with("models/") => Self::Models,
            _ if path.starts_with("responses/") => Self::Stored,
            _ => Self::Unread,
        }
    }

    /// Whether a call names a model where models matter.
    pub(super) fn naming(self) -> Naming {
        match self {
            Self::Chat | Self::Completions | Self::Responses | Self::Compact => Naming::Must,
            Self::Embeddings | Self::Images | Self::Speech => Naming::Must,
            // SDKs name none, and this one answers.
            Self::Moderations => Naming::Or("omni-moderation-latest"),
            Self::Models | Self::Stored | Self::Unread => Naming::No,
        }
    }

    /// What is asked for that is paid by the piece of some models, and how many of it.
    pub(super) fn pieces(self, call: &Map<String, Value>) -> Option<(Unit, u64)> {
        match self {
            Self::Images => Some((Unit::Image, output::drawings(call))),
            Self::Speech => Some((Unit::Character, output::characters(call))),
            Self::Moderations => Some((Unit::Moderation, 1)),
            _ => None,
        }
    }

    /// The members that bound an answer here, and no others; the first is the one to put in. None
    /// where there is no text to bound.
    pub(super) fn bounds(self) -> &'static [&'static str] {
        match self {
            Self::Chat => &["max_completion_tokens", "max_tokens"],
            Self::Completions => &["max_tokens"],
            Self::Responses => &["max_output_tokens"],
            Self::Compact | Self::Embeddings | Self::Moderations => &[],
            Self::Images | Self::Speech | Self::Models | Self::Stored | Self::Unread => &[],
        }
    }

    /// Whether something else than words may come back.
    pub(super) fn may_be_no_words(self) -> bool {
        matches!(self, Self::Embeddings | Self::Moderations | Self::Images | Self::Speech)
    }

    /// Whether a stream tells its usage only to those who ask.
    pub(super) fn tells_usage_on_demand(self) -> bool {
        matches!(self, Self::Chat | Self::Completions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_read_needs_an_endpoint_that_names_it() {
        for (template, path, api) in [
            ("/v1/{*rest}", "/v1/chat/completions", Some(Api::Chat)),
            ("/openai/{*rest}", "/openai/v1/responses", Some(Api::Responses)),
            ("/openai/{*rest}", "/openai/embeddings", Some(Api::Embeddings)),
            ("/v1/{*rest}", "/v1/moderations", Some(Api::Moderations)),
            ("/v1/chat/completions", "/v1/chat/completions", Some(Api::Chat)),
            ("/v1/models/{id}", "/v1/models/gpt-4o", Some(Api::Models)),
            ("/v1/{*rest}", "/v1/responses/resp_1/cancel", None),
            ("/v1/{*rest}", "/v1/responses/compact", Some(Api::Compact)),
            ("/v1/responses/{*rest}", "/v1/responses/resp_1/cancel", Some(Api::Stored)),
            ("/v1/files/{*rest}", "/v1/files/file_1/content", Some(Api::Unread)),
            ("/v1/batches", "/v1/batches", Some(Api::Unread)),
            ("/v1/{*rest}", "/v1/files", None),
            ("/v1/{*rest}", "/v1/files/chat/completions", None),
            ("/v1/{*rest}", "/v1/audio/transcriptions", None),
            ("/v1/{*rest}", "/v1/", None),
        ] {
            assert_eq!(Api::of(template, path), api, "{template} {path}");
        }
    }
}
