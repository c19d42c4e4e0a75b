//! Does the loader say what the examples expect? Every configuration that the project ships, and
//! what is told about it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use bartizan_gateway::cli;
use bartizan_gateway::cli::check::{Check, Format};
use bartizan_gateway::config::settings::Shared;
use bartizan_gateway::config::{
    self, Examined, Findings, Overrides, Paint, Profile, shape, tree, unsupported,
};

/// Whatever happens, these must not appear: the examples plant them wherever a secret may stand.
const PLANTED: &str = "hunter2";

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn examples(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(project().join("conformance/config").join(folder)).unwrap();
    let is_example =
        |path: &PathBuf| matches!(path.extension().and_then(|e| e.to_str()), Some("yaml" | "json"));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(is_example).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// What the first lines of an example say about how it is checked.
struct Circumstances {
    profile: Option<Profile>,
    environment: BTreeMap<String, String>,
}

impl Circumstances {
    fn of(text: &str) -> Self {
        let value =
            |line: &str, key: &str| line.strip_prefix(&format!("# {key}: ")).map(str::to_owned);
        let profile =
            text.lines().find_map(|line| value(line, "profile")).map(|name| match name.as_str() {
                "development" => Profile::Development,
                "staging" => Profile::Staging,
                "production" => Profile::Production,
                other => panic!("no profile `{other}`"),
            });
        let variables = text.lines().filter_map(|line| value(line, "environment"));
        let pair = |variable: String| {
            variable.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        Circumstances { profile, environment: variables.filter_map(pair).collect() }
    }
}

fn examine(path: &Path) -> Examined {
    let circumstances = Circumstances::of(&fs::read_to_string(path).unwrap());
    let env = |name: &str| circumstances.environment.get(name).cloned();
    let mut examined = config::examine(path, &Overrides::default(), &env);
    examined.check_profile(circumstances.profile);
    examined
}

fn told(findings: &Findings, path: &Path) -> String {
    let name = path.file_name().unwrap().to_string_lossy();
    let folder = path.parent().unwrap().display().to_string();
    findings.to_text(&name, Paint::Plain).replace(&format!("{folder}/"), "")
}

#[test]
fn good_examples_are_sound() {
    for path in examples("good") {
        let examined = examine(&path);
        assert_eq!(examined.findings.exit_code(), 0, "{}", told(&examined.findings, &path));
        assert!(
            !format!("{:?}", examined.settings.unwrap()).contains(PLANTED),
            "{}",
            path.display()
        );
    }
}

#[test]
fn the_quick_start_is_sound_without_any_environment() {
    let path = project().join("bartizan.yaml");
    let examined = config::examine(&path, &Overrides::default(), &|_| None);
    assert_eq!(examined.findings.exit_code(), 0, "{}", told(&examined.findings, &path));
}

#[test]
fn bad_examples_are_told_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut differ = String::new();
    for path in examples("bad") {
        let findings = examine(&path).findings;
        assert!(!findings.is_empty(), "{}", path.display());
        let expectation = path.with_extension("expected");
        let told = told(&findings, &path);
        if update {
            fs::write(&expectation, &told).unwrap();
        } else if told != fs::read_to_string(&expectation).unwrap_or_default() {
            differ.push_str(&format!("--- {}\n{told}\n", path.display()));
        }
    }
    assert!(differ.is_empty(), "{differ}");
}

#[test]
fn what_is_wrong_in_one_key_hides_nothing_of_what_is_wrong_beside_it() {
    for (text, expected) in [
        (
            "access: { roles: { b: { inherits: [zz] }, c: { permission: [] } } }\n",
            &["the role `zz` is not defined", "unknown key `permission`"][..],
        ),
        (
            "pii: { request: { detect: [PHONNE] }, min_confidence: 5 }\n",
            &["`PHONNE` is nothing", "`min_confidence` must be"],
        ),
        (
            "auth: { api_keys: { keys: [{ id: \"a b\", hash: nothing }] } }\n",
            &["the id of a key has no blanks", "a key hash is"],
        ),
        ("title: Test\nserver:\n\tlisten: 127.0.0.1:8000\n", &["with spaces"]),
    ] {
        let examined = config::examine_text(text, Path::new(""), &Overrides::default(), &|_| None);
        let told = examined.findings.to_text("f", Paint::Plain);
        for expected in expected {
            assert!(told.contains(expected), "no `{expected}` in\n{told}");
        }
    }
}

#[test]
fn nothing_that_is_told_repeats_a_secret() {
    for path in examples("good").into_iter().chain(examples("bad")) {
        let examined = examine(&path);
        let (text, json) = (
            examined.findings.to_text("f", Paint::Plain),
            examined.findings.to_json("f").to_string(),
        );
        assert!(!text.contains(PLANTED) && !json.contains(PLANTED), "{}: {text}", path.display());
        assert!(!format!("{examined:?}").contains(PLANTED), "{}", path.display());
    }
}

#[test]
fn every_finding_has_a_place() {
    for path in examples("bad") {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        for finding in examine(&path).findings.iter() {
            let line = usize::try_from(finding.line).unwrap();
            assert!(
                (1..=lines + 1).contains(&line) && finding.column >= 1,
                "{}: {finding:?}",
                path.display()
            );
        }
    }
}

#[test]
fn every_row_of_the_checklist_finds_its_mistake_in_an_example() {
    let found: BTreeSet<&str> = examples("bad")
        .iter()
        .flat_map(|path| {
            examine(path).findings.iter().filter_map(|finding| finding.check).collect::<Vec<_>>()
        })
        .collect();
    // What no file in a repository can be: its rights are those that whoever cloned it gives.
    let by_file = |row: &&config::profile::Row| row.id == "exposed-file";
    for row in config::profile::ROWS.iter().filter(|row| !by_file(row)) {
        assert!(found.contains(row.id), "no example for `{}`", row.id);
    }
}

#[test]
fn a_profile_asks_no_less_than_the_one_before_it() {
    for path in examples("bad") {
        let count = |profile| {
            let circumstances = Circumstances::of(&fs::read_to_string(&path).unwrap());
            let env = |name: &str| circumstances.environment.get(name).cloned();
            let mut examined = config::examine(&path, &Overrides::default(), &env);
            examined.check_profile(profile);
            examined.findings.iter().count()
        };
        let counts =
            [None, Some(Profile::Development), Some(Profile::Staging), Some(Profile::Production)]
                .map(count);
        assert!(counts.is_sorted(), "{}: {counts:?}", path.display());
    }
}

/// A certificate and its key in a folder, beside a configuration that may name them.
fn folder_with_tls(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    fs::write(folder.path().join("bartizan.yaml"), config).unwrap();
    folder
}

const HEALTH: &str =
    "endpoints: [{ path: /health, verbs: [GET], public: true, handler: health }]\n";

#[test]
fn the_command_line_stands_above_the_file_and_is_checked_like_it() {
    let folder = folder_with_tls(&format!("server: {{ listen: '127.0.0.1:9' }}\n{HEALTH}"));
    let file = folder.path().join("bartizan.yaml");
    let open =
        Overrides { host: Some([0, 0, 0, 0].into()), port: Some(8443), ..Overrides::default() };
    let refused = config::load(&file, &open, &|_| None).unwrap_err();
    assert!(refused.to_text("f", Paint::Plain).contains("plain HTTP on `0.0.0.0:8443`"));
    let tls = Some((folder.path().join("cert.pem"), folder.path().join("key.pem")));
    let settings = config::load(&file, &Overrides { tls, ..open }, &|_| None).unwrap();
    assert_eq!(settings.server.listen.to_string(), "0.0.0.0:8443");
    assert!(settings.server.tls.is_some());
    let swapped = Some((folder.path().join("key.pem"), folder.path().join("cert.pem")));
    assert_eq!(
        config::load(&file, &Overrides { tls: swapped, ..open }, &|_| None)
            .unwrap_err()
            .iter()
            .count(),
        2
    );
}

#[test]
fn the_file_stands_above_the_environment() {
    let text = format!("store: {{ durable: 'sqlite:here.db', shared: memory }}\n{HEALTH}");
    let env = |name: &str| match name {
        "DATABASE_URL" => Some("sqlite:there.db".to_owned()),
        "REDIS_URL" => Some("redis://cache".to_owned()),
        _ => None,
    };
    let durable = |text: &str| {
        let examined =
            config::examine_text(text, Path::new("/etc/bartizan"), &Overrides::default(), &env);
        examined.settings.map(|settings| format!("{:?}", settings.store.durable))
    };
    let shared = |text: &str| {
        let examined =
            config::examine_text(text, Path::new("/etc/bartizan"), &Overrides::default(), &env);
        examined.settings.map(|settings| settings.store.shared).unwrap()
    };
    assert_eq!(durable(&text).unwrap(), r#"Sqlite("/etc/bartizan/here.db")"#);
    let shared_only = format!("store: {{ shared: memory }}\n{HEALTH}");
    assert_eq!(durable(&shared_only).unwrap(), r#"Sqlite("/etc/bartizan/there.db")"#);
    assert_eq!(shared(&text), Shared::Memory);
    assert!(
        matches!(shared(HEALTH), Shared::Redis(address) if address.to_string() == "redis://cache:6379")
    );
}

#[test]
fn paths_and_keys_begin_at_the_folder_of_the_file() {
    let text = "server: { tls: { cert: cert.pem, key: key.pem } }\nauth: { tokens: { issuer: 'https://g.example', \
                signing_key: { file: key.pem } } }\n"
        .to_owned()
        + HEALTH;
    let folder = folder_with_tls(&text);
    let settings =
        config::load(&folder.path().join("bartizan.yaml"), &Overrides::default(), &|_| None)
            .unwrap();
    assert_eq!(settings.server.tls.unwrap().cert, folder.path().join("cert.pem"));
    assert!(!settings.auth.tokens.unwrap().signing_keys.is_empty());
}

#[test]
fn limits_and_budgets_apply_where_they_say() {
    let path = project().join("bartizan.yaml");
    let settings = config::load(&path, &Overrides::default(), &|_| None).unwrap();
    let names = |path: &str, verb: &str| -> Vec<String> {
        let verb = http::Method::from_bytes(verb.as_bytes()).unwrap();
        settings.rules(path, &verb).iter().map(|limit| limit.rule.name.to_string()).collect()
    };
    assert_eq!(names("/health", "GET"), ["per-user", "door", "health", "daily"]);
    assert_eq!(names("/document", "SUMMARIZE"), ["per-user", "door", "daily"]);
}

#[test]
fn check_tells_the_exit_code_and_prints_json() {
    let check = |name: &str, format| {
        let args = Check {
            config: project().join("conformance/config").join(name),
            profile: None,
            format,
        };
        let mut out = Vec::new();
        let code = cli::check::run(&args, &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    };
    assert_eq!(check("good/minimal.yaml", Format::Text).0, 0);
    assert_eq!(check("bad/misspelt.yaml", Format::Text).0, 2);
    assert_eq!(check("bad/broken.yaml", Format::Text).0, 2);
    assert_eq!(check("bad/absent.yaml", Format::Text).0, 2);
    let (code, out) = check("bad/misspelt.yaml", Format::Json);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["sound"], &report["errors"]), (2, &false.into(), &11.into()));
    let first = &report["findings"][0];
    assert_eq!(
        (&first["pointer"], &first["line"], &first["column"]),
        (&"/titel".into(), &2.into(), &1.into())
    );
    assert!(
        !check("bad/misspelt.yaml", Format::Text).1.contains('\u{1b}'),
        "no colours off a terminal"
    );
}

#[test]
fn a_profile_is_answered_line_by_line() {
    let check = |name: &str, profile, format| {
        let config = project().join("conformance/config").join(name);
        let mut out = Vec::new();
        let args = Check { config, profile: Some(profile), format };
        let code = cli::check::run(&args, &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    };
    let (code, out) = check("bad/staging.yaml", Profile::Staging, Format::Json);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["profile"]), (1, &"staging".into()));
    let lines = report["checklist"].as_array().unwrap();
    let state = |id: &str| {
        let line = lines.iter().find(|line| line["id"] == id).unwrap_or_else(|| panic!("{id}"));
        line["state"].as_str().unwrap().to_owned()
    };
    for (id, expected) in [
        ("secrets", "not_met"),
        ("validation", "not_met"),
        ("access", "met"),
        ("bounds", "met"),
        ("versions", "elsewhere"),
        ("oidc", "not_met"),
        ("limits", "met"),
        ("personal-data", "not_met"),
        ("https", "met"),
        ("rights-tried", "elsewhere"),
    ] {
        assert_eq!(state(id), expected, "{id}");
    }
    assert!(lines.iter().all(|line| line["id"] != "monitoring"), "that is asked in production");
    let secrets = lines.iter().find(|line| line["id"] == "secrets").unwrap();
    assert_eq!(secrets["places"][0]["pointer"], "/endpoints/0/upstream/credential");
    let elsewhere = lines.iter().filter(|line| line["state"] == "elsewhere");
    assert!(elsewhere.clone().count() > 0);
    elsewhere.for_each(|line| assert!(line["what"].as_str().unwrap().len() > 20, "{line}"));

    let (code, text) = check("bad/staging.yaml", Profile::Staging, Format::Text);
    assert_eq!(code, 1);
    assert!(text.contains("the checklist for staging") && text.contains("not met   no secret"));
    // A file that is not sound is no gateway yet: there is nothing to ask, and that is said.
    let (code, text) = check("bad/types.yaml", Profile::Production, Format::Text);
    let last = text.lines().last();
    let expected = "the checklist for production is asked when the errors are mended";
    assert_eq!((code, last), (2, Some(expected)), "{text}");
}

#[test]
fn the_printed_schema_accepts_the_good_and_refuses_the_misspelt() {
    let mut out = Vec::new();
    cli::schema::run(&cli::schema::Config::Schema, &mut out).unwrap();
    let schema: Value = serde_json::from_slice(&out).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let value = |path: &Path| tree::parse(&fs::read_to_string(path).unwrap()).unwrap().0.to_value();
    for path in examples("good") {
        assert!(validator.is_valid(&value(&path)), "{}", path.display());
    }
    assert!(!validator.is_valid(&value(&project().join("conformance/config/bad/misspelt.yaml"))));
}

/// Every pointer of a value.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, item)| pointers(item, &format!("{at}/{i}"), all));
        }
        Value::Object(members) => {
            members.iter().for_each(|(key, item)| pointers(item, &tree::member(at, key), all));
        }
        _ => {}
    }
}

fn junk() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!({})),
        Just(json!([])),
        Just(json!([[{ "a": "hunter2" }]])),
        Just(json!({ "file": "absent" })),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Anything may stand anywhere: no panic, and never no settings without an error that says why.
    #[test]
    fn a_file_is_either_understood_or_blamed(junk in junk(), index in any::<prop::sample::Index>()) {
        let path = project().join("conformance/config/good/production.yaml");
        let (root, _) = tree::parse(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut value = root.to_value();
        let mut all = Vec::new();
        pointers(&value, "", &mut all);
        *value.pointer_mut(index.get::<String>(&all)).unwrap() = junk;
        let env = |name: &str| (name == "OPENAI_API_KEY").then(|| "sk".to_owned());
        let folder = path.parent().unwrap();
        let examined = config::examine_text(&value.to_string(), folder, &Overrides::default(), &env);
        prop_assert_eq!(examined.settings.is_none(), examined.findings.has_errors(), "{:?}", examined.findings);
    }
}

/// A fragment in a page is no whole file, so its meaning is not asked for; its keys and types are.
#[test]
fn configuration_in_the_documents_has_the_right_shape() {
    for page in pages(&project()) {
        let text = fs::read_to_string(&page).unwrap();
        for (line, block) in yaml_blocks(&text) {
            let at = format!("{}:{line}", page.display());
            let (mut root, faults) =
                tree::parse(&block).unwrap_or_else(|fault| panic!("{at}: {}", fault.message));
            assert!(faults.is_empty(), "{at}: {faults:?}");
            let mut findings = Findings::default();
            unsupported::check(&mut root, &mut findings);
            shape::check(&mut root, &mut findings);
            assert!(findings.is_empty(), "{}", findings.to_text(&at, Paint::Plain));
        }
    }
}

/// Whoever copies an example with endpoints has a sound file, but for the files and secrets that it
/// names.
#[test]
fn whole_configurations_in_the_documents_are_sound() {
    let mut whole = 0;
    for page in pages(&project()) {
        let text = fs::read_to_string(&page).unwrap();
        let blocks = yaml_blocks(&text).into_iter();
        for (line, block) in
            blocks.filter(|(_, block)| format!("\n{block}").contains("\nendpoints:"))
        {
            let value = "0b9a7c5e3d1f2a4c6e8b0d9f7a5c3e1b";
            let env = |name: &str| {
                (block.contains(name) || name.ends_with("_API_KEY")).then(|| value.to_owned())
            };
            let folder = tempfile::tempdir().unwrap();
            let examined = config::examine_text(&block, folder.path(), &Overrides::default(), &env);
            let told = |finding: &&config::Finding| !finding.message.contains("cannot be read");
            let wrong: Vec<_> = examined.findings.iter().filter(told).collect();
            assert!(wrong.is_empty(), "{}:{line}: {wrong:#?}", page.display());
            whole += 1;
        }
    }
    assert!(whole >= 12, "{whole} examples with endpoints were found");
}

/// Markdown that the project wrote: at its root, in `docs` and beside crates and examples.
fn pages(root: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut open =
        vec![root.to_owned(), root.join("docs"), root.join("deploy"), root.join("examples")];
    open.extend(fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path()));
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() && folder != root && !path.ends_with("src") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The blocks fenced as `yaml` that are configurations of ours, and the lines where they begin.
fn yaml_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        // What only a gateway with Cedar understands is looked at where that is built.
        let cedar = cfg!(feature = "cedar") && line.trim() == "```yaml feature=cedar";
        if line.trim() == "```yaml" || cedar {
            let body: Vec<_> = lines
                .by_ref()
                .map(|(_, line)| line)
                .take_while(|line| line.trim() != "```")
                .collect();
            blocks.push((number + 1, body.join("\n") + "\n"));
        }
    }
    // Manifests of Kubernetes and files of other programs name themselves.
    let foreign = |text: &str| {
        text.contains("apiVersion:") || text.contains("services:") || text.contains("jobs:")
    };
    blocks.retain(|(_, text)| !foreign(text));
    blocks
}
