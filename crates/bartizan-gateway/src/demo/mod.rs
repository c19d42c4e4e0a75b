//! What stands behind the quick start: a few texts of several pages each, and an agent that summarises them.

mod agent;
mod quickstart;
mod summarise;

pub use quickstart::Demo;
pub use summarise::{Format, Summary, summarise};

/// A text of the demo.
#[derive(Clone, Copy, Debug)]
pub struct Document {
    /// The name by which it is asked for.
    pub id: &'static str,
    /// The whole text. Its first line is its title; paragraphs are parted by an empty line.
    pub text: &'static str,
}

/// Every text of the demo.
pub const DOCUMENTS: &[Document] = &[
    Document { id: "doc_001", text: include_str!("documents/doc_001.txt") },
    Document { id: "doc_002", text: include_str!("documents/doc_002.txt") },
    Document { id: "doc_003", text: include_str!("documents/doc_003.txt") },
    Document { id: "doc_004", text: include_str!("documents/doc_004.txt") },
];

/// The text of that name. `None` if there is none.
pub fn document(id: &str) -> Option<&'static str> {
    DOCUMENTS.iter().find(|document| document.id == id).map(|document| document.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_of_the_guide_exists_and_an_unknown_one_does_not() {
        assert!(document("doc_001").is_some_and(|text| text.starts_with("A Short History")));
        assert!(document("doc_999").is_none());
        assert!(document("../doc_001").is_none());
    }

    #[test]
    fn every_document_is_several_pages_long() {
        for Document { id, text } in DOCUMENTS {
            assert!(text.split_whitespace().count() > 1200, "{id}");
        }
    }
}
