//! What does a call cost?

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};

/// An amount of money: billionths of a US dollar. Whole numbers, so that nothing is lost on the
/// way between a price list and a budget.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NanoUsd(pub u64);

const NANO: u64 = 1_000_000_000;
const DECIMALS: usize = 9;
const MILLION: u128 = 1_000_000;

/// Why a text is no amount of money.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadAmount {
    /// It is not digits with at most one point.
    #[error("`{0}` is no amount of dollars: write it like `100.00`, without a sign or exponent")]
    Form(String),
    /// It is finer than what is counted.
    #[error("`{0}` has more than 9 decimals: the smallest amount is a billionth of a dollar")]
    TooFine(String),
    /// It is beyond all measure.
    #[error("`{0}` is too large: at most 18 billion dollars")]
    TooLarge(String),
}

impl NanoUsd {
    /// Reads an amount of dollars from its text, exactly: `100.00`, `0.000000001`, `5`.
    ///
    /// # Errors
    /// [`BadAmount`] says what is wrong with it.
    pub fn parse_usd(text: &str) -> Result<Self, BadAmount> {
        let shown = || text.chars().take(40).collect::<String>();
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(BadAmount::Form(shown()));
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > DECIMALS {
            return Err(BadAmount::TooFine(shown()));
        }
        let nano = fraction.bytes().chain(std::iter::repeat(b'0')).take(DECIMALS);
        let nano = nano.fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        let whole = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(NANO));
        let sum = whole.and_then(|whole| whole.checked_add(nano));
        sum.map(Self).ok_or_else(|| BadAmount::TooLarge(shown()))
    }
}

/// Dollars, exactly: `0.000150`, at least two decimals.
impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:09}", self.0 % NANO);
        write!(f, "{}.{:0<2}", self.0 / NANO, fraction.trim_end_matches('0'))
    }
}

impl<'de> Deserialize<'de> for NanoUsd {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        Self::parse_usd(&String::deserialize(source)?).map_err(serde::de::Error::custom)
    }
}

/// What a model's tokens cost.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// A million tokens in.
    pub input_per_million: NanoUsd,
    /// A million tokens out.
    pub output_per_million: NanoUsd,
    /// A million tokens in that the provider had in its cache. Absent: the price of input.
    #[serde(default)]
    pub cached_input_per_million: Option<NanoUsd>,
    /// What a call with a long prompt costs instead, all of it.
    #[serde(default)]
    pub long_prompt: Option<LongPrompt>,
}

/// The price of a call with a long prompt.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct LongPrompt {
    /// More tokens in than this are a long prompt.
    pub above: u64,
    /// A million tokens in.
    pub input_per_million: NanoUsd,
    /// A million tokens out.
    pub output_per_million: NanoUsd,
    /// A million tokens in that the provider had in its cache. Absent: the price of input.
    #[serde(default)]
    pub cached_input_per_million: Option<NanoUsd>,
}

impl Price {
    /// A price that does not depend on the length of the prompt.
    #[must_use]
    pub fn flat(input: NanoUsd, output: NanoUsd, cached: Option<NanoUsd>) -> Self {
        let (input_per_million, output_per_million) = (input, output);
        let (cached_input_per_million, long_prompt) = (cached, None);
        Self { input_per_million, output_per_million, cached_input_per_million, long_prompt }
    }

    /// What a call costs, in nano-dollars, a broken one rounded up. `tokens_cached` are among
    /// `tokens_in`. A cost beyond 64 bits is the largest number: no budget has it.
    #[must_use]
    pub fn cost(&self, tokens_in: u64, tokens_out: u64, tokens_cached: u64) -> u64 {
        let (input, output, cached) = self.rates(tokens_in);
        let part = |tokens: u64, NanoUsd(rate): NanoUsd| u128::from(tokens) * u128::from(rate);
        let new = tokens_in.saturating_sub(tokens_cached);
        let cost = part(new, input)
            .saturating_add(part(tokens_cached, cached))
            .saturating_add(part(tokens_out, output))
            .div_ceil(MILLION);
        u64::try_from(cost).unwrap_or(u64::MAX)
    }

    /// The most that a call of so many tokens can cost, in nano-dollars: what is reserved.
    #[must_use]
    pub fn worst_case(&self, tokens_in: u64, tokens_out: u64) -> u64 {
        // A cache that costs more than none, or a discount for long prompts, would be news; but a
        // reservation must not depend on it.
        let fresh = self.cost(tokens_in, tokens_out, 0);
        let cached = self.cost(tokens_in, tokens_out, tokens_in);
        let short = Self { long_prompt: None, ..*self }.cost(tokens_in, tokens_out, 0);
        fresh.max(cached).max(short)
    }

    /// Input, output and cached input for a prompt of that length.
    fn rates(&self, tokens_in: u64) -> (NanoUsd, NanoUsd, NanoUsd) {
        let (input, output, cached) = match self.long_prompt {
            Some(long) if tokens_in > long.above => {
                (long.input_per_million, long.output_per_million, long.cached_input_per_million)
            }
            _ => (self.input_per_million, self.output_per_million, self.cached_input_per_million),
        };
        (input, output, cached.unwrap_or(input))
    }
}

/// The prices that come with the program: standard rates of OpenAI and Anthropic, without batch
/// or priority service and without what writing into a cache costs. `prices.json` names the source
/// and its date; what the configuration says goes before it.
#[must_use]
pub fn builtin() -> BTreeMap<String, Price> {
    // Shipped with the program and read by a test: no table would mean no prices, so refusals.
    let table: Option<Table> = serde_json::from_str(include_str!("prices.json")).ok();
    table.map(|table| table.models).unwrap_or_default()
}

/// The price of a model: under its own name, or under that of the model it is a dated version of
/// (`gpt-4o-2024-08-06`, `claude-opus-4-1-20250805`). A model that is not in the table has none.
#[must_use]
pub fn find<'a>(prices: &'a BTreeMap<String, Price>, model: &str) -> Option<&'a Price> {
    prices.get(model).or_else(|| prices.get(undated(model)?))
}

/// What a model without a price of its own is charged at, where the configuration says so: the row
/// of this name. Without it such a call is refused, and never taken for free.
pub const CEILING: &str = "*";

/// The price of a model, or the ceiling where it has none.
#[must_use]
pub fn find_or_ceiling<'a>(prices: &'a BTreeMap<String, Price>, model: &str) -> Option<&'a Price> {
    find(prices, model).or_else(|| prices.get(CEILING))
}

/// Where the prices that come with the program are from, and of which day.
#[must_use]
pub fn source() -> String {
    let table: Option<Table> = serde_json::from_str(include_str!("prices.json")).ok();
    table.map(|table| table.source).unwrap_or_default()
}

#[derive(Deserialize)]
struct Table {
    source: String,
    models: BTreeMap<String, Price>,
}

/// The name without `-YYYYMMDD` or `-YYYY-MM-DD` at its end.
fn undated(model: &str) -> Option<&str> {
    let shapes = ["-dddddddd", "-dddd-dd-dd"];
    shapes.into_iter().find_map(|shape| {
        let (name, date) = model.split_at_checked(model.len().checked_sub(shape.len())?)?;
        let fits = |(byte, want): (u8, u8)| match want {
            b'd' => byte.is_ascii_digit(),
            _ => byte == want,
        };
        (!name.is_empty() && date.bytes().zip(shape.bytes()).all(fits)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(text: &str) -> NanoUsd {
        NanoUsd::parse_usd(text).unwrap()
    }

    #[test]
    fn an_amount_is_read_from_its_text_to_the_last_digit() {
        assert_eq!(usd("100.00"), NanoUsd(100 * NANO));
        assert_eq!(usd("0.1"), NanoUsd(NANO / 10));
        assert_eq!(usd("0.000000001"), NanoUsd(1));
        assert_eq!(usd("1.0000000000000"), NanoUsd(NANO));
        assert_eq!(usd("18446744073.709551615"), NanoUsd(u64::MAX));
    }

    #[test]
    fn what_is_no_amount_is_refused_and_never_rounded() {
        for text in [
            "", ".", "1.", ".5", "-1", "+1", "1e3", "1,000", "0x1", " 1", "1 ", "NaN", "1.2.3", "١",
        ] {
            assert!(matches!(NanoUsd::parse_usd(text), Err(BadAmount::Form(_))), "{text}");
        }
        assert!(matches!(NanoUsd::parse_usd("0.0000000001"), Err(BadAmount::TooFine(_))));
        for text in ["18446744073.709551616", "18446744074", "99999999999999999999"] {
            assert!(matches!(NanoUsd::parse_usd(text), Err(BadAmount::TooLarge(_))), "{text}");
        }
    }

    #[test]
    fn a_cost_is_rounded_up_and_never_wraps() {
        let price = Price::flat(usd("1.00"), usd("3.00"), Some(usd("0.10")));
        assert_eq!(price.cost(1_000_000, 0, 0), NANO);
        assert_eq!(price.cost(1_000, 500, 400), 600_000 + 1_500_000 + 40_000);
        let cheap = Price::flat(NanoUsd(1), NanoUsd(1), None);
        assert_eq!((cheap.cost(0, 0, 0), cheap.cost(1, 0, 0), cheap.cost(0, 1, 0)), (0, 1, 1));
        assert_eq!(price.cost(u64::MAX, u64::MAX, 0), u64::MAX);
        // More cached than sent: a provider's slip is charged and does not wrap.
        assert_eq!(price.cost(10, 0, 20), 2_000);
    }

    #[test]
    fn a_long_prompt_makes_the_whole_call_dearer() {
        let prices = builtin();
        let price = find(&prices, "gpt-5.6-sol").unwrap();
        assert_eq!(price.cost(272_000, 0, 0), 272_000 * 4_000);
        assert_eq!(price.cost(272_001, 10, 0), 272_001 * 8_000 + 10 * 30_000);
    }

    #[test]
    fn the_table_is_read_and_a_dated_name_finds_its_model() {
        let prices = builtin();
        assert!(prices.len() > 40, "{}", prices.len());
        let of = |model| find(&prices, model);
        assert_eq!(of("gpt-4o-mini").unwrap().input_per_million, usd("0.15"));
        assert_eq!(of("gpt-4o-mini-2024-07-18"), of("gpt-4o-mini"));
        assert_eq!(of("claude-opus-4-1-20250805"), of("claude-opus-4-1"));
        // That one cost more than its successors, and has a row of its own.
        assert_ne!(of("gpt-4o-2024-05-13"), of("gpt-4o"));
        for unknown in
            ["", "gpt", "gpt-4o-", "gpt-4o-latest-2024", "-20250805", "GPT-4o", "ñ-20250805"]
        {
            assert_eq!(of(unknown), None, "{unknown}");
        }
        for (name, price) in &prices {
            assert!(price.input_per_million.0 > 0, "{name} is free");
        }
    }

    #[test]
    fn a_model_without_a_price_costs_the_ceiling_or_is_not_for_sale() {
        let mut prices = builtin();
        assert_eq!(find_or_ceiling(&prices, "nobody-knows"), None);
        let ceiling = Price::flat(usd("100"), usd("200"), None);
        prices.insert(CEILING.into(), ceiling);
        assert_eq!(find_or_ceiling(&prices, "nobody-knows"), Some(&ceiling));
        assert_eq!(find_or_ceiling(&prices, "gpt-4o"), find(&prices, "gpt-4o"));
        assert!(source().contains("as of 20"), "{}", source());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(nano: u64) {
            prop_assert_eq!(NanoUsd::parse_usd(&NanoUsd(nano).to_string()), Ok(NanoUsd(nano)));
        }

        #[test]
        fn no_way_of_billing_costs_more_than_the_worst_case(
            rates in prop::array::uniform6(0_u64..100 * NANO),
            above in 0_u64..2_000_000,
            tokens_in in 0_u64..4_000_000,
            tokens_out in 0_u64..4_000_000,
            cached in 0_u64..4_000_000,
        ) {
            let [a, b, c, d, e, f] = rates.map(NanoUsd);
            let long = LongPrompt {
                above,
                input_per_million: d,
                output_per_million: e,
                cached_input_per_million: Some(f),
            };
            let price = Price { long_prompt: Some(long), ..Price::flat(a, b, Some(c)) };
            let cost = price.cost(tokens_in, tokens_out, cached.min(tokens_in));
            prop_assert!(cost <= price.worst_case(tokens_in, tokens_out));
        }
    }
}
