//! Is the log whole though somebody moves, deletes or empties its file?

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

/// A log of which parts are moved away.
struct Moved {
    folder: TempDir,
    trail: FileTrail,
}

impl Moved {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let trail = open(&folder.path().join("audit.jsonl"));
        Self { folder, trail }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn write(&self, entry: &Entry) -> Result<(), Lost> {
        wait(self.trail.append(entry))
    }

    fn move_to(&self, name: &str) -> PathBuf {
        let to = self.folder.path().join(name);
        fs::rename(self.path(), &to).unwrap();
        to
    }

    /// The records of all files, which must be one chain.
    fn joined(paths: &[PathBuf]) -> Vec<Record> {
        let bytes: Vec<u8> = paths.iter().flat_map(|path| fs::read(path).unwrap()).collect();
        records(&bytes)
    }
}

#[test]
fn a_log_that_is_moved_away_goes_on_in_a_new_file_without_a_gap() {
    let log = Moved::new();
    let mut parts = Vec::new();
    for id in 0..3 {
        assert_eq!(log.write(&start(id)), Ok(()));
        parts.push(log.move_to(&format!("audit.jsonl.{id}")));
        assert_eq!(log.write(&end(id)), Ok(()));
    }
    parts.push(log.path());
    let records = Moved::joined(&parts);
    assert_eq!(events(&records), ["REQUEST_START", "REQUEST_END"].repeat(3));
}

#[test]
fn an_empty_file_that_was_put_in_its_place_is_taken() {
    let log = Moved::new();
    assert_eq!(log.write(&end(1)), Ok(()));
    let old = log.move_to("audit.jsonl.1");
    fs::write(log.path(), "").unwrap();
    assert_eq!(log.write(&end(2)), Ok(()));
    assert_eq!(Moved::joined(&[old, log.path()]).len(), 2);
}

#[test]
fn what_comes_after_a_deleted_log_is_kept_and_shows_what_is_missing() {
    let log = Moved::new();
    assert_eq!(log.write(&end(1)), Ok(()));
    fs::remove_file(log.path()).unwrap();
    assert_eq!(log.write(&end(2)), Ok(()));
    let text = fs::read_to_string(log.path()).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let alert = Record::parse(lines[0].as_bytes()).unwrap();
    assert_eq!((alert.seq, alert.text(&["event"])), (2, "SECURITY_ALERT"));
    assert_eq!(Record::parse(lines[1].as_bytes()).unwrap().seq, 3);
    assert!(Verifier::default().feed(lines[0].as_bytes()).is_err());
}

#[test]
fn a_log_that_is_emptied_under_the_writer_says_so_and_has_no_hole() {
    let log = Moved::new();
    assert_eq!(log.write(&end(1)), Ok(()));
    // As `copytruncate` does it.
    let copy = log.folder.path().join("audit.jsonl.1");
    let length = fs::copy(log.path(), &copy).unwrap();
    fs::write(log.path(), "").unwrap();
    assert_eq!(log.write(&end(2)), Ok(()));
    let records = Moved::joined(&[copy, log.path()]);
    assert_eq!(events(&records), ["REQUEST_END", "SECURITY_ALERT", "REQUEST_END"]);
    assert_eq!(detail(&records[1], "missing_bytes"), length);
}

#[test]
fn nothing_is_promised_while_a_part_is_cut_off_or_another_file_has_its_name() {
    let log = Moved::new();
    assert_eq!(log.write(&end(1)), Ok(()));
    let cut = fs::OpenOptions::new().write(true).open(log.path()).unwrap();
    cut.set_len(10).unwrap();
    assert_eq!(log.write(&end(2)), Err(Lost));
    assert!(log.trail.is_failing());
    assert_eq!(fs::read(log.path()).unwrap().len(), 10, "what is left is not filled up");
    log.move_to("cut");
    fs::write(log.path(), "notes").unwrap();
    assert_eq!(log.write(&end(3)), Err(Lost));
    assert_eq!(fs::read(log.path()).unwrap(), b"notes");
    log.move_to("notes");
    assert_eq!(log.write(&end(4)), Ok(()));
    assert!(!log.trail.is_failing());
}

#[test]
fn an_exchange_whose_start_was_moved_away_is_closed_after_a_crash() {
    let log = Moved::new();
    for id in 1..4 {
        assert_eq!(log.write(&start(id)), Ok(()));
    }
    let old = log.move_to("audit.jsonl-20261123");
    // Neither of these is the part before.
    fs::write(log.folder.path().join("audit.jsonl.0"), "notes\n").unwrap();
    fs::create_dir(log.folder.path().join("audit.jsonl.d")).unwrap();
    assert_eq!(log.write(&end(2)), Ok(()));
    let Moved { folder, trail } = log;
    drop(trail);
    let path = folder.path().join("audit.jsonl");
    drop(open(&path));
    let records = Moved::joined(&[old, path]);
    let closed: Vec<&str> =
        records[4..].iter().map(|record| record.text(&["request_id"])).collect();
    assert_eq!(closed, [RequestId(1).to_string(), RequestId(3).to_string()]);
    assert!(records[4..].iter().all(|record| record.text(&["outcome"]) == "abandoned"));
}
