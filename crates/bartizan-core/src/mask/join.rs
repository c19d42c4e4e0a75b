//! What lies across the texts of one document that clients join? Each of them is searched by itself later.

use std::borrow::Cow;
use std::collections::HashMap;

use bartizan_pii::{Action, Finding, Masker, rewrite_json};

use super::{Blocked, Detection};
use crate::validate::listener::{Channel, Piece};

/// A document with nothing in it that lies across those of its `texts` that are of the same channel, and
/// what was found.
///
/// # Errors
/// [`Blocked`] where something of it must not pass, or nobody can read it.
pub(super) fn mend<'d>(
    masker: &Masker,
    document: &'d [u8],
    texts: &[Piece],
) -> Result<(Cow<'d, [u8]>, Vec<Detection>), Blocked> {
    let mut groups: Vec<(Channel, Vec<usize>)> = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        match groups.iter_mut().find(|(channel, _)| *channel == text.channel) {
            Some((_, group)) => group.push(at),
            None => groups.push((text.channel, vec![at])),
        }
    }
    groups.retain(|(_, group)| group.len() > 1);
    if groups.is_empty() {
        return Ok((Cow::Borrowed(document), Vec::new()));
    }
    let mut written = read(document, texts)?;
    let mut detections = Vec::new();
    for (_, group) in groups {
        across(masker, texts, &group, &mut written, &mut detections)?;
    }
    if detections.is_empty() {
        return Ok((Cow::Borrowed(document), detections));
    }
    let document = write(document, texts, |at| written.get(at).cloned().unwrap_or_default())?;
    Ok((Cow::Owned(document), detections))
}

/// A document in which all of `texts` are empty: what they say lies across a seam, and is told by others.
///
/// # Errors
/// As [`mend`].
pub(super) fn silence(document: &[u8], texts: &[Piece]) -> Result<Vec<u8>, Blocked> {
    write(document, texts, |_| String::new())
}

fn unreadable<E>(_: E) -> Blocked {
    Blocked { detections: Vec::new() }
}

/// The texts, in the order of their places.
fn read(document: &[u8], texts: &[Piece]) -> Result<Vec<String>, Blocked> {
    let places = places(texts);
    let mut read = vec![String::new(); texts.len()];
    let mut look = |pointer: &str, text: &str| {
        if let Some(place) = places.get(pointer).and_then(|at| read.get_mut(*at)) {
            text.clone_into(place);
        }
        None
    };
    rewrite_json(document, &mut look).map_err(unreadable)?;
    Ok(read)
}

fn write(
    document: &[u8],
    texts: &[Piece],
    text: impl Fn(usize) -> String,
) -> Result<Vec<u8>, Blocked> {
    let places = places(texts);
    let mut put = |pointer: &str, _: &str| places.get(pointer).map(|at| text(*at));
    let written = rewrite_json(document, &mut put).map_err(unreadable)?;
    Ok(written.into_owned())
}

fn places(texts: &[Piece]) -> HashMap<&str, usize> {
    texts.iter().enumerate().map(|(at, text)| (&*text.pointer, at)).collect()
}

/// Takes out what lies across the texts of one group; what stands for a value stands where it began.
fn across(
    masker: &Masker,
    texts: &[Piece],
    group: &[usize],
    written: &mut [String],
    detections: &mut Vec<Detection>,
) -> Result<(), Blocked> {
    let (mut joined, mut starts) = (String::new(), Vec::new());
    for at in group {
        starts.push(joined.len());
        joined.push_str(written.get(*at).map(String::as_str).unwrap_or_default());
    }
    let lies_across =
        |found: &Finding| starts.iter().any(|start| found.start < *start && *start < found.end);
    let found: Vec<_> = masker.scanner().scan(&joined).into_iter().filter(lies_across).collect();
    let mut blocked = false;
    for finding in found.iter().rev() {
        let value = joined.get(finding.start..finding.end).unwrap_or_default();
        let mut stands = Some(masker.stands_for(&finding.entity, value));
        blocked |= *masker.action(&finding.entity) == Action::Block;
        let first = starts.iter().rposition(|start| *start <= finding.start).unwrap_or(0);
        let pointer = group.get(first).and_then(|at| texts.get(*at)).map(|text| &text.pointer);
        detections.push(Detection {
            entity: finding.entity.clone(),
            pointer: pointer.cloned().unwrap_or_default(),
            count: 1,
        });
        if *masker.action(&finding.entity) == Action::Detect {
            continue;
        }
        for (at, start) in group.iter().zip(&starts).skip(first) {
            let Some(text) = written.get_mut(*at) else { continue };
            let (from, to) = (
                finding.start.saturating_sub(*start).min(text.len()),
                finding.end.saturating_sub(*start).min(text.len()),
            );
            if from < to && text.is_char_boundary(from) && text.is_char_boundary(to) {
                text.replace_range(from..to, &stands.take().unwrap_or_default());
            }
        }
    }
    if blocked { Err(Blocked { detections: std::mem::take(detections) }) } else { Ok(()) }
}
