//! What must not pass? Personal data, as a program says it.
//!
//! ```
//! use bartizan::pii::{Action, Pii};
//!
//! let pii = Pii::new()
//!     .detect(["EMAIL", "PHONE", "SSN", "CREDIT_CARD"])
//!     .mask_character('*')
//!     .min_confidence(0.5)
//!     .log_detections(true);
//! let strict = Pii::new().detect(["SSN"]).requests(Action::Block).responses(Action::Redact);
//!
//! // A model sees placeholders, and the client its own values again in the answer.
//! let private = Pii::new()
//!     .requests(Action::Tokenise)
//!     .request_action("CREDIT_CARD", Action::Mask { character: '*', keep_first: 0, keep_last: 4 })
//!     .responses(Action::Mask { character: '*', keep_first: 0, keep_last: 0 });
//! # private.profile().unwrap();
//! ```

use std::sync::Arc;

use bartizan_core::mask::{Guard, Profile};
pub use bartizan_pii::{Action, Key, KeyError};
use bartizan_pii::{Config, ConfigError, CustomPattern, Entity, EntityError, Masker, Scanner};

/// What is looked for in requests and answers, and what becomes of it. Both directions are
/// masked with `*` unless something else is said.
#[derive(Clone, Debug)]
#[must_use = "what no app or endpoint is given protects nothing"]
pub struct Pii {
    entities: Option<Vec<String>>,
    requests: Option<Action>,
    responses: Option<Action>,
    /// By the name of an entity, in requests and in answers.
    by_entity: [Vec<(String, Action)>; 2],
    mask_character: char,
    min_confidence: f32,
    allow: Vec<String>,
    block: Vec<String>,
    custom: Vec<(String, String)>,
    phone_regions: Vec<String>,
    log_detections: bool,
}

/// Something that cannot be looked for. The developer must mend it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadPii {
    /// Nothing finds it, or a pattern cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Not the name of an entity.
    #[error(transparent)]
    Entity(#[from] EntityError),
    /// Masking with this would change the shape of texts.
    #[error("the mask character is a control character: use one that can be seen, such as `*`")]
    MaskCharacter,
    /// What is taken out of an answer has nowhere to come back to.
    #[error("`Tokenise` is for requests: what is taken out of them comes back in the answer")]
    NothingToRestore,
}

impl Default for Pii {
    fn default() -> Self {
        Self {
            entities: None,
            requests: Some(Action::MASK),
            responses: Some(Action::MASK),
            by_entity: Default::default(),
            mask_character: '*',
            min_confidence: 0.5,
            allow: Vec::new(),
            block: Vec::new(),
            custom: Vec::new(),
            phone_regions: Vec::new(),
            log_detections: true,
        }
    }
}

impl Pii {
    /// Masks everything that the engine finds, in both directions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks for these alone: Presidio's names, or the short ones `EMAIL`, `PHONE`, `SSN`.
    pub fn detect<'a>(mut self, entities: impl IntoIterator<Item = &'a str>) -> Self {
        self.entities = Some(entities.into_iter().map(str::to_owned).collect());
        self
    }

    /// What becomes of what is found in requests.
    pub fn requests(mut self, action: Action) -> Self {
        self.requests = Some(action);
        self
    }

    /// What becomes of what is found in answers.
    pub fn responses(mut self, action: Action) -> Self {
        self.responses = Some(action);
        self
    }

    /// What becomes of one entity in requests.
    pub fn request_action(mut self, entity: &str, action: Action) -> Self {
        let [requests, _] = &mut self.by_entity;
        requests.push((entity.to_owned(), action));
        self
    }

    /// What becomes of one entity in answers.
    pub fn response_action(mut self, entity: &str, action: Action) -> Self {
        let [_, responses] = &mut self.by_entity;
        responses.push((entity.to_owned(), action));
        self
    }

    /// Leaves answers as they are.
    pub fn requests_only(mut self) -> Self {
        self.responses = None;
        self
    }

    /// Leaves requests as they are.
    pub fn responses_only(mut self) -> Self {
        self.requests = None;
        self
    }

    /// What masked characters become.
    pub fn mask_character(mut self, character: char) -> Self {
        self.mask_character = character;
        self
    }

    /// Findings below this score, 0 to 1, are left alone.
    pub fn min_confidence(mut self, score: f32) -> Self {
        self.min_confidence = score;
        self
    }

    /// Values that are never masked.
    pub fn allow<'a>(mut self, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.allow.extend(values.into_iter().map(str::to_owned));
        self
    }

    /// Terms that are always masked.
    pub fn block<'a>(mut self, terms: impl IntoIterator<Item = &'a str>) -> Self {
        self.block.extend(terms.into_iter().map(str::to_owned));
        self
    }

    /// Finds telephone numbers as people in these regions write them, without the country's code:
    /// ISO 3166 codes, such as `DE`.
    pub fn phone_regions<'a>(mut self, regions: impl IntoIterator<Item = &'a str>) -> Self {
        self.phone_regions.extend(regions.into_iter().map(str::to_owned));
        self
    }

    /// An entity of one's own, found by a regular expression in linear time.
    pub fn custom(mut self, entity: &str, pattern: &str) -> Self {
        self.custom.push((entity.to_owned(), pattern.to_owned()));
        self
    }

    /// Whether the audit log notes what was found: types and counts, never values.
    pub fn log_detections(mut self, log: bool) -> Self {
        self.log_detections = log;
        self
    }

    /// The profile that the road screens by.
    ///
    /// # Errors
    /// [`BadPii`] where something of it cannot be looked for.
    pub fn profile(&self) -> Result<Profile, BadPii> {
        if self.mask_character.is_control() {
            return Err(BadPii::MaskCharacter);
        }
        let scanner = Arc::new(Scanner::new(&self.config()?)?);
        let [requests, responses] = &self.by_entity;
        let guard = |action: &Action, by_entity: &[(String, Action)]| {
            let mut masker = Masker::new(Arc::clone(&scanner), self.written(action));
            for (entity, action) in by_entity {
                masker = masker.with_action(entity.parse()?, self.written(action));
            }
            Ok::<_, BadPii>(Arc::new(Guard::new(masker)))
        };
        let request = self.requests.as_ref().map(|action| guard(action, requests)).transpose()?;
        let response =
            self.responses.as_ref().map(|action| guard(action, responses)).transpose()?;
        if response.as_ref().is_some_and(|guard| guard.tokenises()) {
            return Err(BadPii::NothingToRestore);
        }
        Ok(Profile { request, response, log_detections: self.log_detections, inspected: false })
    }

    /// The action with the character that masks are written with.
    fn written(&self, action: &Action) -> Action {
        match action {
            Action::Mask { keep_first, keep_last, .. } => Action::Mask {
                character: self.mask_character,
                keep_first: *keep_first,
                keep_last: *keep_last,
            },
            other => other.clone(),
        }
    }

    fn config(&self) -> Result<Config, EntityError> {
        let pattern = |(entity, pattern): &(String, String)| {
            Ok::<_, EntityError>(CustomPattern::new(entity.parse()?, pattern))
        };
        let custom = self.custom.iter().map(pattern).collect::<Result<Vec<_>, _>>()?;
        let own = |entity: &Entity| custom.iter().any(|pattern| pattern.entity == *entity);
        let entities = match &self.entities {
            None => None,
            Some(names) => {
                let entities = names.iter().map(|name| name.parse());
                let mut entities = entities.collect::<Result<Vec<Entity>, _>>()?;
                // One's own are found in any case.
                entities.retain(|entity| !own(entity));
                Some(entities)
            }
        };
        let (allow, block) = (self.allow.clone(), self.block.clone());
        let (min_confidence, phone_regions) = (self.min_confidence, self.phone_regions.clone());
        Ok(Config { entities, min_confidence, allow, block, custom, phone_regions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protection_that_is_not_there_is_not_promised() {
        let wrong = |pii: Pii| pii.profile().unwrap_err().to_string();
        assert!(wrong(Pii::new().detect(["EMALI"])).contains("EMALI"));
        assert!(wrong(Pii::new().detect(["no name"])).contains("no name"));
        assert!(wrong(Pii::new().min_confidence(2.0)).contains("min_confidence"));
        assert!(wrong(Pii::new().custom("X", "(")).contains("pattern"));
        assert!(wrong(Pii::new().phone_regions(["XX"])).contains("known are AT,"));
        assert!(wrong(Pii::new().mask_character('\n')).contains("control"));
        assert!(wrong(Pii::new().responses(Action::Tokenise)).contains("requests"));
        let one = Pii::new().response_action("EMAIL", Action::Tokenise);
        assert!(wrong(one).contains("requests"));
        assert!(wrong(Pii::new().request_action("e mail", Action::Redact)).contains("e mail"));
    }

    #[test]
    fn entities_of_ones_own_may_stand_in_the_list() {
        let pii = Pii::new().detect(["EMAIL", "CUSTOMER_ID"]);
        assert!(pii.custom("CUSTOMER_ID", "CUST-[0-9]{6}").profile().is_ok());
    }
}
