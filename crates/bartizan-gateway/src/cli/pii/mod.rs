//! `bartizan pii`: is there personal data in these files, and what was encrypted in them?

mod decrypt;
mod inputs;
mod names;
mod output;
mod progress;
mod scan;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use bartizan_pii::{Action, CustomPattern, Entity, Key};
use zeroize::Zeroizing;

/// Finds personal data and secrets in files and on standard input.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Pii {
    /// Prints where something is, like a grep; never what. Exit codes: 0 nothing found, 1 found,
    /// 2 error.
    Scan(Scan),
    /// Prints the inputs with what `encrypt` has encrypted in them as it was.
    Decrypt(Decrypt),
}

/// Arguments of `pii scan`.
#[derive(clap::Args, Clone, Debug)]
pub struct Scan {
    /// Files and folders; `-` or nothing is standard input. In folders, what is no text is passed
    /// over, and what `.gitignore` and `.ignore` name.
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
    /// Finds telephone numbers as they are written within these regions, such as `DE,AT`.
    #[arg(long, value_delimiter = ',', value_name = "REGIONS")]
    pub phone_regions: Vec<String>,
    /// A value that is never reported, in any case of its letters; may be given several times.
    #[arg(long, value_name = "VALUE")]
    pub allow: Vec<String>,
    /// A term that is always reported, as `BLOCKED_TERM`; may be given several times.
    #[arg(long, value_name = "TERM")]
    pub block: Vec<String>,
    /// A pattern of one's own, such as `TICKET=OPS-[0-9]{4,6}`, in linear time: no look-around, no
    /// references. May be given several times.
    #[arg(long, value_name = "ENTITY=REGEX", value_parser = pattern)]
    pub pattern: Vec<CustomPattern>,
    /// Scans also what `.gitignore` and `.ignore` name.
    #[arg(long)]
    pub no_ignore: bool,
    /// Looks for names of people, organisations and places besides, by the model in this folder. Needs a
    /// program that is built with the feature `names`. `--mask` reads each input whole then.
    #[arg(long, value_name = "FOLDER")]
    pub names: Option<PathBuf>,
    /// The file of ONNX Runtime for `--names`; else the system looks for `libonnxruntime.so`.
    #[arg(long, value_name = "FILE", requires = "names")]
    pub runtime: Option<PathBuf>,
    /// Prints the inputs with everything masked, instead of what was found.
    #[arg(long, conflicts_with_all = ["jsonl", "format"])]
    pub mask: bool,
    /// Takes the inputs of `--mask` for JSON documents or JSON lines, and they stay such: a number in which
    /// something is found becomes a string.
    #[arg(long, requires = "mask", conflicts_with = "names")]
    pub json: bool,
    /// What `--mask` does to what is found.
    #[arg(long, value_enum, default_value = "mask", requires = "mask")]
    pub action: Treatment,
    /// The file of the key for `--action hash` and `encrypt`; else the environment variable
    /// `BARTIZAN_PII_KEY`.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
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

/// Arguments of `pii decrypt`.
#[derive(clap::Args, Clone, Debug)]
pub struct Decrypt {
    /// Files; `-` or nothing is standard input.
    pub files: Vec<PathBuf>,
    /// The file of a key, as often as there are keys; else the environment variable
    /// `BARTIZAN_PII_KEY`. Each word names its key; numbers are taken for those of the first.
    #[arg(long, value_name = "FILE")]
    pub key_file: Vec<PathBuf>,
    /// Takes each line for a number of this entity that `encrypt_digits` has encrypted.
    #[arg(long, value_name = "ENTITY")]
    pub digits: Option<Entity>,
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
    /// One SARIF 2.1.0 log, as code hosts read it.
    Sarif,
}

/// What is done to what is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Treatment {
    /// Each of its characters becomes `*`.
    Mask,
    /// It is taken out.
    Redact,
    /// The name of its entity stands for it.
    Replace,
    /// A keyed hash stands for it.
    Hash,
    /// It is encrypted.
    Encrypt,
    /// The digits of a number are encrypted to as many digits, all else as by `encrypt`.
    EncryptDigits,
}

/// Does what is asked, prints to `out`, and returns the exit code.
///
/// # Errors
/// The arguments ask for what cannot be done, or `out` cannot be written. An input that cannot
/// be read is told on standard error, the others are scanned, and the code is 2.
pub fn run(command: &Pii, out: &mut dyn Write) -> anyhow::Result<u8> {
    match command {
        Pii::Scan(args) => scan::run(args, out),
        Pii::Decrypt(args) => decrypt::run(args, out),
    }
}

impl Treatment {
    fn action(self, key_file: Option<&Path>) -> anyhow::Result<Action> {
        Ok(match self {
            Self::Mask => Action::MASK,
            Self::Redact => Action::Redact,
            Self::Replace => Action::Replace,
            Self::Hash => Action::Hash(key(key_file)?),
            Self::Encrypt => Action::Encrypt(key(key_file)?),
            Self::EncryptDigits => Action::EncryptDigits(key(key_file)?),
        })
    }
}

/// A pattern of the command line, `ENTITY=REGEX`.
fn pattern(text: &str) -> Result<CustomPattern, String> {
    let wrong = || format!("`{text}` is no pattern: write `ENTITY=REGEX`");
    let (entity, pattern) = text.split_once('=').ok_or_else(wrong)?;
    let entity: Entity = entity.trim().parse().map_err(|why| format!("{why}"))?;
    Ok(CustomPattern::new(entity, pattern))
}

/// The variable of the environment that holds the key.
const KEY: &str = "BARTIZAN_PII_KEY";

fn key(file: Option<&Path>) -> anyhow::Result<Key> {
    let secret = match (file, std::env::var(KEY)) {
        (Some(file), _) => {
            std::fs::read_to_string(file).with_context(|| format!("`{}`", file.display()))?
        }
        (None, Ok(secret)) => secret,
        (None, Err(_)) => bail!("there is no key: name its file by `--key-file`, or set `{KEY}`"),
    };
    let secret = Zeroizing::new(secret);
    Ok(Key::new(secret.trim().as_bytes())?)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn complain(message: &str) {
    let _ = writeln!(io::stderr().lock(), "bartizan: {message}");
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

    #[test]
    fn a_masked_json_document_and_masked_json_lines_stay_such() {
        let folder = folder();
        let file = folder.path().join("a.json");
        for (text, expected) in [
            (
                "{ \"card\": 4111111111111111, \"n\": 1 }",
                "{ \"card\": \"****************\", \"n\": 1 }",
            ),
            ("{\"m\":\"a@b.example\"}\r\n\n[7]\n", "{\"m\":\"***********\"}\r\n\n[7]\n"),
        ] {
            std::fs::write(&file, text).unwrap();
            let masked = scan(|s| (s.files, s.mask, s.json) = (vec![file.clone()], true, true));
            assert_eq!(masked, (1, expected.to_owned()));
        }
        std::fs::write(&file, "{\"m\":1}\nmail a@b.example\n").unwrap();
        let refused = scan(|s| (s.files, s.mask, s.json) = (vec![file.clone()], true, true));
        assert_eq!(refused, (2, String::new()), "what cannot be read does not pass");
    }

    #[test]
    fn ones_own_values_terms_and_patterns_count() {
        let folder = folder();
        let file = folder.path().join("own.txt");
        std::fs::write(&file, "JANE@example.com wrote OPS-1234 on Nightjar\n").unwrap();
        let (code, text) = scan(|s| {
            (s.files, s.allow) = (vec![file.clone()], vec!["jane@example.com".into()]);
            s.block = vec!["nightjar".into()];
            s.pattern = vec![pattern("TICKET=OPS-[0-9]{4}").unwrap()];
        });
        let found: Vec<&str> = text.lines().filter_map(|line| line.split(' ').nth(1)).collect();
        assert_eq!((code, found), (1, vec!["TICKET", "BLOCKED_TERM"]));
        assert!(pattern("OPS").is_err() && pattern("=x").is_err());
    }

    #[test]
    fn what_is_ignored_is_passed_over_and_what_is_hidden_is_not() {
        let folder = folder();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(".gitignore", "built/\n");
        write("built/a.txt", "bob@example.com");
        write(".env", "MAIL=eve@example.com\n");
        write(".git/config", "ann@example.com");
        let files = |text: &str| -> Vec<String> {
            let name = |line: &str| line.split(':').next()?.rsplit('/').next().map(str::to_owned);
            text.lines().filter_map(name).collect()
        };
        let email = || vec!["EMAIL".parse().unwrap()];
        let here = || vec![folder.path().to_owned()];
        let (_, text) = scan(|s| (s.files, s.entities) = (here(), email()));
        assert_eq!(files(&text), [".env", "a.txt"]);
        let (_, text) = scan(|s| (s.files, s.entities, s.no_ignore) = (here(), email(), true));
        assert_eq!(files(&text), [".env", "a.txt", "a.txt"]);
    }

    #[test]
    fn a_log_of_sarif_says_where_and_not_what() {
        let folder = folder();
        let (code, text) = scan(|scan| {
            scan.files = vec![folder.path().to_owned()];
            scan.format = Format::Sarif;
        });
        assert_eq!(code, 1);
        assert!(!text.contains("jane") && !text.contains("123-45"), "{text}");
        let log: serde_json::Value = serde_json::from_str(&text).unwrap();
        let run = &log["runs"][0];
        assert_eq!(
            (&log["version"], run["results"].as_array().unwrap().len()),
            (&"2.1.0".into(), 2)
        );
        let result = &run["results"][0];
        assert_eq!(result["ruleId"], "EMAIL_ADDRESS");
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["artifactLocation"]["uri"].as_str().unwrap().ends_with("/a.txt"));
        let region = &place["region"];
        assert_eq!([&region["startLine"], &region["startColumn"]], [2, 5]);
        assert_eq!([&region["endLine"], &region["endColumn"]], [2, 21]);
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        assert_eq!(
            rules.iter().map(|rule| &rule["id"]).collect::<Vec<_>>(),
            ["EMAIL_ADDRESS", "US_SSN"]
        );
        let empty =
            scan(|s| (s.files, s.format) = (vec![folder.path().join("b.bin")], Format::Sarif));
        serde_json::from_str::<serde_json::Value>(&empty.1).unwrap();
    }

    #[cfg(feature = "names")]
    #[test]
    fn names_are_found_besides_and_counted_as_all_else_is() {
        let path = |name: &str| Some(PathBuf::from(std::env::var_os(name).unwrap()));
        let folder = tempfile::tempdir().unwrap();
        let (text, lines) = (folder.path().join("a.txt"), folder.path().join("a.jsonl"));
        let bytes = b"\xff\xc3\xa9: Charles Babbage, charles@example.com";
        std::fs::write(&text, bytes).unwrap();
        std::fs::write(&lines, "{\"text\":\"\u{e9}: Charles Babbage, c@example.com\"}\n").unwrap();
        let places = |file: &Path, jsonl: bool| {
            let (code, text) = scan(|scan| {
                scan.files = vec![file.to_owned()];
                scan.names = path("BARTIZAN_NAMES_MODEL");
                scan.runtime = path("BARTIZAN_NAMES_RUNTIME");
                scan.jsonl = jsonl.then(|| "text".to_owned());
                scan.offsets = if jsonl { Unit::Chars } else { Unit::Bytes };
                scan.format = Format::Json;
            });
            let report: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
            let place = |found: &serde_json::Value| {
                let number = |key: &str| found[key].as_u64().unwrap();
                (found["entity"].as_str().unwrap().to_owned(), number("start"), number("end"))
            };
            let findings = report["findings"].as_array().unwrap().clone();
            (code, findings.iter().map(place).collect::<Vec<_>>())
        };
        let both = |name: (u64, u64), mail: (u64, u64)| {
            vec![("PERSON".into(), name.0, name.1), ("EMAIL_ADDRESS".into(), mail.0, mail.1)]
        };
        assert_eq!(places(&text, false), (1, both((5, 20), (22, 41))));
        assert_eq!(places(&lines, true), (1, both((3, 18), (20, 33))));
    }

    #[cfg(not(feature = "names"))]
    #[test]
    fn a_model_is_refused_by_a_program_that_has_none_and_says_how_to_build_one() {
        let matches = Scan::augment_args(clap::Command::new("scan"))
            .get_matches_from(["scan", "--names", "rampart"]);
        let scan = Pii::Scan(Scan::from_arg_matches(&matches).unwrap());
        let refused = run(&scan, &mut Vec::new()).unwrap_err().to_string();
        assert!(refused.contains("--features names"), "{refused}");
    }

    #[test]
    fn what_the_filter_encrypts_is_decrypted_with_the_same_key() {
        let folder = folder();
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("key"), "0123456789abcdef0123456789abcdef\n").unwrap();
        let (_, masked) = scan(|s| {
            (s.files, s.mask, s.action) = (vec![file("a.txt")], true, Treatment::Encrypt);
            s.key_file = Some(file("key"));
        });
        assert!(masked.contains("EMAIL_ADDRESS_ENC_") && !masked.contains("jane"), "{masked}");
        std::fs::write(file("masked"), &masked).unwrap();
        let decrypt = |args: Decrypt| {
            let mut out = Vec::new();
            run(&Pii::Decrypt(args), &mut out).map(|_| String::from_utf8(out).unwrap())
        };
        // The key in force is another one by now.
        std::fs::write(file("newer"), "fedcba9876543210fedcba9876543210\n").unwrap();
        let key_file = vec![file("newer"), file("key")];
        let args = Decrypt { files: vec![file("masked")], key_file, digits: None };
        assert_eq!(decrypt(args.clone()).unwrap(), "nothing here\nbut jane@example.com\n");
        std::fs::write(file("key"), "short").unwrap();
        assert!(decrypt(args).unwrap_err().to_string().contains("32 bytes"));
    }
}
