//! `bartizan pii decrypt`: what did `encrypt` encrypt here?

use std::io::{Read, Write};

use anyhow::{Context as _, anyhow, bail};
use bartizan_pii::{Entity, Key};

use super::inputs::{Input, STDIN};
use super::{Decrypt, key};

/// The largest input, in bytes.
const MAX_INPUT: u64 = 1 << 30;

pub(super) fn run(args: &Decrypt, out: &mut dyn Write) -> anyhow::Result<u8> {
    let key = key(args.key_file.as_deref())?;
    let files = if args.files.is_empty() { vec![STDIN.into()] } else { args.files.clone() };
    for path in files {
        let stdin = path.as_os_str() == STDIN;
        let input = if stdin { Input::Stdin } else { Input::File { path, walked: false } };
        let text = read(&input).with_context(|| input.name())?;
        match &args.digits {
            None => out.write_all(&key.decrypt_text(&text).0)?,
            Some(entity) => numbers(&key, entity, &text, out)?,
        }
    }
    out.flush()?;
    Ok(0)
}

fn read(input: &Input) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    input.open()?.take(MAX_INPUT + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_INPUT {
        bail!("larger than 1 GiB: split it");
    }
    Ok(text)
}

/// Each line is a number.
fn numbers(key: &Key, entity: &Entity, text: &[u8], out: &mut dyn Write) -> anyhow::Result<()> {
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let plain = key.decrypt_digits(entity, line).ok_or_else(|| {
            anyhow!(
                "line {number} is no number of 6 to 56 digits, with blanks and `-./()+` at most"
            )
        })?;
        out.write_all(&plain)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
