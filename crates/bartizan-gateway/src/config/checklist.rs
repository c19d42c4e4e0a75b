//! How does a configuration stand against a profile's checklist? Every line: met, not met, or to be
//! looked at where this command cannot see.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::findings::{Finding, Findings, Paint, Severity};
use super::profile::Profile;
use super::settings::{Durable, Settings, personal::Destination};

/// A line of the checklist.
#[derive(Debug)]
pub struct Line {
    /// Its name, in JSON output.
    pub id: &'static str,
    /// From which profile on it stands in the list.
    pub from: Profile,
    /// What must be so.
    pub title: &'static str,
    /// How it is found out.
    pub judge: Judge,
}

/// How it is found out whether a line is met.
#[derive(Debug)]
pub enum Judge {
    /// It is met where none of these rows finds anything.
    Rows(&'static [&'static str]),
    /// The gateway is built so: it does not start otherwise. In words.
    Built(fn(&Settings) -> String),
    /// It cannot be seen from here. What to do instead.
    Elsewhere(fn(&Settings) -> String),
}

/// A line, and how the configuration stands against it.
#[derive(Debug)]
pub struct Answer<'f> {
    /// The line.
    pub line: &'static Line,
    /// How it stands.
    pub state: State<'f>,
}

/// How a configuration stands against a line.
#[derive(Debug)]
pub enum State<'f> {
    /// It is so. What is worth knowing besides.
    Met(Option<String>),
    /// It is not, here.
    NotMet(Vec<&'f Finding>),
    /// It cannot be seen from here. What to do.
    Elsewhere(String),
}

use Judge::{Built, Elsewhere, Rows};
use Profile::{Development, Production, Staging};

/// Every line, in the order in which somebody works through them.
pub static LINES: &[Line] = &[
    Line {
        id: "secrets",
        from: Development,
        title: "no secret stands in the configuration",
        judge: Rows(&["hard-coded-secret", "demo-credentials"]),
    },
    Line {
        id: "validation",
        from: Development,
        title: "what is sent to every endpoint is validated",
        judge: Rows(&["unvalidated"]),
    },
    Line {
        id: "access",
        from: Development,
        title: "every endpoint says who may use it; whatever is not allowed is denied",
        judge: Built(|settings| {
            let count = match settings.endpoints.len() {
                1 => "1 endpoint".to_owned(),
                count => format!("{count} endpoints"),
            };
            format!("{count}; one that says nothing does not start")
        }),
    },
    Line {
        id: "bounds",
        from: Development,
        title: "sizes, times and connections are bounded",
        judge: Built(|settings| {
            let server = &settings.server;
            format!(
                "bodies to {} bytes, heads to {} bytes in {:?}, {} connections",
                server.max_request_size,
                server.http.max_header_bytes,
                server.timeouts.header,
                server.http.max_connections
            )
        }),
    },
    Line {
        id: "versions",
        from: Development,
        title: "no version with known holes runs",
        judge: Elsewhere(|_| {
            "compare `bartizan version` with the releases, and subscribe to its security advisories"
                .to_owned()
        }),
    },
    Line {
        id: "oidc",
        from: Staging,
        title: "callers come from an identity provider (OIDC), which asserts no more than it may",
        judge: Rows(&["no-oidc", "issuer-roles"]),
    },
    Line {
        id: "limits",
        from: Staging,
        title: "every endpoint has a rate limit",
        judge: Rows(&["no-limit", "public-unlimited"]),
    },
    Line {
        id: "budgets",
        from: Staging,
        title: "every model has a budget",
        judge: Rows(&["no-budget"]),
    },
    Line {
        id: "personal-data",
        from: Staging,
        title: "personal data is looked for, kept from models, and logged by type",
        judge: Rows(&["no-pii", "models-unmasked", "detections-unlogged"]),
    },
    Line {
        id: "https",
        from: Staging,
        title: "HTTPS only, to callers and to upstreams",
        judge: Rows(&["plaintext", "upstream-plaintext", "proxy-untold"]),
    },
    Line {
        id: "rights-tried",
        from: Staging,
        title: "rights were tried: who should pass does, who should not does not",
        judge: Elsewhere(|settings| {
            let path = settings.endpoints.first().map_or("/", |endpoint| &endpoint.path);
            format!("`bartizan explain --as SUBJECT VERB {path}`, for each role and each endpoint")
        }),
    },
    Line {
        id: "public-endpoints",
        from: Production,
        title: "nothing but health is open to everybody",
        judge: Rows(&["public-endpoint"]),
    },
    Line {
        id: "password-grant",
        from: Production,
        title: "the token endpoint takes no passwords",
        judge: Rows(&["password-grant"]),
    },
    Line {
        id: "lifetimes",
        from: Production,
        title: "tokens and keys end",
        judge: Rows(&["access-token-ttl", "refresh-token-ttl", "key-expiry"]),
    },
    Line {
        id: "stored-keys",
        from: Production,
        title: "keys and users in the store are those that are wanted",
        judge: Elsewhere(|_| {
            "`bartizan keys list`, `bartizan users list` and `bartizan clients list`: revoke what \
             nobody uses, rotate what never ends"
                .to_owned()
        }),
    },
    Line {
        id: "digests",
        from: Production,
        title: "who reads the store alone can check no guess at a key",
        judge: Rows(&["pepper"]),
    },
    Line {
        id: "files",
        from: Production,
        title: "nobody else on this machine reads the store and the private key",
        judge: Rows(&["exposed-file"]),
    },
    Line {
        id: "audit",
        from: Production,
        title: "the audit log is on, complete and durable",
        judge: Rows(&["audit-durability", "audit-stdout", "audit-events"]),
    },
    Line {
        id: "audit-kept",
        from: Production,
        title: "the audit log is verified, and kept off this machine",
        judge: Elsewhere(|settings| match &settings.audit.destination {
            Destination::File(path) => format!(
                "run `bartizan audit verify {}` every day, and ship the file to where the gateway \
                 cannot write",
                path.display()
            ),
            Destination::Stdout => {
                "whoever collects standard output must keep it, and verify it".to_owned()
            }
        }),
    },
    Line {
        id: "description",
        from: Production,
        title: "the description shows callers what they may use, and no more",
        judge: Rows(&["openapi-public"]),
    },
    Line {
        id: "counters",
        from: Production,
        title: "limits and budgets hold over all gateways",
        judge: Rows(&["one-gateway"]),
    },
    Line {
        id: "monitoring",
        from: Production,
        title: "monitoring reaches the gateway",
        judge: Elsewhere(|settings| {
            let admin = settings.server.admin;
            format!(
                "`curl -f http://{admin}/readyz` where it runs, and let the collector read \
                 http://{admin}/metrics"
            )
        }),
    },
    Line {
        id: "alerts",
        from: Production,
        title: "somebody is told when something is wrong",
        judge: Elsewhere(|_| {
            "alert on /readyz, on refused reloads (`bartizan_config_reloads_total`), and on \
             AUTH_FAILURE and SECURITY_ALERT in the audit log"
                .to_owned()
        }),
    },
    Line {
        id: "backup",
        from: Production,
        title: "the store is backed up, and a restore was tried",
        judge: Elsewhere(|settings| match &settings.store.durable {
            Durable::Sqlite(path) => format!(
                "copy it while it runs: `sqlite3 {} \".backup copy.db\"`, and start from the copy",
                path.display()
            ),
            Durable::Postgres(_) => {
                "back the database up as its server does (`pg_dump`, or its log), and start \
                     from the copy"
                    .to_owned()
            }
        }),
    },
    Line {
        id: "drill",
        from: Production,
        title: "people know what to do when a key leaks",
        judge: Elsewhere(|_| {
            "practise it: `bartizan keys revoke`, `bartizan tokens rotate-key`, `bartizan audit \
             query --subject`"
                .to_owned()
        }),
    },
];

/// How the settings stand against every line of a profile, given what its rows found.
#[must_use]
pub fn ask<'f>(profile: Profile, settings: &Settings, findings: &'f Findings) -> Vec<Answer<'f>> {
    let asked = LINES.iter().filter(|line| line.from <= profile);
    let state = |line: &'static Line| match &line.judge {
        Judge::Built(words) => State::Met(Some(words(settings))),
        Judge::Elsewhere(words) => State::Elsewhere(words(settings)),
        Judge::Rows(rows) => match (of_rows(rows, findings), nothing(line, settings)) {
            (State::Met(None), Some(what)) => State::Met(Some(format!("nothing to meet: {what}"))),
            (state, _) => state,
        },
    };
    asked.map(|line| Answer { line, state: state(line) }).collect()
}

/// What there would have to be for a line to be about anything, where it is not there.
fn nothing(line: &Line, settings: &Settings) -> Option<&'static str> {
    let endpoints = &settings.endpoints;
    match line.id {
        "budgets" if !endpoints.iter().any(|endpoint| endpoint.protocol.has_models()) => {
            Some("no endpoint speaks to a model")
        }
        "password-grant" if settings.auth.tokens.is_none() => Some("there is no token endpoint"),
        "counters" if settings.limits.is_empty() && settings.budgets.is_empty() => {
            Some("there are no limits and no budgets")
        }
        _ => None,
    }
}

fn of_rows<'f>(rows: &[&str], findings: &'f Findings) -> State<'f> {
    let hits = findings.iter().filter(|hit| hit.check.is_some_and(|check| rows.contains(&check)));
    let (notes, wrong): (Vec<&Finding>, Vec<&Finding>) =
        hits.partition(|hit| hit.severity == Severity::Note);
    match (wrong.is_empty(), notes.first()) {
        (false, _) => State::NotMet(wrong),
        // What holds only under a condition that nothing here shows.
        (true, Some(note)) => State::Elsewhere(match &note.help {
            Some(help) => format!("{}: {help}", note.message),
            None => note.message.clone(),
        }),
        (true, None) => State::Met(None),
    }
}

/// The list for people.
#[must_use]
pub fn to_text(profile: Profile, answers: &[Answer<'_>], file: &str, paint: Paint) -> String {
    let mut text = format!("\nthe checklist for {}\n", profile.name());
    for Answer { line, state } in answers {
        let _ = writeln!(text, "  {} {}", paint.bold(&format!("{:<9}", state.mark())), line.title);
        match state {
            State::Met(None) => {}
            State::Met(Some(words)) => drop(writeln!(text, "            {words}")),
            State::Elsewhere(what) => drop(writeln!(text, "            {what}")),
            State::NotMet(places) => {
                for Finding { line, column, message, .. } in places {
                    let _ = writeln!(text, "            {file}:{line}:{column}: {message}");
                }
            }
        }
    }
    let count = |mark: &str| answers.iter().filter(|one| one.state.mark() == mark).count();
    let _ = writeln!(
        text,
        "{} met, {} not met, {} to be looked at elsewhere",
        count("met"),
        count("not met"),
        count("elsewhere")
    );
    text
}

/// `[{"id", "title", "state": "met" | "not_met" | "elsewhere", "places"?, "what"?}]`.
#[must_use]
pub fn to_json(answers: &[Answer<'_>]) -> Value {
    let row = |Answer { line, state }: &Answer<'_>| {
        let mut row = Map::new();
        row.insert("id".into(), line.id.into());
        row.insert("title".into(), line.title.into());
        row.insert("state".into(), state.mark().replace(' ', "_").into());
        match state {
            State::Met(None) => {}
            State::Met(Some(what)) | State::Elsewhere(what) => {
                row.insert("what".into(), what.as_str().into());
            }
            State::NotMet(places) => drop(row.insert("places".into(), json!(places))),
        }
        Value::Object(row)
    };
    answers.iter().map(row).collect()
}

impl State<'_> {
    fn mark(&self) -> &'static str {
        match self {
            State::Met(_) => "met",
            State::NotMet(_) => "not met",
            State::Elsewhere(_) => "elsewhere",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::profile;
    use super::*;

    #[test]
    fn every_row_stands_in_one_line_of_the_list_that_is_asked_no_later() {
        for row in profile::ROWS {
            let in_line = |line: &&Line| match line.judge {
                Judge::Rows(rows) => rows.contains(&row.id),
                Judge::Built(_) | Judge::Elsewhere(_) => false,
            };
            let lines: Vec<&Line> = LINES.iter().filter(in_line).collect();
            let [line] = lines.as_slice() else { panic!("`{}` stands in {lines:?}", row.id) };
            assert!(row.from.is_none_or(|from| line.from <= from), "`{}`", row.id);
        }
        for line in LINES {
            let Judge::Rows(rows) = line.judge else { continue };
            for id in rows {
                assert!(profile::ROWS.iter().any(|row| row.id == *id), "no row `{id}`");
            }
        }
    }
}
