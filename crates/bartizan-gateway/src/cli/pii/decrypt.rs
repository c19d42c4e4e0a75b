//! `bartizan pii decrypt`: what did `encrypt` encrypt here?

use std::io::{Read, Write};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use bartizan_pii::{Entity, Key, Keyring};

use super::inputs::{Input, STDIN};
use super::{Decrypt, complain, key};
use crate::config::shape;

/// The largest input, in bytes.
const MAX_INPUT: u64 = 1 << 30;

pub(super) fn run(args: &Decrypt, out: &mut dyn Write) -> anyhow::Result<u8> {
    let keys = keys(&args.key_file)?;
    let ring = Keyring::new(keys.clone());
    let mut stays = false;
    if let Some(entity) = args.digits.as_ref().filter(|entity| !Entity::KNOWN.contains(entity)) {
        let known = Entity::KNOWN.iter().map(Entity::as_str);
        let meant = shape::meant(entity.as_str(), known);
        let meant = meant.map(|meant| format!(": did you mean `{meant}`?")).unwrap_or_default();
        complain(&format!(
            "`{entity}` is no entity that comes with the program{meant}; under another name than that \
             of `encrypt` the numbers come out wrong"
        ));
    }
    let files = if args.files.is_empty() { vec![STDIN.into()] } else { args.files.clone() };
    for path in files {
        let stdin = path.as_os_str() == STDIN;
        let input = if stdin { Input::Stdin } else { Input::File { path, walked: false } };
        let text = read(&input).with_context(|| input.name())?;
        match &args.digits {
            None => {
                let decrypted = ring.decrypt_text(&text);
                out.write_all(&decrypted.text)?;
                for (name, words) in decrypted.missing {
                    stays = true;
                    complain(&format!("{words} words of the key `{name}` stay: it is not here"));
                }
            }
            Some(entity) => {
                let key = keys.first().context("there is no key")?;
                numbers(key, entity, &text, out)?;
            }
        }
    }
    out.flush()?;
    Ok(u8::from(stays))
}

/// The keys of the files, or that of the environment.
fn keys(files: &[PathBuf]) -> anyhow::Result<Vec<Key>> {
    if files.is_empty() {
        return Ok(vec![key(None)?]);
    }
    files.iter().map(|file| key(Some(file))).collect()
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
