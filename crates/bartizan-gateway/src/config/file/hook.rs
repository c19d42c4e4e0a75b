//! The keys below `hooks`: services that have a say in what may pass.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::decode::Located;
use super::leaf::{Count, Fraction, Size, Source, Span, Word};

/// A service that is asked about requests or answers, after what is configured under `pii` was done.
/// It is sent a JSON object that is signed as Standard Webhooks lays it down, and answers
/// `{"result":"allow"}`, `{"result":"deny","detail":"…"}` or `{"result":"mask","findings":[{"entity",
/// "text"}]}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// What it is called in the audit log.
    pub name: Located<Word>,
    /// Its address: `https`, or `http` on this machine.
    pub url: Option<Located<Source>>,
    /// What requests to it are signed with: `whsec_` and base64, or at least 24 characters.
    pub secret: Option<Located<Source>>,
    /// A look of the gateway's own, in place of `url` and `secret`.
    pub builtin: Option<Located<BuiltIn>>,
    /// With `builtin: prompt_injection`: from which score on a text is suspicious, 0 to 1. Default: 0.5.
    pub threshold: Option<Located<Fraction>>,
    /// With `builtin: prompt_injection`: what becomes of a message with such a text. Default: `deny`.
    pub on_match: Option<Located<OnMatch>>,
    /// With `builtin: names`: the folder of the model, with `config.json`, `tokenizer_config.json`,
    /// `vocab.txt` and the model in ONNX.
    pub model: Option<Located<Word>>,
    /// With `builtin: names`: the file of ONNX Runtime, version 1.17 or later. Default: the system looks for
    /// `libonnxruntime.so`.
    pub runtime: Option<Located<Word>>,
    /// With `builtin: names`: how sure the model must be, 0 to 1. Default: 0.5.
    pub min_confidence: Option<Located<Fraction>>,
    /// With `builtin: names`: how many messages the model reads at once, each on a thread that holds it in
    /// memory. Default: 1.
    pub threads: Option<Located<Count>>,
    /// What it is asked about. Default: `[request]`. Answers are read whole for it.
    #[serde(default)]
    pub at: Vec<Located<At>>,
    /// Only calls of these verbs; an alias is what it means.
    #[serde(default)]
    pub verbs: Vec<Located<Word>>,
    /// Only calls of these paths: patterns by segment, as `/v1/*`.
    #[serde(default)]
    pub paths: Vec<Located<Word>>,
    /// How long it may take. Default: `1s`.
    pub deadline: Option<Located<Span>>,
    /// What becomes of what it could not be asked about, or gave no answer to. Default: `deny`.
    pub on_failure: Option<Located<OnFailure>>,
    /// The largest body that it is sent; it could not be asked about a larger one. Default: `1MiB`, with
    /// `builtin: names` `8KiB`.
    pub max_body: Option<Located<Size>>,
}

/// What the gateway can look for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BuiltIn {
    /// Texts that give orders to the model which reads them.
    PromptInjection,
    /// Names of people, organisations and places, by a model. Needs a gateway that is built with the
    /// feature `names`.
    Names,
}

/// What becomes of a message in which a look of the gateway's own finds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnMatch {
    /// It does not pass.
    Deny,
    /// It passes, and the audit log has it as `PROMPT_INJECTION`.
    Log,
}

/// What a hook is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum At {
    /// Requests, before they depart.
    Request,
    /// Answers, before they go out.
    Response,
}

/// What becomes of what a hook could not be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It does not pass.
    Deny,
    /// It passes, and the audit log has it as `SECURITY_ALERT`.
    Allow,
}
