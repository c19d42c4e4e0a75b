//! `bartizan pii scan`: many files at once, told in their order.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use anyhow::anyhow;
use bartizan_pii::report::{self, Report};
use bartizan_pii::{Config, Finding, Masker, Scanner};
use parking_lot::Mutex;

use super::inputs::{Input, inputs};
use super::names::Readers;
use super::output::{Output, Piece};
use super::progress::Progress;
use super::{Scan, complain, is_broken_pipe};

/// The largest input that is scanned as a whole. Masking has no bound without `--names`: it works on a
/// stream.
const MAX_INPUT: u64 = 1 << 30;

/// Larger files are read one at a time, so that memory holds only one of them.
const LARGE: u64 = 64 << 20;

/// So many files are under way, or wait for an earlier one to be told.
const BATCH: usize = 1024;

pub(super) fn run(args: &Scan, out: &mut dyn Write) -> anyhow::Result<u8> {
    let named = || (!args.entities.is_empty()).then(|| args.entities.clone());
    let scanner = Scanner::new(&Config {
        entities: if args.all_entities { Some(Config::all_entities()) } else { named() },
        min_confidence: args.min_confidence,
        phone_regions: args.phone_regions.clone(),
        allow: args.allow.clone(),
        block: args.block.clone(),
        custom: args.pattern.clone(),
    })?;
    let scanner = Arc::new(scanner);
    let mut failed = false;
    let inputs = inputs(&args.files, args.no_ignore, &mut failed);
    let mut told = Told { found: false, failed, progress: Progress::new(inputs.len()) };
    let readers = Readers::open(args)?;
    let eye = Eye { args, scanner, readers, large: Mutex::new(()) };
    if args.mask {
        let action = args.action.action(args.key_file.as_deref())?;
        let masker = Masker::new(Arc::clone(&eye.scanner), action);
        mask_all(&eye, &masker, &inputs, &mut told, out)?;
    } else {
        scan_all(&eye, &inputs, &mut told, out)?;
    }
    told.progress.clear();
    out.flush()?;
    Ok(if told.failed { 2 } else { u8::from(told.found) })
}

/// What has come out so far.
struct Told {
    found: bool,
    failed: bool,
    progress: Progress,
}

impl Told {
    /// An input is done. One that cannot be read stops no other, and a reader that is gone does.
    fn input(&mut self, input: &Input, done: anyhow::Result<bool>) -> anyhow::Result<()> {
        match done {
            Ok(found) => self.found |= found,
            Err(error) if is_broken_pipe(&error) => return Err(error),
            Err(error) => {
                self.failed = true;
                self.progress.clear();
                complain(&format!("{}: {error:#}", input.name()));
            }
        }
        self.progress.step();
        Ok(())
    }
}

/// Writes all inputs with everything masked, in their order.
fn mask_all(
    eye: &Eye<'_>,
    masker: &Masker,
    inputs: &[Input],
    told: &mut Told,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut mask = |input| match eye.readers {
        Some(_) => mask_whole(eye, masker, input, out),
        None if eye.args.json => mask_json(masker, input, out),
        None => mask(masker, input, out),
    };
    inputs.iter().try_for_each(|input| told.input(input, mask(input)))
}

/// The same where a model of names has a say, which reads sentences and not pieces of them.
fn mask_whole(
    eye: &Eye<'_>,
    masker: &Masker,
    input: &Input,
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    let Some(bytes) = whole(input)? else { return Ok(false) };
    let findings = eye.find(&bytes)?;
    out.write_all(&masker.mask_found(&bytes, &findings).0)?;
    Ok(!findings.is_empty())
}

/// The same for a JSON document, or else for lines of which each is one. Nothing goes out before all of it was
/// read: half a document is none.
fn mask_json(masker: &Masker, input: &Input, out: &mut dyn Write) -> anyhow::Result<bool> {
    let Some(bytes) = whole(input)? else { return Ok(false) };
    if let Ok(masked) = masker.mask_json(&bytes) {
        out.write_all(&masked.bytes)?;
        return Ok(!masked.findings.is_empty());
    }
    let (mut lines, mut found) = (Vec::with_capacity(bytes.len()), false);
    for (number, line) in (1_u64..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            lines.extend_from_slice(line);
            continue;
        }
        let masked = masker.mask_json(line).map_err(|_| {
            anyhow!(
                "no JSON document, and no JSON lines: line {number} is none. Leave out `--json`"
            )
        })?;
        found |= !masked.findings.is_empty();
        lines.extend_from_slice(&masked.bytes);
    }
    out.write_all(&lines)?;
    Ok(found)
}

/// All of an input, where it is text.
fn whole(input: &Input) -> anyhow::Result<Option<Vec<u8>>> {
    let Some((mut bytes, rest)) = input.text()? else { return Ok(None) };
    rest.take(MAX_INPUT + 1 - bytes.len() as u64).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(anyhow!("larger than 1 GiB: split it"));
    }
    Ok(Some(bytes))
}

/// Whether something was found.
fn mask(masker: &Masker, input: &Input, out: &mut dyn Write) -> anyhow::Result<bool> {
    let Some((first, mut rest)) = input.text()? else { return Ok(false) };
    let (mut stream, mut masked) = (masker.stream(), Vec::with_capacity(first.len()));
    stream.feed(&first, &mut masked);
    let mut piece = vec![0; 64 * 1024];
    loop {
        // At once, for who reads on the other end of a pipe.
        out.write_all(&masked)?;
        out.flush()?;
        masked.clear();
        let filled = rest.read(&mut piece)?;
        if filled == 0 {
            break;
        }
        stream.feed(piece.get(..filled).unwrap_or_default(), &mut masked);
    }
    masked.clear();
    stream.finish(&mut masked);
    out.write_all(&masked)?;
    Ok(!stream.findings().is_empty())
}

/// What looks at inputs, from several threads.
struct Eye<'a> {
    args: &'a Scan,
    scanner: Arc<Scanner>,
    readers: Option<Readers>,
    large: Mutex<()>,
}

/// What one input gave: pieces for the output, whether something was found, and what went wrong
/// with a part of it.
struct Seen {
    pieces: Vec<Piece>,
    found: bool,
    wrong: Option<anyhow::Error>,
}

fn scan_all(
    eye: &Eye<'_>,
    inputs: &[Input],
    told: &mut Told,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut output = Output::new(eye.args.format, out)?;
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    for batch in inputs.chunks(BATCH) {
        in_order(
            batch,
            workers,
            |input| eye.input(input),
            |input, seen| {
                let done = seen.and_then(|seen| {
                    for piece in seen.pieces {
                        output.write(piece)?;
                    }
                    told.found |= seen.found;
                    seen.wrong.map_or(Ok(seen.found), Err)
                });
                told.input(input, done)
            },
        )?;
    }
    output.finish()
}

/// Works on all items in several threads, and hands out the results in the order of the items.
fn in_order<T: Sync, R: Send>(
    items: &[T],
    workers: usize,
    work: impl Fn(&T) -> R + Sync,
    mut hand_out: impl FnMut(&T, R) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, results) = mpsc::sync_channel(items.len().max(1));
        for _ in 0..workers.min(items.len()) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(place) else { break };
                    // Nobody listens any more: the output is closed.
                    if sender.send((place, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let (mut waiting, mut wanted) = (BTreeMap::new(), 0);
        for (place, result) in results {
            waiting.insert(place, result);
            while let Some((item, result)) = items.get(wanted).zip(waiting.remove(&wanted)) {
                hand_out(item, result)?;
                wanted += 1;
            }
        }
        Ok(())
    })
}

impl Eye<'_> {
    /// What is in a text, in bytes.
    fn find(&self, text: &[u8]) -> anyhow::Result<Vec<Finding>> {
        let found = self.scanner.scan_bytes(text);
        match &self.readers {
            Some(readers) => readers.besides(found, text),
            None => Ok(found),
        }
    }

    fn input(&self, input: &Input) -> anyhow::Result<Seen> {
        let _one_at_a_time = (input.size() > LARGE).then(|| self.large.lock());
        let mut seen = Seen { pieces: Vec::new(), found: false, wrong: None };
        let Some(bytes) = whole(input)? else { return Ok(seen) };
        let (name, offsets) = (input.name(), self.args.format.offsets(self.args.offsets));
        let Some(field) = &self.args.jsonl else {
            let findings = self.find(&bytes)?;
            let report = report::of(&name, &bytes, findings, offsets);
            seen.add(self.args, &report, &bytes)?;
            return Ok(seen);
        };
        let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
        let mut there = false;
        let find = |text: &str| self.find(text.as_bytes());
        for report in report::json_lines_by(find, &name, &bytes, field, offsets) {
            match report {
                Ok(report) => {
                    let value = member(&lines, report.line, field);
                    there |= value.is_some();
                    let value = value.unwrap_or_default();
                    seen.add(self.args, &report, value.as_bytes())?;
                }
                Err(error) => seen.wrong = Some(seen.wrong.take().unwrap_or(error)),
            }
        }
        if !there && !bytes.trim_ascii().is_empty() {
            let nowhere = || anyhow!("no line has a text at `{field}`: nothing was looked at");
            seen.wrong = Some(seen.wrong.take().unwrap_or_else(nowhere));
        }
        Ok(seen)
    }
}

impl Seen {
    fn add(&mut self, args: &Scan, report: &Report, value: &[u8]) -> anyhow::Result<()> {
        self.found |= !report.findings.is_empty();
        self.pieces.push(args.format.piece(report, value)?);
        Ok(())
    }
}

/// The member of the JSON object on a line, counted from 1.
fn member(lines: &[&[u8]], line: Option<u64>, field: &str) -> Option<String> {
    let line = lines.get(usize::try_from(line?.checked_sub(1)?).ok()?)?;
    let object: serde_json::Value = serde_json::from_slice(line).ok()?;
    object.get(field)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items_whoever_is_ready_first() {
        let items: Vec<usize> = (0..200).collect();
        let (mut handed, slow) = (Vec::new(), Mutex::new(()));
        let held = slow.lock();
        let mut held = Some(held);
        let work = |item: &usize| {
            if *item == 0 {
                drop(slow.lock());
            }
            item * 2
        };
        // The first is ready when all that may run beside it have run.
        let release = thread::scope(|scope| {
            let run = scope.spawn(|| {
                in_order(&items, 4, work, |item, result| {
                    handed.push((*item, result));
                    Ok(())
                })
            });
            held.take();
            run.join()
        });
        assert!(release.is_ok_and(|done| done.is_ok()));
        assert_eq!(handed, items.iter().map(|item| (*item, item * 2)).collect::<Vec<_>>());
    }
}
