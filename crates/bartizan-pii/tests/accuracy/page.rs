//! What does the book say of it?

use std::fmt::Write;

use crate::score::{Counts, Table, mean};

const INTRODUCTION: &str = "\
# Accuracy of the personal data scanner

Written by `cargo xtask pii-eval`. Do not edit it; run the command.

Precision, recall, F1 and F2 (recall weighs twice) count a finding only where its span is exactly
that of the label; `overlap` counts those that touch it. ± is half of the 95 % interval of the
recall (Wilson). All entities below were looked for at once, at the default confidence of 0.5. Only
those of `Entity::DEFAULT` are on unless asked for.

* **synth**: 1,500 generated texts of presidio-research (MIT), the peer's own benchmark.
* **technology**, **adversarial**: 1,898 rows of pii-anon (Apache 2.0), in English and 50 more
  languages. Of the first, telephone numbers are left out, and hardware addresses where no label is
  one: most are not labelled.
* **adversarial plain** holds the values as they are. In **disguised**, look-alike letters, invisible
  and bidirectional characters, base64 and redaction hide names mostly; e-mail addresses there have
  look-alikes and percent encoding, social security numbers the mistakes of OCR.

`DATE_TIME` labels of synth are years and days of the week, which alone are no personal data and are
not looked for; `STREET_ADDRESS` labels of synth are parts of addresses, so that overlap says more.
All of this is generated text, and some recognizers were tuned with it in sight: numbers on texts of
another kind will be lower. `PERSON` without a model finds announced names, and those that begin with one
of 1,200 usual first names; generators of texts draw from the same, so that texts of people, in the table
of a model, say more where one was asked. Presidio (2.2, its
default recognizers, the small English model of spaCy, threshold 0.4) stands beside where it was
asked; – means that it found nothing of the kind.
";

/// What is found with a model is counted beside what is found without, and what Presidio finds.
pub(crate) fn write(
    ours: &Table,
    named: Option<&Table>,
    theirs: Option<&Table>,
    texts: usize,
) -> String {
    let mut page = INTRODUCTION.to_owned();
    let _ = writeln!(page, "\n{texts} texts were read.");
    if let Some(named) = named {
        names(&mut page, ours, named, theirs);
    }
    let without = ours.iter().filter(|((corpus, entity), _)| !of_names_alone(corpus, entity));
    let (kinds, corpora): (Vec<_>, Vec<_>) = without.partition(|((corpus, _), _)| is_slice(corpus));
    let mut last = "";
    for ((corpus, entity), counts) in corpora {
        if corpus != last {
            heading(&mut page, corpus, theirs.is_some());
            last = corpus;
        }
        let peer = theirs.and_then(|table| table.get(&(corpus.clone(), entity.clone())));
        row(&mut page, entity, counts, peer);
    }
    by_slice(&mut page, &kinds);
    page
}

/// Whether nothing is found there without a model, or nothing else is labelled.
fn of_names_alone(corpus: &str, entity: &str) -> bool {
    ["LOCATION", "ORGANIZATION"].contains(&entity) || ["web", "social"].contains(&corpus)
}

fn is_slice(corpus: &str) -> bool {
    corpus.contains(": ") || corpus.contains(" in ")
}

const NAMES: &str = "
## Names, organisations and places, by a model

Written by `cargo xtask pii-eval --names --presidio`, which runs `bartizan pii scan --names` with the model
Rampart (14.7 MB, National Design Studio, CC BY 4.0) and ONNX Runtime, at the default confidence of 0.5.
Columns without a name are those of the gateway with the model and its recognizers together.

* **web**: 2,001 sentences of blogs, mails, news groups and reviews (Universal NER on the English Web
  Treebank, CC BY-SA 4.0); **social**: 1,009 posts (WNUT 2017, CC BY 4.0), words with blanks between
  them, and names that are new. Nobody has tuned anything here with them in sight.
* The model has no label for organisations, so none are found, and it knows street addresses, which it
  finds besides. It was made from generated texts: in those it finds people far better than the small
  model of Presidio does, in web texts and posts a little. Of places it looks for the cities and states
  of addresses; countries and rivers, which web texts are full of, it leaves, and Presidio finds them.

| texts | entity | labels | precision | recall | F1 | overlap P | R | F1 | no model: P | R | F1 |";

/// Of each corpus what only a model finds well, with it and without.
fn names(page: &mut String, ours: &Table, named: &Table, theirs: Option<&Table>) {
    let peer = if theirs.is_some() { " Presidio P | R | F1 | overlap F1 |" } else { "" };
    let line = if theirs.is_some() { " --: | --: | --: | --: |" } else { "" };
    let _ = writeln!(page, "{NAMES}{peer}\n| --- | --- |{}{line}", " --: |".repeat(10));
    let entities = ["LOCATION", "ORGANIZATION", "PERSON", "STREET_ADDRESS"];
    let rows = named.iter().filter(|((corpus, entity), counts)| {
        !is_slice(corpus) && entities.contains(&entity.as_str()) && counts.labelled > 0
    });
    let three = |counts: Option<&Counts>| match counts {
        Some(counts) if counts.found > 0 => {
            format!("{:.3} | {:.3} | {:.3}", counts.precision(), counts.recall(), counts.f(1.0))
        }
        _ => "– | – | –".to_owned(),
    };
    let overlap = |counts: &Counts| mean(counts.precision_by_overlap(), counts.recall_by_overlap());
    for (key, counts) in rows {
        let (corpus, entity) = key;
        let by_overlap = match counts.found {
            0 => "– | – | –".to_owned(),
            _ => format!(
                "{:.3} | {:.3} | {:.3}",
                counts.precision_by_overlap(),
                counts.recall_by_overlap(),
                overlap(counts)
            ),
        };
        let (own, without) = (three(Some(counts)), three(ours.get(key)));
        let _ = write!(
            page,
            "| {corpus} | {entity} | {} | {own} | {by_overlap} | {without} |",
            counts.labelled
        );
        if let Some(theirs) = theirs {
            let peer = theirs.get(key).filter(|counts| counts.found > 0);
            let by_overlap =
                peer.map_or("–".to_owned(), |counts| format!("{:.3}", overlap(counts)));
            let _ = write!(page, " {} | {by_overlap} |", three(peer));
        }
        page.push('\n');
    }
}

fn heading(page: &mut String, corpus: &str, beside: bool) {
    let peer = if beside { " Presidio P | R | F1 |" } else { "" };
    let line = if beside { " --: | --: | --: |" } else { "" };
    let _ = writeln!(
        page,
        "\n## {corpus}\n\n| entity | labels | precision | recall | ± | F1 | F2 | overlap P | R |{peer}\n\
         | --- | --: | --: | --: | --: | --: | --: | --: | --: |{line}"
    );
}

fn row(page: &mut String, entity: &str, counts: &Counts, peer: Option<&Counts>) {
    if counts.labelled == 0 && counts.found == 0 {
        return;
    }
    let _ = write!(
        page,
        "| {entity} | {} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} |",
        counts.labelled,
        counts.precision(),
        counts.recall(),
        counts.uncertainty(),
        counts.f(1.0),
        counts.f(2.0),
        counts.precision_by_overlap(),
        counts.recall_by_overlap(),
    );
    if let Some(Counts { found: 0, .. }) = peer {
        page.push_str(" – | – | – |");
    } else if let Some(peer) = peer {
        let _ =
            write!(page, " {:.3} | {:.3} | {:.3} |", peer.precision(), peer.recall(), peer.f(1.0));
    }
    page.push('\n');
}

/// The recall in each kind of disguise and in each language, entity by entity.
fn by_slice(page: &mut String, slices: &[(&(String, String), &Counts)]) {
    page.push_str(
        "\n## By disguise and language\n\n| texts | entity | labels | recall | overlap |\n\
         | --- | --- | --: | --: | --: |\n",
    );
    for ((slice, entity), counts) in slices.iter().filter(|(_, counts)| counts.labelled > 0) {
        let (recall, overlap) = (counts.recall(), counts.recall_by_overlap());
        let _ = writeln!(
            page,
            "| {slice} | {entity} | {} | {recall:.3} | {overlap:.3} |",
            counts.labelled
        );
    }
}
