//! `bartizan prices`: what does a model cost here?

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use bartizan_core::limit::price::{PieceRate, Rates, Tariff};
use bartizan_core::limit::{NanoUsd, Price, price};
use serde_json::{Map, Value};

use super::identities::Format;
use crate::config::settings::Endpoint;
use crate::config::{self, Overrides, Paint};

/// What models cost.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Prices {
    /// Lists the prices of all models, or of one: those that come with the program, and those of
    /// the configuration over them. US dollars a million tokens.
    List {
        /// Only this model, as a call would name it.
        model: Option<String>,
        /// The configuration. Default: `bartizan.yaml`, where there is one in the folder; without one
        /// the prices that come with the program.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// How the result is written.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
}

/// Models that are paid for by the length of a sound, by how their names begin: calls that send one need an
/// endpoint of their own, at which nothing of them is read.
const BY_TIME: [&str; 3] = ["gpt-4o-mini-transcribe", "gpt-4o-transcribe", "whisper-"];

/// The configuration where none is named.
const USUAL: &str = "bartizan.yaml";

/// Prints them; 1 where the model that was asked for has no price.
///
/// # Errors
/// The configuration is not sound, or `out` cannot be written.
pub fn run(command: &Prices, out: &mut dyn Write) -> anyhow::Result<u8> {
    let Prices::List { model, config, format } = command;
    let builtin = price::builtin();
    let mut stood_for = None;
    let usual = Path::new(USUAL);
    // One that was named must be there: without it the prices would be other ones.
    let read = config.as_deref().or_else(|| usual.exists().then_some(usual));
    let prices = if let Some(config) = read {
        let examined = config::examine(config, &Overrides::default(), &config::process_environment);
        let settings = examined.into_settings().map_err(|findings| {
            let text = findings.to_text(&config.display().to_string(), Paint::Plain);
            anyhow!("{}", text.trim_end().to_owned())
        })?;
        stood_for = model.as_deref().and_then(|model| stands_for(&settings.endpoints, model));
        settings.prices
    } else {
        Arc::new(builtin.clone())
    };
    // `name` is what was asked for, and `charged` the row of the table.
    let row = |name: &str, (charged, price): (&str, &Price), out: &mut dyn Write| {
        let own = builtin.get(charged) != Some(price);
        let mut from = if own { "configuration" } else { "built in" }.to_owned();
        if name != charged {
            from.push_str(&format!(", charged as `{charged}`"));
        }
        match format {
            Format::Text => writeln!(out, "{}", line(name, price, &from)),
            Format::Json => writeln!(out, "{}", object(name, charged, price, own)),
        }
    };
    if let Some(model) = model {
        let asked = stood_for.as_deref().unwrap_or(model);
        let Some(found) = price::row(&prices, asked) else {
            let by_time = BY_TIME.iter().any(|heard| asked.starts_with(heard));
            let why = if by_time {
                ": it is paid for by the length of the sound, which is not measured here; give its \
                 endpoint a budget in `requests`"
            } else {
                ": where money is counted it is refused"
            };
            writeln!(out, "`{model}` has no price here{why}")?;
            return Ok(1);
        };
        row(model, found, out)?;
        return Ok(0);
    }
    if *format == Format::Text {
        writeln!(out, "# {}", price::source())?;
    }
    for (name, price) in prices.iter() {
        row(name, (name, price), out)?;
    }
    Ok(0)
}

/// What a name stands for at the endpoint that says so.
fn stands_for(endpoints: &[Endpoint], model: &str) -> Option<Arc<str>> {
    let named = endpoints.iter().filter_map(|endpoint| endpoint.names.models.as_ref());
    named.into_iter().find_map(|named| named.stands_for(model).cloned())
}

fn line(name: &str, price: &Price, from: &str) -> String {
    if let Some((per, usd)) = price.piece.map(PieceRate::named) {
        return format!("{name}  {} {usd}  ({from})", per.replace('_', " "));
    }
    let mut line = format!("{name}  {}  ({from})", shown(&price.standard));
    for (tier, tariff) in &price.tiers {
        line.push_str(&format!("; {}: {}", tier.name(), shown(tariff)));
    }
    line
}

/// `in 5  cached 0.50  out 25.00`, and whatever else has a price of its own.
fn shown(tariff: &Tariff) -> String {
    let rates = |rates: &Rates| {
        let parts =
            parts(rates).filter_map(|(name, _, amount)| Some(format!("{name} {}", amount?)));
        parts.collect::<Vec<_>>().join("  ")
    };
    let long = tariff.long_prompt.as_ref();
    let long = long.map(|long| format!("  above {} tokens in: {}", long.above, rates(&long.rates)));
    rates(&tariff.rates) + &long.unwrap_or_default()
}

/// What there may be a price for: its name in a line, its member in JSON, and the price.
fn parts(rates: &Rates) -> impl Iterator<Item = (&'static str, &'static str, Option<NanoUsd>)> {
    [
        ("in", "input_per_million", Some(rates.input_per_million)),
        ("cached", "cached_input_per_million", rates.cached_input_per_million),
        ("cache write", "cache_write_per_million", rates.cache_write_per_million),
        ("for an hour", "cache_write_1h_per_million", rates.cache_write_1h_per_million),
        ("audio in", "input_audio_per_million", rates.input_audio_per_million),
        ("out", "output_per_million", Some(rates.output_per_million)),
        ("audio out", "output_audio_per_million", rates.output_audio_per_million),
    ]
    .into_iter()
}

fn object(name: &str, charged: &str, price: &Price, own: bool) -> Value {
    let from = if own { "configuration" } else { "built in" };
    let mut object = match price.piece.map(PieceRate::named) {
        Some((per, usd)) => Map::from_iter([(per.to_owned(), usd.to_string().into())]),
        None => of_tariff(&price.standard),
    };
    let tiers = price.tiers.iter();
    let tiers = tiers.map(|(tier, tariff)| (tier.name().to_owned(), of_tariff(tariff).into()));
    object.insert("model".into(), name.into());
    object.insert("charged_as".into(), charged.into());
    object.insert("from".into(), from.into());
    object.insert("tiers".into(), Value::Object(tiers.collect()));
    Value::Object(object)
}

fn of_tariff(tariff: &Tariff) -> Map<String, Value> {
    let mut object = of_rates(&tariff.rates);
    let long = tariff.long_prompt.as_ref().map(|long| {
        let mut object = of_rates(&long.rates);
        object.insert("above".into(), long.above.into());
        Value::Object(object)
    });
    object.insert("long_prompt".into(), long.unwrap_or_default());
    object
}

fn of_rates(rates: &Rates) -> Map<String, Value> {
    let text = |amount: Option<NanoUsd>| amount.map(|amount| amount.to_string()).into();
    parts(rates).map(|(_, member, amount)| (member.to_owned(), text(amount))).collect()
}
