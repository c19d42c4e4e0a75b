//! What do the arguments mean? An endpoint with a policy, or everything that is wrong with them.

use proc_macro2::Span;
use syn::{Error, LitStr, Result};

use crate::argument::{Argument, Listed};
use crate::unit;

/// An endpoint as its arguments describe it.
pub(crate) struct Endpoint {
    pub(crate) verb: LitStr,
    pub(crate) path: LitStr,
    pub(crate) access: Access,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) resource: Option<LitStr>,
    pub(crate) action: Option<LitStr>,
    pub(crate) category: Option<LitStr>,
    pub(crate) description: Option<LitStr>,
    pub(crate) preconditions: Vec<LitStr>,
    pub(crate) side_effects: Vec<LitStr>,
    pub(crate) intent_impact: Option<LitStr>,
    pub(crate) intent_weighting: Option<u16>,
    pub(crate) max_request_size: Option<u64>,
    pub(crate) rate: Option<LitStr>,
    pub(crate) by: Option<LitStr>,
    pub(crate) cost_usd: Option<LitStr>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) finishes: bool,
}

/// Who may use it.
pub(crate) enum Access {
    Public,
    Authenticated,
    Held { scopes: Vec<LitStr>, roles: Vec<LitStr> },
}

/// Every argument there is, as it is written in a message.
const KNOWN: [&str; 21] = [
    "verb",
    "path",
    "scopes",
    "roles",
    "authenticated",
    "public",
    "resource",
    "action",
    "aliases",
    "category",
    "description",
    "preconditions",
    "side_effects",
    "intent_impact",
    "intent_weighting",
    "max_request_size",
    "rate",
    "by",
    "cost_usd",
    "timeout",
    "on_disconnect",
];

const CATEGORIES: [&str; 5] = ["acquire", "compute", "transact", "communicate", "orchestrate"];

const SHARED_BY: [&str; 10] =
    ["ip", "user", "key", "role", "tenant", "endpoint", "verb", "tool", "model", "global"];

const STANDARD: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];

/// Takes arguments by their names, and keeps what is wrong until all has been looked at.
struct Reader {
    listed: Vec<Argument>,
    wrong: Vec<Error>,
}

impl Endpoint {
    /// Reads the arguments.
    pub(crate) fn read(Listed(listed): Listed) -> Result<Self> {
        let mut reader = Reader { listed, wrong: Vec::new() };
        reader.look_for_strangers();
        let endpoint = Self {
            verb: reader.required("verb", "SUMMARIZE"),
            path: reader.required("path", "/document"),
            access: reader.access(),
            aliases: reader.texts("aliases"),
            resource: reader.text("resource"),
            action: reader.text("action"),
            category: reader.text("category"),
            description: reader.text("description"),
            preconditions: reader.texts("preconditions"),
            side_effects: reader.texts("side_effects"),
            intent_impact: reader.text("intent_impact"),
            intent_weighting: reader.number(
                "intent_weighting",
                unit::thousandths,
                "a number from 0 to 1 with at most three decimals, such as `0.5`",
            ),
            max_request_size: reader.number(
                "max_request_size",
                unit::bytes,
                "a number of bytes, or one with a unit such as `\"1MB\"` or `\"64KiB\"`",
            ),
            rate: reader.text("rate"),
            by: reader.text("by"),
            cost_usd: reader.text("cost_usd"),
            timeout_ms: reader.number(
                "timeout",
                unit::milliseconds,
                "a number with a unit, such as `\"500ms\"`, `\"30s\"` or `\"5m\"`",
            ),
            finishes: reader.finishes(),
        };
        endpoint.check(&mut reader);
        reader.done().map(|()| endpoint)
    }

    fn check(&self, reader: &mut Reader) {
        for verb in self.aliases.iter().chain([&self.verb]) {
            if let Some(why) = bad_verb(&verb.value()) {
                reader.complain(verb.span(), why);
            }
        }
        if !self.path.value().starts_with('/') || self.path.value().contains(['?', '#', ' ']) {
            reader.complain(
                self.path.span(),
                "a path begins with `/` and holds no query, as `/document/{id}`",
            );
        }
        if let (None, Some(action)) = (&self.resource, &self.action) {
            reader.complain(action.span(), "`action` needs a `resource` that it is done to");
        }
        if let Some(category) = &self.category {
            reader.one_of(category, "category", &CATEGORIES);
        }
        if let Some(by) = &self.by {
            let claim = by.value().strip_prefix("claim:").is_some_and(|name| !name.is_empty());
            if !claim {
                reader.one_of(by, "by", &SHARED_BY);
            }
            if self.rate.is_none() {
                reader.complain(by.span(), "`by` needs a `rate` that is shared");
            }
        }
    }
}

impl Reader {
    fn complain(&mut self, span: Span, why: impl std::fmt::Display) {
        self.wrong.push(Error::new(span, why));
    }

    fn done(self) -> Result<()> {
        let all = self.wrong.into_iter().reduce(|mut all, more| {
            all.combine(more);
            all
        });
        all.map_or(Ok(()), Err)
    }

    /// Unknown names, and names that stand twice.
    fn look_for_strangers(&mut self) {
        let mut seen = Vec::new();
        let mut wrong = Vec::new();
        for argument in &self.listed {
            let name = argument.name.to_string();
            if seen.contains(&name) {
                wrong.push((argument.name.span(), format!("`{name}` stands here twice")));
            } else if !KNOWN.contains(&name.as_str()) {
                let why = format!("`{name}` is no argument{}", meant(&name, &KNOWN));
                wrong.push((argument.name.span(), why));
            }
            seen.push(name);
        }
        wrong.into_iter().for_each(|(span, why)| self.complain(span, why));
    }

    fn take<T>(&mut self, name: &str, read: impl FnOnce(&Argument) -> Result<T>) -> Option<T> {
        let argument = self.listed.iter().find(|argument| argument.name == name)?;
        match read(argument) {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong.push(error);
                None
            }
        }
    }

    fn text(&mut self, name: &str) -> Option<LitStr> {
        self.take(name, Argument::text)
    }

    fn texts(&mut self, name: &str) -> Vec<LitStr> {
        self.take(name, Argument::texts).unwrap_or_default()
    }

    fn flag(&mut self, name: &str) -> bool {
        self.take(name, Argument::flag).is_some()
    }

    fn required(&mut self, name: &str, example: &str) -> LitStr {
        let written = self.listed.iter().any(|argument| argument.name == name);
        if !written {
            let why = format!("`{name}` is missing: write `{name} = \"{example}\"`");
            self.complain(Span::call_site(), why);
        }
        // The example stands for what is missing, so that nothing else is said about it.
        self.text(name).unwrap_or_else(|| LitStr::new(example, Span::call_site()))
    }

    fn number<T>(&mut self, name: &str, read: fn(&str) -> Option<T>, form: &str) -> Option<T> {
        self.take(name, |argument| {
            let text = argument.number_or_text()?;
            read(&text).ok_or_else(|| {
                Error::new(argument.span(), format!("`{text}` is no `{name}`: write {form}"))
            })
        })
    }

    fn finishes(&mut self) -> bool {
        let Some(word) = self.text("on_disconnect") else { return false };
        self.one_of(&word, "on_disconnect", &["cancel", "finish"]);
        word.value() == "finish"
    }

    fn one_of(&mut self, word: &LitStr, name: &str, known: &[&str]) {
        if !known.contains(&word.value().as_str()) {
            let why = format!("`{}` is no `{name}`{}", word.value(), meant(&word.value(), known));
            self.complain(word.span(), why);
        }
    }

    /// Who may use it. Nothing, and empty lists, are no policy.
    fn access(&mut self) -> Access {
        let (scopes, roles) = (self.texts("scopes"), self.texts("roles"));
        let (public, authenticated) = (self.flag("public"), self.flag("authenticated"));
        let held = !scopes.is_empty() || !roles.is_empty();
        match (public, authenticated, held) {
            (false, false, true) => Access::Held { scopes, roles },
            (true, false, false) => Access::Public,
            (false, true, false) => Access::Authenticated,
            (false, false, false) => {
                // Where one was written wrongly, that has been said.
                if self.wrong.is_empty() {
                    self.complain(Span::call_site(), NO_POLICY);
                }
                Access::Authenticated
            }
            _ => {
                self.complain(
                    Span::call_site(),
                    "two policies that contradict each other: keep `public`, or `authenticated`, \
                     or `scopes` and `roles`",
                );
                Access::Authenticated
            }
        }
    }
}

const NO_POLICY: &str = "an endpoint needs a policy: name who may use it with `scopes = [\"…\"]` \
                         or `roles = [\"…\"]`, or write `authenticated` for everybody with a \
                         valid credential, or `public` for everybody; empty lists count as absent";

fn bad_verb(verb: &str) -> Option<String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !verb.bytes().all(token) {
        return Some(format!(
            "`{verb}` is no verb: use a method of HTTP's, or a token such as `SUMMARIZE`"
        ));
    }
    let standard = STANDARD.iter().find(|standard| standard.eq_ignore_ascii_case(verb))?;
    match *standard {
        "CONNECT" | "TRACE" => Some(format!("`{standard}` is never served: it is for proxies")),
        standard if standard != verb => Some(format!(
            "`{verb}` would never be reached: methods have a case, write `{standard}`"
        )),
        _ => None,
    }
}

/// A suggestion, and everything there is.
fn meant(word: &str, known: &[&str]) -> String {
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(word, known), *known));
    let near = near.filter(|(distance, known)| *distance <= 1 + known.len() / 4).min();
    let all = known.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
    match near {
        Some((_, known)) => format!("; did you mean `{known}`? There are {all}"),
        None => format!("; there are {all}"),
    }
}
