//! What does a call cost?

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};

use crate::validate::usage::{Asks, Kinds, Tier, Unit};

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

/// What a million tokens of each kind cost. A kind without a price of its own costs what is said at it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct Rates {
    /// Tokens in.
    #[serde(default)]
    pub input_per_million: NanoUsd,
    /// Tokens out.
    #[serde(default)]
    pub output_per_million: NanoUsd,
    /// Tokens in that the provider had in its cache; else as tokens in.
    #[serde(default)]
    pub cached_input_per_million: Option<NanoUsd>,
    /// Tokens in that it wrote into its cache; else as tokens in.
    #[serde(default)]
    pub cache_write_per_million: Option<NanoUsd>,
    /// Those that it keeps there for an hour; else as what it writes for less.
    #[serde(default)]
    pub cache_write_1h_per_million: Option<NanoUsd>,
    /// Tokens in that are sound; else as tokens in.
    #[serde(default)]
    pub input_audio_per_million: Option<NanoUsd>,
    /// Tokens out that are sound; else as tokens out.
    #[serde(default)]
    pub output_audio_per_million: Option<NanoUsd>,
}

/// Rates, and those of calls with a long prompt.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct Tariff {
    /// What tokens cost.
    #[serde(flatten)]
    pub rates: Rates,
    /// What a call with a long prompt costs instead, all of it.
    #[serde(default)]
    pub long_prompt: Option<LongPrompt>,
}

/// The price of a call with a long prompt.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub struct LongPrompt {
    /// More tokens in than this are a long prompt.
    pub above: u64,
    /// What tokens cost then.
    #[serde(flatten)]
    pub rates: Rates,
}

/// What a model costs that is paid for by the piece.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum PieceRate {
    /// A picture that is drawn.
    PerImage(NanoUsd),
    /// A million letters that are read aloud.
    PerMillionCharacters(NanoUsd),
    /// A verdict about a text.
    PerModeration(NanoUsd),
}

impl PieceRate {
    /// What so many of a unit cost, in nano-dollars, rounded up; nothing known of another unit.
    fn cost(self, (unit, count): (Unit, u64)) -> Option<u64> {
        match (self, unit) {
            (Self::PerImage(NanoUsd(each)), Unit::Image)
            | (Self::PerModeration(NanoUsd(each)), Unit::Moderation) => {
                Some(each.saturating_mul(count))
            }
            (Self::PerMillionCharacters(rate), Unit::Character) => Some(sum([(count, rate)])),
            _ => None,
        }
    }

    /// Its name in the configuration, and the price.
    #[must_use]
    pub fn named(self) -> (&'static str, NanoUsd) {
        match self {
            Self::PerImage(usd) => ("per_image", usd),
            Self::PerMillionCharacters(usd) => ("per_million_characters", usd),
            Self::PerModeration(usd) => ("per_moderation", usd),
        }
    }
}

/// What a model costs: its tokens, or what it makes.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct Price {
    /// What a piece costs, of a model that is paid for by the piece. Its tokens are not counted, and
    /// calls for anything else have no price.
    #[serde(flatten)]
    pub piece: Option<PieceRate>,
    /// By itself.
    #[serde(flatten)]
    pub standard: Tariff,
    /// In other service tiers; one that has none here costs as the standard.
    #[serde(default)]
    pub tiers: BTreeMap<Tier, Tariff>,
}

impl Price {
    /// A price for tokens in, out, and in from a cache, whatever else they are.
    #[must_use]
    pub fn flat(input: NanoUsd, output: NanoUsd, cached: Option<NanoUsd>) -> Self {
        let (input_per_million, output_per_million) = (input, output);
        let cached_input_per_million = cached;
        Rates {
            input_per_million,
            output_per_million,
            cached_input_per_million,
            ..Rates::default()
        }
        .into()
    }

    /// What a call costs, in nano-dollars, a broken one rounded up. A cost beyond 64 bits is the
    /// largest number: no budget has it.
    #[must_use]
    pub fn cost(&self, tokens_in: u64, tokens_out: u64, kinds: Kinds) -> u64 {
        self.tariff(kinds.tier).rates_of(tokens_in).cost(tokens_in, tokens_out, kinds)
    }

    /// The most that a call of so many tokens can cost, in nano-dollars: what is reserved. A
    /// reservation does not depend on a discount. `None` where the model is paid for by the piece, and
    /// the call asks for none of that kind.
    #[must_use]
    pub fn worst_case(&self, tokens_in: u64, tokens_out: u64, asks: Asks) -> Option<u64> {
        if let Some(piece) = self.piece {
            return asks.pieces.and_then(|pieces| piece.cost(pieces));
        }
        let tariffs = [&self.standard, self.tariff(asks.tier)];
        let rates = tariffs.iter().flat_map(|tariff| tariff.up_to(tokens_in));
        let costs = rates.map(|rates| rates.worst_case(tokens_in, tokens_out, asks));
        Some(costs.max().unwrap_or(u64::MAX))
    }

    fn tariff(&self, tier: Option<Tier>) -> &Tariff {
        tier.and_then(|tier| self.tiers.get(&tier)).unwrap_or(&self.standard)
    }
}

impl From<PieceRate> for Price {
    fn from(piece: PieceRate) -> Self {
        Self { piece: Some(piece), ..Self::default() }
    }
}

impl From<Rates> for Price {
    fn from(rates: Rates) -> Self {
        let standard = Tariff { rates, long_prompt: None };
        Self { piece: None, standard, tiers: BTreeMap::new() }
    }
}

impl Tariff {
    /// The rates for a prompt of that length.
    fn rates_of(&self, tokens_in: u64) -> &Rates {
        self.long_prompt
            .as_ref()
            .filter(|long| tokens_in > long.above)
            .map_or(&self.rates, |long| &long.rates)
    }

    /// All rates for prompts up to that length.
    fn up_to(&self, tokens_in: u64) -> impl Iterator<Item = &Rates> {
        let long = self.long_prompt.as_ref().filter(move |long| tokens_in > long.above);
        std::iter::once(&self.rates).chain(long.map(|long| &long.rates))
    }
}

impl Rates {
    fn cached(&self) -> NanoUsd {
        self.cached_input_per_million.unwrap_or(self.input_per_million)
    }

    fn written(&self) -> NanoUsd {
        self.cache_write_per_million.unwrap_or(self.input_per_million)
    }

    fn written_1h(&self) -> NanoUsd {
        self.cache_write_1h_per_million.unwrap_or(self.written())
    }

    fn audio_in(&self) -> NanoUsd {
        self.input_audio_per_million.unwrap_or(self.input_per_million)
    }

    fn audio_out(&self) -> NanoUsd {
        self.output_audio_per_million.unwrap_or(self.output_per_million)
    }

    fn cost(&self, tokens_in: u64, tokens_out: u64, kinds: Kinds) -> u64 {
        let Kinds { cached, written, written_1h, audio_in, audio_out, tier: _ } = kinds;
        // A provider's slip, more of a kind than of all, is charged and does not wrap.
        let new = [cached, written, audio_in].into_iter().fold(tokens_in, u64::saturating_sub);
        sum([
            (new, self.input_per_million),
            (cached, self.cached()),
            (written.saturating_sub(written_1h), self.written()),
            (written_1h, self.written_1h()),
            (audio_in, self.audio_in()),
            (tokens_out.saturating_sub(audio_out), self.output_per_million),
            (audio_out, self.audio_out()),
        ])
    }

    fn worst_case(&self, tokens_in: u64, tokens_out: u64, asks: Asks) -> u64 {
        let mut input = self.input_per_million.max(self.cached());
        let mut output = self.output_per_million;
        if asks.cache {
            input = input.max(self.written()).max(self.written_1h());
        }
        if asks.audio {
            (input, output) = (input.max(self.audio_in()), output.max(self.audio_out()));
        }
        sum([(tokens_in, input), (tokens_out, output)])
    }
}

/// So many tokens at so much a million each, rounded up.
fn sum(parts: impl IntoIterator<Item = (u64, NanoUsd)>) -> u64 {
    let part = |(tokens, NanoUsd(rate)): (u64, NanoUsd)| u128::from(tokens) * u128::from(rate);
    let cost = parts.into_iter().map(part).fold(0, u128::saturating_add).div_ceil(MILLION);
    u64::try_from(cost).unwrap_or(u64::MAX)
}

/// The prices that come with the program: what OpenAI and Anthropic take, in each service tier.
/// `prices.json` names the source and its date, and `xtask/prices.py` makes it; what the
/// configuration says goes before it.
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

/// The row of the table that a model is charged by: its own, that of the model it is a dated
/// version of, or the ceiling.
#[must_use]
pub fn row<'a>(prices: &'a BTreeMap<String, Price>, model: &str) -> Option<(&'a str, &'a Price)> {
    let named = |name: &str| prices.get_key_value(name);
    let row = named(model).or_else(|| named(undated(model)?)).or_else(|| named(CEILING))?;
    Some((row.0, row.1))
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

    fn cached(cached: u64) -> Kinds {
        Kinds { cached, ..Kinds::default() }
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
        assert_eq!(price.cost(1_000_000, 0, cached(0)), NANO);
        assert_eq!(price.cost(1_000, 500, cached(400)), 600_000 + 1_500_000 + 40_000);
        let cheap = Price::flat(NanoUsd(1), NanoUsd(1), None);
        let cost = |tokens_in, tokens_out| cheap.cost(tokens_in, tokens_out, cached(0));
        assert_eq!((cost(0, 0), cost(1, 0), cost(0, 1)), (0, 1, 1));
        assert_eq!(price.cost(u64::MAX, u64::MAX, cached(0)), u64::MAX);
        // More cached than sent: a provider's slip is charged and does not wrap.
        assert_eq!(price.cost(10, 0, cached(20)), 2_000);
    }

    #[test]
    fn a_long_prompt_makes_the_whole_call_dearer() {
        let prices = builtin();
        let price = find(&prices, "gpt-5.6-sol").unwrap();
        assert_eq!(price.cost(272_000, 0, cached(0)), 272_000 * 4_000);
        assert_eq!(price.cost(272_001, 10, cached(0)), 272_001 * 8_000 + 10 * 30_000);
    }

    #[test]
    fn the_table_is_read_and_a_dated_name_finds_its_model() {
        let prices = builtin();
        assert!(prices.len() > 40, "{}", prices.len());
        let of = |model| find(&prices, model);
        assert_eq!(of("gpt-4o-mini").unwrap().standard.rates.input_per_million, usd("0.15"));
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
            if price.piece.is_some() {
                assert_eq!(price.standard, Tariff::default(), "{name}: tokens are not counted");
                continue;
            }
            let tariffs = price.tiers.values().chain([&price.standard]);
            for tariff in tariffs {
                assert!(tariff.rates.input_per_million.0 > 0, "{name} is free");
            }
        }
    }

    #[test]
    fn what_is_written_into_a_cache_and_what_is_sound_cost_what_they_cost() {
        let prices = builtin();
        let claude = find(&prices, "claude-opus-4-5").unwrap();
        let kinds = Kinds { cached: 100, written: 30, written_1h: 10, ..Kinds::default() };
        // $5 in, $0.50 from the cache, $6.25 and $10 into it.
        let cost = 70 * 5_000 + 100 * 500 + 20 * 6_250 + 10 * 10_000;
        assert_eq!(claude.cost(200, 0, kinds), cost);
        let half = Kinds { tier: Some(Tier::Batch), ..kinds };
        assert_eq!(claude.cost(200, 0, half), cost / 2);
        let audio = find(&prices, "gpt-audio").unwrap();
        let kinds = Kinds { audio_in: 60, audio_out: 10, ..Kinds::default() };
        assert_eq!(
            audio.cost(100, 30, kinds),
            40 * 2_500 + 60 * 32_000 + 20 * 10_000 + 10 * 64_000
        );
    }

    #[test]
    fn what_is_reserved_depends_on_what_the_call_asks_for() {
        let prices = builtin();
        let claude = find(&prices, "claude-opus-4-5").unwrap();
        let plain = Asks::default();
        assert_eq!(claude.worst_case(100, 10, plain), Some(100 * 5_000 + 10 * 25_000));
        let caches = Asks { cache: true, ..plain };
        assert_eq!(claude.worst_case(100, 10, caches), Some(100 * 10_000 + 10 * 25_000));
        let gpt = find(&prices, "gpt-5.4").unwrap();
        let tier = |tier| Asks { tier: Some(tier), ..plain };
        let dear = 100 * 5_000 + 10 * 30_000;
        assert_eq!(gpt.worst_case(100, 10, tier(Tier::Priority)), Some(dear));
        // A discount is not counted on: nobody knows how the call will be served.
        assert_eq!(gpt.worst_case(100, 10, tier(Tier::Flex)), gpt.worst_case(100, 10, plain));
    }

    #[test]
    fn what_is_paid_for_by_the_piece_has_no_price_for_anything_else() {
        let prices = builtin();
        let asks = |pieces| Asks { pieces: Some(pieces), ..Asks::default() };
        let cost = |model: &str, asks| find(&prices, model).unwrap().worst_case(1000, 1000, asks);
        let two = asks((Unit::Image, 2));
        assert_eq!(cost("dall-e-3", two), Some(2 * 120_000_000));
        assert_eq!(cost("tts-1", asks((Unit::Character, 1001))), Some(1001 * 15_000));
        assert_eq!(cost("omni-moderation-latest", asks((Unit::Moderation, 1))), Some(0));
        assert_eq!(find(&prices, "omni-moderation-2024-09-26"), find(&prices, "omni-moderation"));
        for model in ["dall-e-3", "tts-1", "omni-moderation-latest"] {
            assert_eq!(cost(model, Asks::default()), None, "{model} for a chat");
        }
        assert_eq!(cost("tts-1", two), None);
        assert!(cost("gpt-image-1", two).unwrap() > 0, "this one is paid for by its tokens");
    }

    #[test]
    fn a_model_without_a_price_costs_the_ceiling_or_is_not_for_sale() {
        let mut prices = builtin();
        assert_eq!(find_or_ceiling(&prices, "nobody-knows"), None);
        let ceiling = Price::flat(usd("100"), usd("200"), None);
        prices.insert(CEILING.into(), ceiling.clone());
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
            rates in prop::array::uniform3(prop::array::uniform7(0_u64..100 * NANO)),
            above in 0_u64..2_000_000,
            tokens_in in 0_u64..4_000_000,
            tokens_out in 0_u64..4_000_000,
            parts in prop::array::uniform4(0.0..1.0),
            priority: bool,
        ) {
            let [standard, long, dear] = rates.map(seven);
            let long_prompt = Some(LongPrompt { above, rates: long });
            let standard = Tariff { rates: standard, long_prompt };
            let dear = Tariff { rates: dear, long_prompt: None };
            let price = Price { piece: None, standard, tiers: [(Tier::Priority, dear)].into() };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of it")]
            let of = |part: f64, whole: u64| (part * whole as f64) as u64;
            let [a, b, c, d] = parts;
            let cached = of(a, tokens_in);
            let written = of(b, tokens_in - cached);
            let audio_in = of(c, tokens_in - cached - written);
            let tier = priority.then_some(Tier::Priority);
            let (written_1h, audio_out) = (of(c, written), of(d, tokens_out));
            let kinds = Kinds { cached, written, written_1h, audio_in, audio_out, tier };
            let asks = Asks { cache: true, audio: true, tier, pieces: None };
            let cost = price.cost(tokens_in, tokens_out, kinds);
            prop_assert!(Some(cost) <= price.worst_case(tokens_in, tokens_out, asks));
        }
    }

    fn seven(rates: [u64; 7]) -> Rates {
        let [input, output, cached, written, written_1h, audio_in, audio_out] = rates.map(NanoUsd);
        Rates {
            input_per_million: input,
            output_per_million: output,
            cached_input_per_million: Some(cached),
            cache_write_per_million: Some(written),
            cache_write_1h_per_million: Some(written_1h),
            input_audio_per_million: Some(audio_in),
            output_audio_per_million: Some(audio_out),
        }
    }
}
