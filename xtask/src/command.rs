//! How does a command run, so that its output is seen and can be read?

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Every line of standard output and standard error, in the order of each.
    pub(crate) lines: Vec<String>,
    /// How it ended.
    pub(crate) status: ExitStatus,
}

/// A command that starts in the project's folder and reads nothing from the terminal.
pub(crate) fn command(root: &Path, words: &[&str]) -> Command {
    let (program, args) = words.split_first().map_or(("", [].as_slice()), |(p, a)| (*p, a));
    let mut command = Command::new(program);
    command.args(args).current_dir(root).stdin(Stdio::null());
    // `cargo run` describes this crate to us; the cargo we start would hand that on to every build script.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name.as_ref());
        }
    }
    command
}

/// Runs a command for what it does; an error unless it succeeds.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<()> {
    eprintln!("$ {}", words.join(" "));
    let status = command(root, words).status().with_context(|| cannot_start(words))?;
    if !status.success() {
        bail!("`{}` failed: {status}", words.join(" "));
    }
    Ok(())
}

/// Runs a command for what it prints; an error unless it succeeds.
pub(crate) fn output(root: &Path, words: &[&str]) -> Result<String> {
    let output = command(root, words).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| cannot_start(words))?;
    if !output.status.success() {
        bail!("`{}` failed: {}", words.join(" "), output.status);
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed no text", words.join(" ")))
}

/// Whether a command exists and succeeds; what it prints is thrown away.
pub(crate) fn succeeds(root: &Path, words: &[&str]) -> bool {
    let mut command = command(root, words);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs a command, shows its output as it comes, and keeps it.
pub(crate) fn tee(root: &Path, words: &[&str], env: &[(&str, &str)]) -> Result<Finished> {
    eprintln!("$ {}", words.join(" "));
    let mut child = command(root, words)
        .envs(env.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| cannot_start(words))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let lines = std::thread::scope(|scope| {
        let reader = scope.spawn(move || err.map(|err| copy(err, std::io::stderr())));
        let mut lines = out.map(|out| copy(out, std::io::stdout())).unwrap_or_default();
        lines.extend(reader.join().ok().flatten().unwrap_or_default());
        lines
    });
    Ok(Finished { lines, status: child.wait()? })
}

/// Copies line by line and keeps each; ends with the stream. A closed terminal is no reason to stop reading.
fn copy(from: impl std::io::Read, mut to: impl Write) -> Vec<String> {
    let mut lines = Vec::new();
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        let _ = writeln!(to, "{line}");
        lines.push(line);
    }
    lines
}

fn cannot_start(words: &[&str]) -> String {
    format!("cannot start `{}`", words.first().unwrap_or(&""))
}
