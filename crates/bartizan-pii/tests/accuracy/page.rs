//! What does the book say of it?

use std::fmt::Write;

use crate::score::{Counts, Table};

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
another kind will be lower. `PERSON` without a model finds announced names only. Presidio (2.2, its
default recognizers, the small English model of spaCy, threshold 0.4) stands beside where it was
asked; – means that it found nothing of the kind.
";

pub(crate) fn write(ours: &Table, theirs: Option<&Table>, texts: usize) -> String {
    let mut page = INTRODUCTION.to_owned();
    let _ = writeln!(page, "\n{texts} texts were read.");
    let (kinds, corpora): (Vec<_>, Vec<_>) =
        ours.iter().partition(|((corpus, _), _)| corpus.contains(": ") || corpus.contains(" in "));
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
