//! Is this a telephone number as people at home write it, without the country's code?
//!
//! Such numbers look like any other, and are found unasked only beside a word such as `phone`. Whoever
//! knows where their users live names the regions ([`Config::phone_regions`](crate::Config)).

use crate::{Anchor, End, Entity, Peek, Recognizer, Window, digits, phone};

/// How numbers are dialled within a region: the beginnings that there are, and how many digits follow
/// in all, the trunk prefix included.
struct Plan {
    leads: &'static [&'static str],
    digits: std::ops::RangeInclusive<usize>,
}

macro_rules! regions {
    ($($region:literal $digits:expr, $leads:expr, yes $yes:expr, no $no:expr;)*) => {
        /// A row for each region, by its ISO 3166 code.
        pub(crate) static REGIONS: &[(&str, Recognizer)] = &[$(($region, Recognizer {
            entity: Entity::PHONE_NUMBER,
            finds: concat!("a number as it is written within ", $region),
            starts: |b| b.is_ascii_digit() || b == b'(',
            anchors: &[Anchor::Number { first: (1, 12), then: &[], digits: 7 }],
            check: |window: &Window<'_>, at: usize| {
                written_at_home(window, at, &Plan { leads: &$leads, digits: $digits })
            },
            score: 0.55,
            context: &[],
            against: &[],
            max_len: phone::MAX_LEN,
            yes: &$yes,
            no: &$no,
        })),*];
    };
}

// The national numbering plans (ITU-T E.164, national notices), as far as they tell subscribers'
// numbers apart by beginning and length.
regions! {
    "AT" 7..=13, ["01", "02", "03", "04", "05", "06", "07"], yes ["01 5123456", "0664 1234567"], no ["0812345678", "1 5123456"];
    "AU" 10..=10, ["02", "03", "04", "07", "08"], yes ["02 9374 4000", "0412345678"], no ["0112345678", "041234567"];
    "BE" 9..=10, ["01", "02", "03", "04", "05", "06", "07", "08", "09"], yes ["02 555 12 12", "0470123456"], no ["2 555 12 12", "00 555 12 12"];
    "BR" 10..=11, ["1", "2", "3", "4", "5", "6", "7", "8", "9"], yes ["(11) 98456-5666", "2134567890"], no ["0134567890", "11984565"];
    "CA" 10..=10, ["2", "3", "4", "5", "6", "7", "8", "9"], yes ["6135550132"], no ["1135550132"];
    "CH" 10..=10, ["02", "03", "04", "05", "06", "07", "08", "09"], yes ["044 668 18 00", "0791234567"], no ["011 668 18 00"];
    "DE" 7..=13, ["01", "02", "03", "04", "05", "06", "07", "08", "09"], yes ["030 1234567", "0171 2345678", "089/12345678"], no ["30 1234567", "00 1234567", "01.02.2024"];
    "DK" 8..=8, ["2", "3", "4", "5", "6", "7", "8", "9"], yes ["32 12 34 56"], no ["12 12 34 56", "20240517"];
    "ES" 9..=9, ["6", "7", "8", "9"], yes ["612 34 56 78", "912345678"], no ["512345678"];
    "FI" 7..=11, ["01", "02", "03", "04", "05", "06", "07", "08", "09"], yes ["040 1234567"], no ["40 1234567"];
    "FR" 10..=10, ["01", "02", "03", "04", "05", "06", "07", "08", "09"], yes ["0612345678", "01.42.68.53.00"], no ["0012345678", "612345678"];
    "GB" 10..=11, ["01", "02", "03", "05", "07", "08", "09"], yes ["02079460958", "07700 900123"], no ["2079460958", "0123456"];
    "IE" 8..=10, ["01", "02", "04", "05", "06", "07", "08", "09"], yes ["085 123 4567", "01 6711111"], no ["85 123 4567"];
    "IN" 10..=11, ["6", "7", "8", "9", "01", "02", "03", "04", "05", "06", "07", "08", "09"], yes ["98765 43210", "022 2345 6789"], no ["1876543210"];
    "IT" 8..=11, ["01", "02", "03", "04", "05", "06", "07", "08", "09", "3"], yes ["06 12345678", "345 6789012"], no ["16 12345678"];
    "JP" 10..=11, ["01", "02", "03", "04", "05", "06", "07", "08", "09"], yes ["0312345678", "090 1234 5678"], no ["312345678"];
    "MX" 10..=10, ["2", "3", "4", "5", "6", "7", "8", "9"], yes ["55 1234 5678"], no ["15 1234 5678"];
    "NL" 10..=10, ["01", "02", "03", "04", "05", "06", "07", "08", "09"], yes ["020 123 4567", "0612345678"], no ["20 123 4567"];
    "NO" 8..=8, ["2", "3", "4", "5", "6", "7", "8", "9"], yes ["22 12 34 56"], no ["12 12 34 56"];
    "NZ" 9..=11, ["02", "03", "04", "06", "07", "09"], yes ["021 123 4567"], no ["011 123 4567"];
    "PL" 9..=9, ["1", "2", "3", "4", "5", "6", "7", "8", "9"], yes ["512 345 678"], no ["012 345 678"];
    "PT" 9..=9, ["2", "3", "9"], yes ["912 345 678"], no ["412 345 678"];
    "SE" 8..=11, ["01", "02", "03", "04", "05", "06", "07", "08", "09"], yes ["070-123 45 67", "08 123 456 78"], no ["70-123 45 67"];
    "US" 10..=10, ["2", "3", "4", "5", "6", "7", "8", "9"], yes ["4155550132"], no ["1155550132", "41555501321"];
    "ZA" 10..=10, ["01", "02", "03", "04", "05", "06", "07", "08"], yes ["082 123 4567"], no ["82 123 4567"];
}

fn written_at_home(window: &Window<'_>, at: usize, plan: &Plan) -> Peek<Option<End>> {
    let parenthesis = window.is(at, |b| b == b'(')?;
    let first = at + usize::from(parenthesis);
    if !digits::may_begin(window, at) || !window.is(first, |b| b.is_ascii_digit())? {
        return Ok(None);
    }
    let (count, end) = phone::groups(window, first, *plan.digits.end())?;
    if !plan.digits.contains(&count) || phone::is_date(window, first)? {
        return Ok(None);
    }
    let begins = |lead: &&str| {
        let mut values = digits::values(window, first, end);
        lead.bytes().all(|expected| values.next() == Some(expected - b'0'))
    };
    if !plan.leads.iter().any(begins) || is_day(window, first, end) {
        return Ok(None);
    }
    phone::finish(window, end)
}

/// `20240517`: eight digits in one run that are a day are no number, where numbers have eight.
fn is_day(window: &Window<'_>, at: usize, end: usize) -> bool {
    let number = digits::number(window, at, end);
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    end - at == 8
        && (1900..2100).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, RECOGNIZERS, Scanner, config::MAX_REGIONS, dispatch::MOST_ROWS};

    #[test]
    fn every_region_finds_its_examples_and_not_its_counterexamples() {
        let mut wrong = Vec::new();
        for (region, row) in REGIONS {
            let home = Config { phone_regions: vec![(*region).to_owned()], ..Config::default() };
            let scanner = Scanner::new(&home).expect("sound");
            for text in row.yes {
                if scanner
                    .scan(text)
                    .first()
                    .is_none_or(|found| found.end - found.start != text.len())
                {
                    wrong.push(format!("{region} misses {text:?}"));
                }
            }
            for text in row.no {
                if !scanner.scan(text).is_empty() {
                    wrong.push(format!("{region} finds something in {text:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn there_are_places_for_as_many_regions_as_may_be_named() {
        assert!(RECOGNIZERS.len() + MAX_REGIONS <= MOST_ROWS, "{}", RECOGNIZERS.len());
    }
}
