//! `bartizan pii scan`: is there personal data in these files?

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use bartizan_pii::report::{self, Offsets, Report};
use bartizan_pii::{Action, Config, Entity, Masker, Scanner};

/// Finds personal data and secrets in files and on standard input.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Pii {
    /// Prints where something is, like a grep; never what. Exit codes: 0 nothing found, 1 found,
    /// 2 error.
    Scan(Scan),
}

/// Arguments of `pii scan`.
#[derive(clap::Args, Clone, Debug)]
pub struct Scan {
    /// Files and folders; `-` or nothing is standard input.
    pub files: Vec<PathBuf>,
    /// Only these, such as `EMAIL,US_SSN`.
    #[arg(long, value_delimiter = ',', value_name = "ENTITIES", conflicts_with = "all_entities")]
    pub entities: Vec<Entity>,
    /// Everything that can be found, also what is off by default.
    #[arg(long)]
    pub all_entities: bool,
    /// Leaves out findings below this score, 0 to 1.
    #[arg(long, default_value_t = 0.5, value_name = "X")]
    pub min_confidence: f32,
    /// Prints the inputs with everything masked, instead of what was found.
    #[arg(long, conflicts_with_all = ["jsonl", "format"])]
    pub mask: bool,
    /// Takes JSON lines, and scans this member of each.
    #[arg(long, value_name = "FIELD")]
    pub jsonl: Option<String>,
    /// In what places are counted; text is always in lines and columns.
    #[arg(long, value_enum, default_value = "bytes")]
    pub offsets: Unit,
    /// How findings are written.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// In what places are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Unicode code points.
    Chars,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// `source:line:column: ENTITY score`.
    Text,
    /// One JSON object for each input.
    Json,
}

/// The largest input that is scanned as a whole. Masking has no bound: it works on a stream.
const MAX_INPUT: u64 = 1 << 30;

/// How many bytes are looked at to tell text from something else, and read at a time.
const PIECE: usize = 64 * 1024;

/// The name of standard input.
const STDIN: &str = "-";

/// Scans, prints to `out`, and returns the exit code.
///
/// # Errors
/// The arguments ask for what cannot be done, or `out` cannot be written. An input that cannot
/// be read is told on standard error, the others are scanned, and the code is 2.
pub fn run(Pii::Scan(args): &Pii, out: &mut dyn Write) -> anyhow::Result<u8> {
    let named = || (!args.entities.is_empty()).then(|| args.entities.clone());
    let scanner = Scanner::new(&Config {
        entities: if args.all_entities { Some(Config::all_entities()) } else { named() },
        min_confidence: args.min_confidence,
        ..Config::default()
    })?;
    let mut run = Run { args, masker: Masker::new(Arc::new(scanner), Action::MASK), found: false };
    let (mut failed, mut progress) = (false, Progress::new());
    let inputs = inputs(&args.files, &mut failed);
    for (done, input) in inputs.iter().enumerate() {
        progress.show(done, inputs.len());
        if let Err(error) = run.input(input, out) {
            if is_broken_pipe(&error) {
                return Err(error);
            }
            failed = true;
            complain(&format!("{}: {error:#}", input.name()));
        }
    }
    progress.clear();
    out.flush()?;
    Ok(if failed { 2 } else { u8::from(run.found) })
}

/// One input.
enum Input {
    Stdin,
    File {
        path: PathBuf,
        /// Found in a folder rather than named: what is no text is passed over.
        walked: bool,
    },
}

impl Input {
    fn name(&self) -> String {
        match self {
            Self::Stdin => STDIN.into(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }

    fn open(&self) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::Stdin => Box::new(io::stdin().lock()),
            Self::File { path, .. } => Box::new(File::open(path)?),
        })
    }
}

/// Every input, folders walked in the order of names. Symbolic links in them are not followed.
fn inputs(named: &[PathBuf], failed: &mut bool) -> Vec<Input> {
    if named.is_empty() {
        return vec![Input::Stdin];
    }
    let mut inputs = Vec::new();
    for path in named {
        if path.as_os_str() == STDIN {
            inputs.push(Input::Stdin);
        } else if path.is_dir() {
            walk(path, &mut inputs, failed);
        } else {
            inputs.push(Input::File { path: path.clone(), walked: false });
        }
    }
    inputs
}

fn walk(folder: &Path, inputs: &mut Vec<Input>, failed: &mut bool) {
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = entries.unwrap_or_else(|error| {
            *failed = true;
            complain(&format!("{}: {error}", folder.display()));
            Vec::new()
        });
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let mut folders = Vec::new();
        for entry in entries {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => {
                    inputs.push(Input::File { path: entry.path(), walked: true });
                }
                Ok(_) | Err(_) => {}
            }
        }
        open.extend(folders.into_iter().rev());
    }
}

/// The scan of all inputs.
struct Run<'a> {
    args: &'a Scan,
    masker: Masker,
    found: bool,
}

impl Run<'_> {
    fn input(&mut self, input: &Input, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut reader = input.open()?;
        if self.args.mask {
            return self.mask(&mut reader, out);
        }
        let mut bytes = Vec::new();
        reader.take(MAX_INPUT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_INPUT {
            return Err(anyhow!("larger than 1 GiB: split it"));
        }
        let passed_over = matches!(input, Input::File { walked: true, .. }) && !is_text(&bytes);
        match &self.args.jsonl {
            _ if passed_over => Ok(()),
            None => self.whole(&input.name(), &bytes, out),
            Some(field) => self.lines(&input.name(), &bytes, field, out),
        }
    }

    fn mask(&mut self, reader: &mut dyn Read, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut stream = self.masker.stream();
        let (mut piece, mut masked) = (vec![0; PIECE], Vec::with_capacity(PIECE));
        loop {
            let count = reader.read(&mut piece)?;
            masked.clear();
            match piece.get(..count) {
                Some(read) if !read.is_empty() => stream.feed(read, &mut masked),
                Some(_) | None => break,
            }
            out.write_all(&masked)?;
        }
        stream.finish(&mut masked);
        self.found |= !stream.findings().is_empty();
        Ok(out.write_all(&masked)?)
    }

    fn whole(&mut self, name: &str, bytes: &[u8], out: &mut dyn Write) -> anyhow::Result<()> {
        let report = report::text(self.masker.scanner(), name, bytes, self.offsets());
        self.tell(&report, bytes, out)
    }

    fn lines(
        &mut self,
        name: &str,
        bytes: &[u8],
        field: &str,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        let scanner = Arc::clone(self.masker.scanner());
        let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
        let mut sound = Ok(());
        for report in report::json_lines(&scanner, name, bytes, field, self.offsets()) {
            match report {
                Ok(report) => {
                    let value = member(&lines, report.line, field).unwrap_or_default();
                    self.tell(&report, value.as_bytes(), out)?;
                }
                Err(error) => sound = sound.and(Err(error.into())),
            }
        }
        sound
    }

    fn tell(&mut self, report: &Report, value: &[u8], out: &mut dyn Write) -> anyhow::Result<()> {
        self.found |= !report.findings.is_empty();
        match self.args.format {
            Format::Json => writeln!(out, "{}", report.to_json()?)?,
            Format::Text => out.write_all(report.to_text(value).as_bytes())?,
        }
        Ok(())
    }

    /// Lines and columns are made from bytes.
    fn offsets(&self) -> Offsets {
        match (self.args.format, self.args.offsets) {
            (Format::Json, Unit::Chars) => Offsets::Chars,
            (Format::Text, _) | (Format::Json, Unit::Bytes) => Offsets::Bytes,
        }
    }
}

/// The member of the JSON object on a line, counted from 1.
fn member(lines: &[&[u8]], line: Option<u64>, field: &str) -> Option<String> {
    let line = lines.get(usize::try_from(line?.checked_sub(1)?).ok()?)?;
    let object: serde_json::Value = serde_json::from_slice(line).ok()?;
    object.get(field)?.as_str().map(str::to_owned)
}

fn is_text(bytes: &[u8]) -> bool {
    !bytes.iter().take(PIECE).any(|byte| *byte == 0)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn complain(message: &str) {
    let _ = writeln!(io::stderr().lock(), "bartizan: {message}");
}

/// How far the scan is, for who waits longer than a second at a terminal.
struct Progress {
    began: Instant,
    shown: Option<Instant>,
    wanted: bool,
}

impl Progress {
    fn new() -> Self {
        Self { began: Instant::now(), shown: None, wanted: io::stderr().is_terminal() }
    }

    fn show(&mut self, done: usize, all: usize) {
        let due = self.shown.map_or(Duration::from_secs(1), |_| Duration::from_millis(200));
        if self.wanted && self.shown.unwrap_or(self.began).elapsed() >= due {
            self.shown = Some(Instant::now());
            let _ = write!(io::stderr().lock(), "\r\x1b[Kscanned {done} of {all} files");
        }
    }

    fn clear(&self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    fn scan(args: impl FnOnce(&mut Scan)) -> (u8, String) {
        let matches = Scan::augment_args(clap::Command::new("scan")).get_matches_from(["scan"]);
        let mut scan = Scan::from_arg_matches(&matches).unwrap();
        args(&mut scan);
        let mut out = Vec::new();
        let code = run(&Pii::Scan(scan), &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.txt", "nothing here\nbut jane@example.com\n");
        write("b.bin", "\0jane@example.com");
        write("c.jsonl", "{\"text\":\"é 123-45-6789 ssn\"}\n\n{\"text\":3}\n");
        folder
    }

    #[test]
    fn a_folder_is_searched_like_a_grep_and_no_value_is_shown() {
        let folder = folder();
        let (code, text) = scan(|scan| scan.files = vec![folder.path().to_owned()]);
        assert_eq!(code, 1);
        assert!(text.contains("a.txt:2:5: EMAIL_ADDRESS"), "{text}");
        assert!(!text.contains("jane") && !text.contains("b.bin"), "{text}");
    }

    #[test]
    fn the_code_tells_whether_something_was_found_or_something_failed() {
        let folder = folder();
        let file = |name: &str| folder.path().join(name);
        let email = || vec!["EMAIL".parse().unwrap()];
        let clean = scan(|s| (s.files, s.entities) = (vec![file("c.jsonl")], email()));
        assert_eq!(clean, (0, String::new()));
        let (code, text) = scan(|s| s.files = vec![file("missing"), file("a.txt")]);
        assert_eq!((code, text.lines().count()), (2, 1));
    }

    #[test]
    fn members_of_json_lines_are_counted_in_characters_where_asked() {
        let folder = folder();
        let (code, text) = scan(|scan| {
            scan.files = vec![folder.path().join("c.jsonl")];
            scan.jsonl = Some("text".into());
            scan.format = Format::Json;
            scan.offsets = Unit::Chars;
        });
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(code, 1);
        assert_eq!(first["line"], 1);
        assert_eq!(
            (&first["findings"][0]["start"], &first["findings"][0]["end"]),
            (&2.into(), &13.into())
        );
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn masking_is_a_filter() {
        let folder = folder();
        let (code, text) = scan(|scan| {
            scan.files = vec![folder.path().join("a.txt")];
            scan.mask = true;
        });
        assert_eq!((code, text.as_str()), (1, "nothing here\nbut ****************\n"));
    }
}
