//! Where in a document was something found? Pointers for a log, which take no more room than it has.
//!
//! Whoever writes a document chooses how long its names are and how often something stands behind
//! them: pointers that were kept as they come would be as large as the product of the two.

use std::hash::{DefaultHasher, Hasher as _};

use super::Located;
use crate::{Entity, Finding};

/// So much may all pointers of a document take, in bytes, each with [`EACH`] besides. What is found
/// beyond is counted by entity, with no place.
pub(super) const ROOM: usize = 64 * 1024;

/// What a place takes besides its pointer.
const EACH: usize = 64;

/// A longer name stands in a pointer by its beginning, its hash and its end.
const LONGEST_NAME: usize = 128;

/// So much of its beginning and of its end.
const ENDS: usize = 48;

/// What was found in a document, by place and entity.
#[derive(Debug)]
pub(super) struct Places {
    found: Vec<Located>,
    /// By entity alone.
    elsewhere: Vec<Located>,
    room: usize,
}

impl Places {
    pub(super) fn within(room: usize) -> Self {
        Self { found: Vec::new(), elsewhere: Vec::new(), room }
    }

    /// How much room is left.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// Notes what was found in one value.
    pub(super) fn note(&mut self, pointer: &str, findings: &[Finding]) {
        let mut counts: Vec<(&Entity, u64)> = Vec::new();
        for Finding { entity, .. } in findings {
            match counts.iter_mut().find(|(known, _)| *known == entity) {
                Some((_, count)) => *count += 1,
                None => counts.push((entity, 1)),
            }
        }
        // A member may have been found here by its name already.
        let here = self.found.iter().rev().take_while(|known| known.pointer == pointer).count();
        let first = self.found.len() - here;
        for (entity, count) in counts {
            let known = self.found.iter_mut().skip(first).find(|known| known.entity == *entity);
            if let Some(known) = known {
                known.count += count;
            } else if let Some(room) = self.room.checked_sub(pointer.len() + EACH) {
                self.room = room;
                let (pointer, entity) = (pointer.to_owned(), entity.clone());
                self.found.push(Located { pointer, entity, count });
            } else {
                // The list ends where the room does, and not only for longer pointers.
                self.room = 0;
                add(&mut self.elsewhere, entity, count);
            }
        }
    }

    /// Takes in what was found in a part of the document.
    pub(super) fn append(&mut self, part: Self) {
        self.found.extend(part.found);
        self.room = part.room;
        for Located { entity, count, .. } in part.elsewhere {
            add(&mut self.elsewhere, &entity, count);
        }
    }

    /// All of it, in the order of the document; at the end what has no place.
    pub(super) fn into_located(self) -> Vec<Located> {
        let Self { mut found, elsewhere, .. } = self;
        found.extend(elsewhere);
        found
    }
}

fn add(elsewhere: &mut Vec<Located>, entity: &Entity, count: u64) {
    match elsewhere.iter_mut().find(|known| known.entity == *entity) {
        Some(known) => known.count += count,
        None => elsewhere.push(Located { pointer: String::new(), entity: entity.clone(), count }),
    }
}

/// Appends the name of a member to the pointer of its object (RFC 6901).
///
/// A name of more than 128 bytes stands there by its first and last 48 and, between them, its hash:
/// pointers stay short, and those of different names stay different.
pub fn push_name(pointer: &mut String, name: &str) {
    pointer.push('/');
    if name.len() <= LONGEST_NAME {
        return escape(pointer, name);
    }
    let mut hasher = DefaultHasher::new();
    hasher.write(name.as_bytes());
    escape(pointer, name.get(..name.floor_char_boundary(ENDS)).unwrap_or_default());
    pointer.push_str(&format!("…{:016x}…", hasher.finish()));
    escape(pointer, end_of(name, ENDS));
}

fn escape(pointer: &mut String, name: &str) {
    if !name.bytes().any(|byte| matches!(byte, b'~' | b'/')) {
        return pointer.push_str(name);
    }
    for character in name.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            plain => pointer.push(plain),
        }
    }
}

/// The end of a name, of at most so many bytes: what a name means stands there, and a longer one is
/// not looked through again for each value.
pub(super) fn end_of(name: &str, most: usize) -> &str {
    name.get(name.ceil_char_boundary(name.len().saturating_sub(most))..).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_short_in_a_pointer_and_keeps_its_end_and_its_difference() {
        let pointer = |name: &str| {
            let mut pointer = String::new();
            push_name(&mut pointer, name);
            pointer
        };
        assert_eq!(pointer("a/b~c"), "/a~1b~0c");
        let name = format!("{}ä/password", "é".repeat(100_000));
        let shortened = pointer(&name);
        assert!(shortened.len() < 128 && shortened.ends_with("ä~1password"), "{shortened}");
        assert_ne!(
            shortened,
            pointer(&format!("{}a{}", "é".repeat(500), name.get(1002..).unwrap()))
        );
    }

    #[test]
    fn what_has_no_room_is_counted_without_a_place() {
        let found =
            |entity: &Entity| Finding { entity: entity.clone(), start: 0, end: 1, score: 1.0 };
        let mut places = Places::within(ROOM);
        let pointer = "/x".repeat(500);
        for number in 0..1000 {
            let pointer = format!("{pointer}/{number}");
            places.note(&pointer, &[found(&Entity::PERSON), found(&Entity::PERSON)]);
            places.note(&pointer, &[found(&Entity::PERSON)]);
        }
        let located = places.into_located();
        assert!(
            located.len() < 80 && located.iter().map(|one| one.pointer.len()).sum::<usize>() < ROOM
        );
        assert_eq!(located.iter().map(|one| one.count).sum::<u64>(), 3000);
        let last = located.last().unwrap();
        assert_eq!((&*last.pointer, located.first().unwrap().count), ("", 3));
    }
}
