//! What do the labels of a model mean? A table of kinds, and how they begin.
//!
//! Labels are written as IOB2 has it: `B-CITY` begins a city, `I-CITY` goes on with it, `O` is none.

use bartizan_pii::Entity;

/// How what is of one entity holds together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Span {
    /// Each kind is a name by itself: a city is not the state behind it.
    Own,
    /// Several kinds make one: a given name and a surname.
    Part,
}

/// What models call names. The last column says how they hold together.
const KINDS: &[(&str, &str, Span)] = &[
    ("GIVEN_NAME", "PERSON", Span::Part),
    ("FIRST_NAME", "PERSON", Span::Part),
    ("MIDDLE_NAME", "PERSON", Span::Part),
    ("SURNAME", "PERSON", Span::Part),
    ("LAST_NAME", "PERSON", Span::Part),
    ("PER", "PERSON", Span::Own),
    ("PERSON", "PERSON", Span::Own),
    ("ORG", "ORGANIZATION", Span::Own),
    ("ORGANIZATION", "ORGANIZATION", Span::Own),
    ("CORPORATION", "ORGANIZATION", Span::Own),
    ("LOC", "LOCATION", Span::Own),
    ("LOCATION", "LOCATION", Span::Own),
    ("GPE", "LOCATION", Span::Own),
    ("CITY", "LOCATION", Span::Own),
    ("STATE", "LOCATION", Span::Own),
    ("COUNTRY", "LOCATION", Span::Own),
    ("BUILDING_NUMBER", "STREET_ADDRESS", Span::Part),
    ("STREET_NAME", "STREET_ADDRESS", Span::Part),
    ("SECONDARY_ADDRESS", "STREET_ADDRESS", Span::Part),
    ("ZIP_CODE", "STREET_ADDRESS", Span::Own),
];

/// The labels of a model, in the order of its answers.
#[derive(Clone, Debug)]
pub struct Labels(Vec<Option<Label>>);

/// One that means something here.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) entity: Entity,
    /// Its row in the table of kinds.
    pub(crate) kind: usize,
    pub(crate) span: Span,
    /// Whether a name begins with it in any case.
    pub(crate) begins: bool,
}

impl Labels {
    /// Labels by their names, such as `B-CITY`; what is not of the table counts as no name.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(label).collect())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entities that the model can find, each once.
    #[must_use]
    pub fn entities(&self) -> Vec<Entity> {
        let mut entities: Vec<_> =
            self.0.iter().flatten().map(|label| label.entity.clone()).collect();
        entities.sort();
        entities.dedup();
        entities
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&Label>> {
        self.0.iter().map(Option::as_ref)
    }
}

fn label(name: &str) -> Option<Label> {
    let (begins, kind) = match name.split_once('-') {
        Some(("B", kind)) => (true, kind),
        Some(("I", kind)) => (false, kind),
        _ => (false, name),
    };
    let row = |(known, ..): &(&str, &str, Span)| known.eq_ignore_ascii_case(kind);
    let kind = KINDS.iter().position(row)?;
    let (_, entity, span) = KINDS.get(kind)?;
    Some(Label { entity: entity.parse().ok()?, kind, span: *span, begins })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn labels_of_several_families_of_models_mean_the_same() {
        let labels = Labels::new(["O", "B-PER", "I-SURNAME", "B-org", "I-CITY", "B-URL", "LOC"]);
        let entity = |label: Option<&Label>| label.map(|label| label.entity.to_string());
        let entities: Vec<_> = labels.iter().map(entity).collect();
        let person = Some("PERSON".to_owned());
        let (firm, place) = (Some("ORGANIZATION".to_owned()), Some("LOCATION".to_owned()));
        assert_eq!(entities, [None, person.clone(), person, firm, place.clone(), None, place]);
        assert_eq!(labels.entities().len(), 3);
    }

    #[test]
    fn every_row_names_an_entity() {
        for (kind, entity, _) in KINDS {
            assert_eq!(label(kind).unwrap().entity.as_str(), *entity);
        }
    }
}
