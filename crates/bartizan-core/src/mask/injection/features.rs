//! How are the turns of phrase found? Word by word, in one pass, whatever stands between the letters.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use foldhash::{HashMap, HashMapExt as _};

use super::Suspicion;
use super::rows::{CLASSES, MARKS, ROWS, UNSEEN};

/// So many words apart two turns of phrase still belong together.
const TOGETHER: usize = 400;

/// The longest word that is looked up, in bytes.
const MAX_WORD: usize = 32;

/// The shortest word that may be a text in base64, in bytes.
const MIN_ENCODED: usize = 24;

/// So many signs that nobody sees are no accident.
const MANY_UNSEEN: usize = 4;

/// Looks for orders to a model. Built once.
#[derive(Clone, Debug)]
pub struct Detector {
    words: HashMap<&'static str, u64>,
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector {
    /// One that knows the built-in table.
    #[must_use]
    pub fn new() -> Self {
        let mut words: HashMap<&'static str, u64> = HashMap::new();
        for (class, all) in CLASSES {
            for word in *all {
                *words.entry(word).or_default() |= class;
            }
        }
        Self { words }
    }

    /// What a text is suspected of. The time that takes is linear in its length.
    #[must_use]
    pub fn look(&self, text: &str) -> Suspicion {
        let mut search = Search::new(self);
        search.marks(text);
        search.read(text, true);
        search.unseen(text);
        let mut features: Vec<_> = search.found.iter().map(|(feature, _)| *feature).collect();
        features.sort_unstable();
        Suspicion { score: search.most, features, pointer: String::new() }
    }
}

/// One look at one text.
struct Search<'d> {
    detector: &'d Detector,
    /// For each row and step: the word with which the step was last taken.
    steps: Vec<[Option<usize>; 4]>,
    /// How many words there were.
    at: usize,
    /// What was found, and with which word last.
    found: Vec<(&'static str, usize)>,
    /// The highest score so far.
    most: u8,
}

impl<'d> Search<'d> {
    fn new(detector: &'d Detector) -> Self {
        let steps = vec![[None; 4]; ROWS.len()];
        Self { detector, steps, at: 0, found: Vec::new(), most: 0 }
    }

    /// Reads the words; `decode` is whether those in base64 are read, too.
    fn read(&mut self, text: &str, decode: bool) {
        let mut word = String::with_capacity(MAX_WORD);
        let mut start = None;
        for (place, sign) in text.char_indices() {
            if is_unseen(sign) || matches!(sign, '\'' | '’' | '`') {
                continue;
            }
            if is_of_a_word(sign) {
                start.get_or_insert(place);
                if word.len() < MAX_WORD {
                    word.extend(folded(sign).to_lowercase());
                }
            } else if let Some(start) = start.take() {
                self.word(&word, text.get(start..place).filter(|_| decode));
                word.clear();
            }
        }
        if let Some(start) = start {
            self.word(&word, text.get(start..).filter(|_| decode));
        }
    }

    /// Takes a word, and what it was before it was folded, where that may be decoded.
    fn word(&mut self, word: &str, raw: Option<&str>) {
        self.at += 1;
        let words = &self.detector.words;
        let class = words.get(word).or_else(|| words.get(&*disguised(word)?)).copied();
        if let Some(class) = class {
            self.step(class);
        }
        if let Some(raw) = raw.filter(|raw| raw.len() >= MIN_ENCODED)
            && let Ok(bytes) = BASE64_STANDARD_NO_PAD.decode(raw.trim_end_matches('='))
            && let Ok(plain) = String::from_utf8(bytes)
        {
            self.read(&plain, false);
        }
    }

    /// Goes on in every row whose next step this word is. The last word with which a step was taken
    /// is the one from which most can still be reached, so no other is remembered.
    fn step(&mut self, class: u64) {
        let at = self.at;
        let mut whole = Vec::new();
        for (row, taken) in ROWS.iter().zip(&mut self.steps) {
            for index in (0..row.steps.len()).rev() {
                if row.steps.get(index).is_none_or(|step| step & class == 0) {
                    continue;
                }
                let before =
                    index.checked_sub(1).map(|before| taken.get(before).copied().flatten());
                let near = |last: usize| last < at && at - last <= row.gap + 1;
                if before.is_none_or(|last| last.is_some_and(near))
                    && let Some(step) = taken.get_mut(index)
                {
                    *step = Some(at);
                    if index + 1 == row.steps.len() {
                        whole.push(row.feature);
                    }
                }
            }
        }
        for feature in whole {
            self.note(feature);
        }
    }

    fn note(&mut self, feature: &'static str) {
        match self.found.iter_mut().find(|(name, _)| *name == feature) {
            Some((_, last)) => *last = self.at,
            None => self.found.push((feature, self.at)),
        }
        let near = self.found.iter().filter(|(_, last)| self.at - last <= TOGETHER);
        // Each is a reason of its own: what all of them leave open is the product of what each does.
        let open = near.fold(1.0, |open, (name, _)| open * (1.0 - f64::from(weight(name)) / 100.0));
        self.most = self.most.max(((1.0 - open) * 100.0).round() as u8);
    }

    /// Signs that belong to the templates of conversations.
    fn marks(&mut self, text: &str) {
        let lower = text.to_ascii_lowercase();
        if MARKS.iter().any(|mark| lower.contains(mark)) {
            self.note("template-marks");
        }
    }

    fn unseen(&mut self, text: &str) {
        if text.chars().any(|sign| matches!(sign, '\u{e0001}'..='\u{e007f}')) {
            self.note("hidden-text");
        }
        let several = text.chars().filter(|sign| is_unseen(*sign)).nth(MANY_UNSEEN - 1).is_some();
        if several {
            self.note("unseen-signs");
        }
    }
}

fn weight(feature: &str) -> u8 {
    ROWS.iter().find(|row| row.feature == feature).map_or(0, |row| row.weight)
}

fn is_of_a_word(sign: char) -> bool {
    sign.is_alphanumeric() || matches!(sign, '@' | '$' | '=' | '/' | '+')
}

fn is_unseen(sign: char) -> bool {
    UNSEEN.contains(&sign) || matches!(sign, '\u{e0000}'..='\u{e007f}')
}

/// The letter that a fullwidth one stands for.
fn folded(sign: char) -> char {
    match sign {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(sign) - 0xff01 + 0x21).unwrap_or(sign),
        _ => sign,
    }
}

/// The word that digits and signs among letters stand for.
fn disguised(word: &str) -> Option<String> {
    let letters = word.chars().any(char::is_alphabetic);
    let others = word.chars().any(|sign| !sign.is_alphabetic());
    let plain = |sign| match sign {
        '0' => 'o',
        '1' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        _ => sign,
    };
    (letters && others).then(|| word.trim_matches(['=', '/', '+']).chars().map(plain).collect())
}
