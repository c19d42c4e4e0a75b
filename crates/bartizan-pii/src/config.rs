//! What shall be looked for, and can it be?

use crate::{
    CONTEXT_BOOST, CustomPattern, Entity, RECOGNIZERS, Recognizer, recognizer::phone_home::REGIONS,
    window::is_word,
};

/// What to look for.
#[derive(Debug, Clone)]
pub struct Config {
    /// The entities to find with the built-in rows; `None` means [`Entity::DEFAULT`]. The user's own
    /// patterns and blocked terms are found in any case.
    pub entities: Option<Vec<Entity>>,
    /// Findings below this score are left out, 0 to 1. Default 0.5.
    pub min_confidence: f32,
    /// Values that are never reported, in any case of their letters.
    pub allow: Vec<String>,
    /// Terms that are always reported, as [`Entity::BLOCKED_TERM`], in any case of their letters and
    /// as whole words.
    pub block: Vec<String>,
    /// Patterns of the user's own.
    pub custom: Vec<CustomPattern>,
    /// Regions, by ISO 3166 code, whose telephone numbers are found as people there write them,
    /// without the country's code and without a word beside them. At most [`MAX_REGIONS`].
    pub phone_regions: Vec<String>,
}

/// How many regions [`Config::phone_regions`] may name.
pub const MAX_REGIONS: usize = 8;

impl Default for Config {
    fn default() -> Self {
        Self {
            entities: None,
            min_confidence: 0.5,
            allow: Vec::new(),
            block: Vec::new(),
            custom: Vec::new(),
            phone_regions: Vec::new(),
        }
    }
}

/// The configuration asks for something that cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A score lies outside of 0 to 1.
    #[error("the confidence of `{what}` is no number from 0 to 1")]
    Confidence {
        /// The key or the entity.
        what: String,
    },
    /// A pattern finds nothing everywhere.
    #[error("pattern `{pattern}` of `{entity}` matches the empty text: make a part of it required")]
    EmptyMatch {
        /// What it should find.
        entity: Entity,
        /// The pattern.
        pattern: String,
    },
    /// A pattern's longest match is out of bounds.
    #[error("the `max_length` of `{entity}` must lie between 1 and 4096 bytes")]
    MaxLength {
        /// What it should find.
        entity: Entity,
    },
    /// A pattern cannot be compiled.
    #[error("pattern `{pattern}` of `{entity}` cannot be used: {reason}")]
    Pattern {
        /// What it should find.
        entity: Entity,
        /// The pattern.
        pattern: String,
        /// Why not.
        reason: String,
    },
    /// Nothing is known of the numbers of this region.
    #[error("nothing is known of telephone numbers in `{region}`: known are {}", known_regions())]
    Region {
        /// The region.
        region: String,
    },
    /// More regions than may be named.
    #[error("more than {MAX_REGIONS} regions: any number would be somebody's")]
    Regions,
    /// Nothing finds this entity. To ignore it would be to promise a protection that is not there.
    #[error("nothing finds `{entity}`: take it out, or define it under `custom`")]
    Unsupported {
        /// The entity.
        entity: Entity,
    },
}

impl Config {
    /// Every entity that a built-in row finds, also those that are not looked for by default.
    pub fn all_entities() -> Vec<Entity> {
        let mut all: Vec<Entity> = RECOGNIZERS.iter().map(|row| row.entity.clone()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// The rows that can find something under this configuration.
    pub(crate) fn rows(&self) -> Result<Vec<&'static Recognizer>, ConfigError> {
        if let Some(wanted) = &self.entities {
            for entity in wanted {
                let built_in = RECOGNIZERS.iter().any(|row| row.entity == *entity);
                if !built_in && !self.custom.iter().any(|pattern| pattern.entity == *entity) {
                    return Err(ConfigError::Unsupported { entity: entity.clone() });
                }
            }
        }
        let entities = self.entities.as_deref().unwrap_or(Entity::DEFAULT);
        let wanted = |row: &&Recognizer| {
            let reach = row.score + if row.context.is_empty() { 0.0 } else { CONTEXT_BOOST };
            reach >= self.min_confidence && entities.contains(&row.entity)
        };
        let home = self.home()?;
        Ok(RECOGNIZERS.iter().copied().chain(home).filter(wanted).collect())
    }

    /// The rows of the regions that are named.
    fn home(&self) -> Result<Vec<&'static Recognizer>, ConfigError> {
        let mut regions: Vec<String> =
            self.phone_regions.iter().map(|region| region.to_ascii_uppercase()).collect();
        regions.sort();
        regions.dedup();
        if regions.len() > MAX_REGIONS {
            return Err(ConfigError::Regions);
        }
        let row = |region: String| {
            let known = REGIONS.iter().find(|(known, _)| *known == region);
            known.map(|(_, row)| row).ok_or(ConfigError::Region { region })
        };
        regions.into_iter().map(row).collect()
    }

    /// The blocked terms as patterns: the longest first, as whole words.
    pub(crate) fn blocked(&self) -> Vec<CustomPattern> {
        let mut terms: Vec<&str> =
            self.block.iter().map(|term| term.trim()).filter(|term| !term.is_empty()).collect();
        terms.sort_by_key(|term| std::cmp::Reverse(term.len()));
        terms.chunks(TERMS_OF_A_PATTERN).map(any_of).collect()
    }
}

fn known_regions() -> String {
    REGIONS.iter().map(|(region, _)| *region).collect::<Vec<_>>().join(", ")
}

/// So that an automaton stays small, however long the list is.
const TERMS_OF_A_PATTERN: usize = 64;

fn any_of(terms: &[&str]) -> CustomPattern {
    let alternatives: Vec<String> = terms.iter().map(|term| whole_word(term)).collect();
    let pattern = format!("(?i)(?:{})", alternatives.join("|"));
    let longest = terms.iter().map(|term| term.len()).max().unwrap_or_default();
    // Another case of a letter may be longer in UTF-8, at most by half.
    let max_length = longest + longest.div_ceil(2);
    CustomPattern { max_length, ..CustomPattern::new(Entity::BLOCKED_TERM, pattern) }
}

fn whole_word(term: &str) -> String {
    let edge = |byte: Option<&u8>| if byte.copied().is_some_and(is_word) { r"\b" } else { "" };
    let bytes = term.as_bytes();
    format!("{}{}{}", edge(bytes.first()), regex_syntax::escape(term), edge(bytes.last()))
}
