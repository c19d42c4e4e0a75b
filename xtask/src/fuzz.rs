//! Is there an input that breaks a promise? Builds the programs of fuzz/ and lets each search for a while.
//!
//! libFuzzer needs to know which branches an input takes. The stable compiler can count them, for our own crates:
//! `fuzz/instrument` stands before it. So neither a nightly compiler nor cargo-fuzz is needed, and what the tests
//! have built of others is used again. Sanitizers are left out: there is no `unsafe` for them to look at but in one
//! file, which has a scalar twin.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::command;
use crate::needs;

const MANIFEST: &str = "fuzz/Cargo.toml";
/// What a search has found worth keeping: the next one starts there.
const CORPUS: &str = "fuzz/corpus";
/// The inputs that broke a promise.
const ARTIFACTS: &str = "fuzz/artifacts";
/// Seeds that are taken from a suite.
const TAKEN: &str = "target/fuzz-seeds";

/// How long one target searches where nobody says it.
const SECONDS: u32 = 60;

/// Where good inputs for a target stand, beside `fuzz/seeds/NAME`.
enum Seeds {
    /// Every file of a folder.
    Folder(&'static str),
    /// A text of each element of a list in a JSON file.
    Texts { file: &'static str, list: &'static str, text: &'static str },
}

const SEEDS: &[(&str, Seeds)] = &[
    ("configuration", Seeds::Folder("conformance/config/good")),
    ("configuration", Seeds::Folder("conformance/config/bad")),
    (
        "proof",
        Seeds::Texts { file: "conformance/tokens/proofs.json", list: "proofs", text: "proof" },
    ),
    ("token", Seeds::Texts { file: "conformance/tokens/cases.json", list: "cases", text: "token" }),
];

/// What was asked for.
struct Asked {
    targets: Vec<String>,
    seconds: u32,
}

/// Searches in each target for so many seconds; `args` are names of targets and `--seconds N`.
///
/// # Errors
/// When a promise was broken, or a program cannot be built.
pub(crate) fn search(root: &Path, args: &[&str]) -> Result<()> {
    let asked = Asked::read(args, &targets(root)?)?;
    needs::provide_all(root, needs::FUZZING)?;
    build(root, &asked.targets)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let waiting = Mutex::new(asked.targets.iter());
    let broken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(asked.targets.len()) {
            scope.spawn(|| {
                let next = || waiting.lock().ok()?.next();
                while let Some(target) = next() {
                    if let Err(error) = run(root, target, asked.seconds)
                        && let Ok(mut broken) = broken.lock()
                    {
                        broken.push(format!("{target}: {error:#}"));
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().unwrap_or_default();
    if !broken.is_empty() {
        bail!("{}", broken.join("\n\n"));
    }
    Ok(())
}

impl Asked {
    fn read(args: &[&str], known: &[String]) -> Result<Self> {
        let mut asked = Self { targets: Vec::new(), seconds: SECONDS };
        let mut args = args.iter();
        while let Some(word) = args.next() {
            if *word == "--seconds" {
                let number = args.next().and_then(|number| number.parse().ok());
                asked.seconds = number.filter(|n| *n > 0).context("`--seconds` takes a number")?;
            } else if known.iter().any(|target| target == word) {
                asked.targets.push((*word).to_owned());
            } else {
                bail!("`{word}` is no target; there are {}", known.join(", "));
            }
        }
        if asked.targets.is_empty() {
            asked.targets = known.to_vec();
        }
        Ok(asked)
    }
}

/// The names of the rows of fuzz/Cargo.toml.
fn targets(root: &Path) -> Result<Vec<String>> {
    let manifest =
        fs::read_to_string(root.join(MANIFEST)).context("cannot read `fuzz/Cargo.toml`")?;
    let rows = manifest.split("[[bin]]").skip(1);
    let name = |row: &str| Some(row.split_once("name = \"")?.1.split_once('"')?.0.to_owned());
    Ok(rows.filter_map(name).collect())
}

/// Builds the programs, in the versions that the workspace's own lock file names.
fn build(root: &Path, targets: &[String]) -> Result<()> {
    fs::copy(root.join("Cargo.lock"), root.join("fuzz/Cargo.lock")).context("no `Cargo.lock`")?;
    let mut words = vec!["cargo", "build", "--manifest-path", MANIFEST, "--target-dir", "target"];
    words.extend(targets.iter().flat_map(|target| ["--bin", target]));
    eprintln!("$ {}", words.join(" "));
    let status = command(root, &words)
        .env("RUSTC_WRAPPER", root.join("fuzz/instrument"))
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .status()
        .context("cannot start `cargo`")?;
    if !status.success() {
        bail!("the targets cannot be built: {status}");
    }
    Ok(())
}

/// Lets one target search, and says in one line what it saw.
fn run(root: &Path, target: &str, seconds: u32) -> Result<()> {
    let corpus = format!("{CORPUS}/{target}");
    let artifacts = format!("{ARTIFACTS}/{target}/");
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(root.join(folder)).with_context(|| format!("no `{folder}`"))?;
    }
    let program = root.join("target/debug").join(target);
    let program = program.to_str().context("the project's path is no text")?;
    let time = format!("-max_total_time={seconds}");
    let prefix = format!("-artifact_prefix={artifacts}");
    // A second for one input would be a way to stop a worker.
    let bounds = ["-timeout=5", "-rss_limit_mb=2048", "-print_final_stats=1"];
    let mut words = vec![program, &time, &prefix];
    words.extend(bounds);
    words.push(&corpus);
    let seeds = seeds(root, target)?;
    words.extend(seeds.iter().filter_map(|folder| folder.to_str()));
    let ran = command(root, &words).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let ran = ran.with_context(|| format!("cannot start `{program}`"))?;
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    if !ran.status.success() {
        let lines: Vec<&str> = said.lines().collect();
        let last = lines.len().saturating_sub(60);
        let tail = lines.get(last..).unwrap_or_default().join("\n");
        bail!("an input breaks the promise; see {artifacts}\n{tail}");
    }
    let figure = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let inputs = figure("stat::number_of_executed_units:").unwrap_or("no");
    let pace = figure("stat::average_exec_per_sec:").unwrap_or("0");
    eprintln!("{target}: {inputs} inputs, {pace} a second, and none breaks the promise");
    Ok(())
}

/// The folders in which a search begins.
fn seeds(root: &Path, target: &str) -> Result<Vec<PathBuf>> {
    let mut folders = vec![root.join("fuzz/seeds").join(target)];
    for (_, seeds) in SEEDS.iter().filter(|(name, _)| *name == target) {
        folders.push(match seeds {
            Seeds::Folder(folder) => root.join(folder),
            Seeds::Texts { file, list, text } => {
                let folder = root.join(TAKEN).join(target);
                take(&root.join(file), list, text, &folder)
                    .with_context(|| format!("cannot take seeds from `{file}`"))?;
                folder
            }
        });
    }
    folders.retain(|folder| folder.is_dir());
    Ok(folders)
}

/// Writes a text of each element of a list into a file of its own.
fn take(file: &Path, list: &str, text: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let suite: Value = serde_json::from_slice(&fs::read(file)?)?;
    let items = suite.get(list).and_then(Value::as_array).context("no such list")?;
    for (number, item) in items.iter().enumerate() {
        let text = item.get(text).and_then(Value::as_str).context("no such text")?;
        fs::write(folder.join(number.to_string()), text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_a_target_has_its_row_and_every_seed_its_target() {
        let root = crate::root();
        let mut rows = targets(&root).expect("the rows can be read");
        rows.sort();
        let files = fs::read_dir(root.join("fuzz/fuzz_targets")).expect("there are targets");
        let stem = |entry: fs::DirEntry| entry.path().file_stem()?.to_str().map(str::to_owned);
        let mut names: Vec<_> = files.flatten().filter_map(stem).collect();
        names.sort();
        assert_eq!(rows, names);
        for (target, _) in SEEDS {
            assert!(rows.iter().any(|row| row == target), "{target}");
            assert!(!seeds(&root, target).expect("the seeds are there").is_empty());
        }
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let known = ["a".to_owned(), "b".to_owned()];
        let read = |args: &[&str]| Asked::read(args, &known).map(|a| (a.targets, a.seconds)).ok();
        assert_eq!(read(&[]), Some((known.to_vec(), SECONDS)));
        assert_eq!(read(&["b", "--seconds", "7"]), Some((vec!["b".to_owned()], 7)));
        for wrong in [&["c"][..], &["--seconds"], &["--seconds", "0"], &["--seconds", "x"]] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
