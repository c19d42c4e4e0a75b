//! What do `pii` and `audit` mean? What is looked for, what happens to it, and what is remembered.

use std::path::PathBuf;
use std::sync::Arc;

use bartizan_core::audit::Event;
use bartizan_core::mask::{Guard, Profile};
use bartizan_pii::{Action, Config, CustomPattern, Entity, Key, Masker, RECOGNIZERS, Scanner};
use secrecy::ExposeSecret as _;

use super::super::decode::Located;
use super::super::file::leaf::{Count, Source, Word};
use super::super::file::personal as file;
use super::super::shape;
use super::super::tree::Place;
use super::resolver::Resolver;

pub use file::Durability;

/// Personal data: what is looked for, and what happens to it.
pub type Pii = Profile;

/// What is remembered of every request.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Where records go.
    pub destination: Destination,
    /// When a record is on the disk.
    pub durability: Durability,
    /// Which events are written beside those that always are; `None`: all.
    pub events: Option<Vec<Event>>,
    /// Refusals at the door from one address beyond this many a second become one record.
    pub refusals_per_second: u32,
}

/// Where audit records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Lines of JSON in this file.
    File(PathBuf),
    /// Lines of JSON on standard output.
    Stdout,
}

type Section<'f> = Option<&'f Located<file::Pii>>;

/// The section of the endpoint, or the gateway's where that says nothing.
pub(super) fn pii(resolver: &mut Resolver<'_>, own: Section<'_>, base: Section<'_>) -> Pii {
    let sections: Vec<&file::Pii> =
        own.into_iter().chain(base).map(|section| &section.value).collect();
    let words = Vocabulary::read(resolver, &sections);
    let request = sections.iter().find_map(|section| section.request.as_ref());
    let response = sections.iter().find_map(|section| section.response.as_ref());
    Profile {
        request: request.and_then(|direction| words.guard(resolver, direction, Way::There)),
        response: response.and_then(|direction| words.guard(resolver, direction, Way::Back)),
        inspected: false,
        log_detections: sections
            .iter()
            .find_map(|section| section.log_detections.as_ref())
            .is_none_or(|log| log.value),
    }
}

/// What both directions share.
struct Vocabulary {
    config: Config,
    mask: char,
    key: Option<Key>,
    /// A key stands there and cannot be used, which was told.
    bad_key: bool,
}

/// A direction of the traffic.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

impl Vocabulary {
    /// What cannot be read has been told; the rest is looked at with the default in its place.
    fn read(resolver: &mut Resolver<'_>, sections: &[&file::Pii]) -> Self {
        let mask = sections.iter().find_map(|section| section.mask_character.as_ref());
        let mask = mask.and_then(|text| mask_character(resolver, text)).unwrap_or('*');
        let confidence = sections.iter().find_map(|section| section.min_confidence.as_ref());
        let min_confidence = confidence.and_then(|text| resolver.fraction(text)).unwrap_or(0.5);
        let texts = |pick: fn(&file::Pii) -> &Vec<Located<Word>>| -> Vec<String> {
            let section = sections.iter().find(|section| !pick(section).is_empty());
            section
                .map(|section| pick(section).iter().map(|text| text.value.0.clone()).collect())
                .unwrap_or_default()
        };
        let custom = sections.iter().find(|section| !section.custom.is_empty());
        let custom = custom.map(|section| patterns(resolver, &section.custom)).unwrap_or_default();
        let config = Config {
            entities: None,
            min_confidence,
            allow: texts(|section| &section.allow),
            block: texts(|section| &section.block),
            custom,
            phone_regions: texts(|section| &section.phone_regions),
        };
        let source = sections.iter().find_map(|section| section.key.as_ref());
        let key = source.and_then(|source| key(resolver, source));
        let bad_key = source.is_some() && key.is_none();
        Vocabulary { config, mask, key, bad_key }
    }

    fn guard(
        &self,
        resolver: &mut Resolver<'_>,
        direction: &Located<file::Direction>,
        way: Way,
    ) -> Option<Arc<Guard>> {
        let found = entities(resolver, &direction.detect, &self.config.custom);
        if direction.detect.is_empty() {
            return None;
        }
        let place = direction.action.as_ref().map_or(&direction.key, |action| &action.place);
        let treatment = file::Treatment {
            action: direction.action.as_ref().map_or(file::Action::Mask, |action| action.value),
            keep_first: direction.keep_first.clone(),
            keep_last: direction.keep_last.clone(),
        };
        let action = self.action(resolver, place, &treatment, way);
        let own = self.own_actions(resolver, direction, &found, way);
        let config = Config { entities: Some(found), ..self.config.clone() };
        match Scanner::new(&config) {
            Ok(scanner) => {
                let masker = Masker::new(Arc::new(scanner), action?);
                let masker = own
                    .into_iter()
                    .fold(masker, |masker, (entity, action)| masker.with_action(entity, action));
                Some(Arc::new(Guard::new(masker)))
            }
            Err(error) => {
                resolver.wrong(&direction.key, error.to_string());
                None
            }
        }
    }

    /// What happens to single entities. One that is not looked for is a mistake: its owner believes
    /// that it is.
    fn own_actions(
        &self,
        resolver: &mut Resolver<'_>,
        direction: &Located<file::Direction>,
        found: &[Entity],
        way: Way,
    ) -> Vec<(Entity, Action)> {
        let mut actions = Vec::new();
        for (name, treatment) in &direction.actions {
            let entity = match name.parse::<Entity>() {
                Ok(entity) => entity,
                Err(error) => {
                    resolver.wrong(&treatment.key, error.to_string());
                    continue;
                }
            };
            let own = |pattern: &CustomPattern| pattern.entity == entity;
            let blocked = entity == Entity::BLOCKED_TERM && !self.config.block.is_empty();
            let hooked = resolver.hooked.contains(&entity);
            let known = found.contains(&entity) || blocked || hooked;
            if !known && !self.config.custom.iter().any(own) {
                let message = format!("`actions` names `{entity}`, which is not looked for");
                resolver.error(&treatment.key, message, "add it to `detect`, or take it out");
                continue;
            }
            let action = self.action(resolver, &treatment.place, treatment, way);
            actions.extend(action.map(|action| (entity, action)));
        }
        actions
    }

    fn action(
        &self,
        resolver: &mut Resolver<'_>,
        place: &Place,
        treatment: &file::Treatment,
        way: Way,
    ) -> Option<Action> {
        let mut kept = |count: &Option<Located<Count>>| {
            usize::try_from(resolver.count(count.as_ref(), 0, 0..=4096)).unwrap_or_default()
        };
        let (keep_first, keep_last) = (kept(&treatment.keep_first), kept(&treatment.keep_last));
        Some(match treatment.action {
            file::Action::Detect => Action::Detect,
            file::Action::Redact => Action::Redact,
            file::Action::Replace => Action::Replace,
            file::Action::Block => Action::Block,
            file::Action::Mask => Action::Mask { character: self.mask, keep_first, keep_last },
            file::Action::Hash => Action::Hash(self.key(resolver, place, "hash")?),
            file::Action::Encrypt => Action::Encrypt(self.key(resolver, place, "encrypt")?),
            file::Action::EncryptDigits => {
                Action::EncryptDigits(self.key(resolver, place, "encrypt_digits")?)
            }
            file::Action::Tokenise if way == Way::There => Action::Tokenise,
            file::Action::Tokenise => {
                let message = "`tokenise` is for requests: what is taken out of them comes back \
                               in the answer";
                resolver.error(place, message, "use `mask`, `replace` or another action here");
                return None;
            }
        })
    }

    fn key(&self, resolver: &mut Resolver<'_>, place: &Place, action: &str) -> Option<Key> {
        if self.key.is_none() && !self.bad_key {
            resolver.error(
                place,
                format!("`{action}` needs a key, and `pii` has none"),
                "make one with `openssl rand -hex 32` and name it: \
                 `pii: { key: { env: BARTIZAN_PII_KEY } }`",
            );
        }
        self.key.clone()
    }
}

fn key(resolver: &mut Resolver<'_>, source: &Located<Source>) -> Option<Key> {
    let secret = resolver.secret(source)?;
    let key = Key::new(secret.expose_secret().trim().as_bytes()).ok();
    if key.is_none() {
        let help = "make one with `openssl rand -hex 32`";
        resolver.error(&source.place, "`key` is shorter than 32 bytes", help);
    }
    key
}

fn mask_character(resolver: &mut Resolver<'_>, text: &Located<Word>) -> Option<char> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) if !one.is_control() => Some(one),
        _ => {
            resolver.error(
                &text.place,
                "`mask_character` is not one character",
                "write one, as `\"*\"`",
            );
            None
        }
    }
}

fn patterns(resolver: &mut Resolver<'_>, files: &[Located<file::Custom>]) -> Vec<CustomPattern> {
    let mut patterns = Vec::new();
    for file in files {
        let Some(entity) = entity(resolver, &file.entity) else { continue };
        let confidence = file.confidence.as_ref().map_or(Some(1.0), |text| resolver.fraction(text));
        let longest = CustomPattern::MAX_LENGTH as u64;
        let max_length = resolver.count(file.max_length.as_ref(), longest, 1..=16 * longest);
        let pattern = CustomPattern {
            confidence: confidence.unwrap_or(1.0),
            context: file.context.iter().map(|word| word.value.0.clone()).collect(),
            max_length: usize::try_from(max_length).unwrap_or(CustomPattern::MAX_LENGTH),
            ..CustomPattern::new(entity, &*file.pattern.value)
        };
        // Alone, so that the message stands beside the pattern that is meant.
        let alone = Config {
            entities: Some(Vec::new()),
            custom: vec![pattern.clone()],
            ..Config::default()
        };
        match Scanner::new(&alone) {
            Ok(_) => patterns.push(pattern),
            Err(error) => resolver.wrong(&file.pattern.place, error.to_string()),
        }
    }
    patterns
}

/// The built-in entities of the list. Those of one's own patterns may stand in it and are found in
/// any case.
fn entities(
    resolver: &mut Resolver<'_>,
    texts: &[Located<Word>],
    custom: &[CustomPattern],
) -> Vec<Entity> {
    let mut found = Vec::new();
    for text in texts {
        let Some(entity) = entity(resolver, text) else { continue };
        if RECOGNIZERS.iter().any(|row| row.entity == entity) {
            found.push(entity);
        } else if !custom.iter().any(|pattern| pattern.entity == entity) {
            unknown_entity(resolver, &text.place, &entity, custom);
        }
    }
    found
}

fn entity(resolver: &mut Resolver<'_>, text: &Located<Word>) -> Option<Entity> {
    text.parse::<Entity>().map_err(|error| resolver.wrong(&text.place, error.to_string())).ok()
}

fn unknown_entity(
    resolver: &mut Resolver<'_>,
    place: &Place,
    entity: &Entity,
    custom: &[CustomPattern],
) {
    let mut known: Vec<&str> = RECOGNIZERS.iter().map(|row| row.entity.as_str()).collect();
    known.extend(custom.iter().map(|pattern| pattern.entity.as_str()));
    // The short names that are written most.
    known.extend(["EMAIL", "IBAN", "PHONE", "SSN"]);
    known.sort_unstable();
    known.dedup();
    let help = match shape::meant(entity.as_str(), known.iter().copied()) {
        _ if matches!(entity.as_str(), "LOCATION" | "ORGANIZATION") => {
            "it takes a model: `hooks: [{ name: names, builtin: names, model: … }]`".to_owned()
        }
        Some(meant) => format!("did you mean `{meant}`?"),
        // All of them would fill the screen.
        None => {
            let usual: Vec<&str> = Entity::DEFAULT.iter().map(Entity::as_str).collect();
            format!(
                "this version finds {}, names as `UK_NHS` or `MAC_ADDRESS`, and others; \
                 your own under `custom`",
                usual.join(", ")
            )
        }
    };
    resolver.error(place, format!("`{entity}` is nothing that this version can find"), help);
}

pub(super) fn audit(
    resolver: &mut Resolver<'_>,
    audit: Option<&Located<file::Audit>>,
) -> Option<Audit> {
    let empty = file::Audit::default();
    let file = audit.map_or(&empty, |audit| &audit.value);
    let destination = match &file.destination {
        None => Some(Destination::File(resolver.outside.path("logs/audit.jsonl"))),
        Some(source) => {
            resolver.text(source).and_then(|text| destination(resolver, &source.place, &text))
        }
    };
    let refusals = resolver.count(file.refusals_per_second.as_ref(), 10, 1..=1_000_000);
    let events = file.events.as_ref().map(|events| self::events(resolver, events));
    Some(Audit {
        destination: destination?,
        durability: file
            .durability
            .as_ref()
            .map_or(Durability::Sync, |durability| durability.value),
        events,
        refusals_per_second: u32::try_from(refusals).unwrap_or(10),
    })
}

fn destination(resolver: &mut Resolver<'_>, place: &Place, text: &str) -> Option<Destination> {
    match (text, text.strip_prefix("file://")) {
        ("stdout:", _) => Some(Destination::Stdout),
        (_, Some(path)) if !path.is_empty() && !path.ends_with('/') => {
            Some(Destination::File(resolver.outside.path(path)))
        }
        _ => {
            let help = "write `file://` and a path, as `file://logs/audit.jsonl`, or `stdout:`";
            resolver.error(place, "`destination` is nowhere that records can go", help);
            None
        }
    }
}

fn events(resolver: &mut Resolver<'_>, texts: &Located<Vec<Located<Word>>>) -> Vec<Event> {
    let mut events = Vec::new();
    for text in &texts.value {
        match Event::ALL.iter().find(|event| event.as_str() == &*text.value) {
            Some(event) => events.push(*event),
            None => {
                let known = Event::ALL.iter().map(|event| event.as_str());
                let help = match shape::meant(text, known.clone()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
                };
                resolver.error(&text.place, format!("`{}` is no event", text.value.0), help);
            }
        }
    }
    events
}
