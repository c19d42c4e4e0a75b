//! `bartizan prices`: what does a model cost here?

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use bartizan_core::limit::{NanoUsd, Price, price};
use serde_json::json;

use super::identities::Format;
use crate::config::{self, Overrides, Paint};

/// What models cost.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Prices {
    /// Lists the prices of all models, or of one: those that come with the program, and those of
    /// the configuration over them. US dollars a million tokens.
    List {
        /// Only this model, as a call would name it.
        model: Option<String>,
        /// The configuration; without one in the folder, the prices that come with the program.
        #[arg(long, value_name = "FILE", default_value = "bartizan.yaml")]
        config: PathBuf,
        /// How the result is written.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
}

/// Prints them; 1 where the model that was asked for has no price.
///
/// # Errors
/// The configuration is not sound, or `out` cannot be written.
pub fn run(command: &Prices, out: &mut dyn Write) -> anyhow::Result<u8> {
    let Prices::List { model, config, format } = command;
    let builtin = price::builtin();
    let prices = if config.exists() {
        let examined = config::examine(config, &Overrides::default(), &config::process_environment);
        let settings = examined.into_settings().map_err(|findings| {
            let text = findings.to_text(&config.display().to_string(), Paint::Plain);
            anyhow!("{}", text.trim_end().to_owned())
        })?;
        settings.prices
    } else {
        Arc::new(builtin.clone())
    };
    let row = |name: &str, price: &Price, out: &mut dyn Write| -> anyhow::Result<()> {
        let own = builtin.get(name) != Some(price);
        let from = if own { "configuration" } else { "built in" };
        match format {
            Format::Text => writeln!(out, "{}", line(name, price, from))?,
            Format::Json => writeln!(out, "{}", object(name, price, from))?,
        }
        Ok(())
    };
    if let Some(model) = model {
        let Some(price) = price::find_or_ceiling(&prices, model) else {
            writeln!(out, "`{model}` has no price here: where money is counted it is refused")?;
            return Ok(1);
        };
        row(model, price, out)?;
        return Ok(0);
    }
    if *format == Format::Text {
        writeln!(out, "# {}", price::source())?;
    }
    for (name, price) in prices.iter() {
        row(name, price, out)?;
    }
    Ok(0)
}

fn line(name: &str, price: &Price, from: &str) -> String {
    let Price { input_per_million, output_per_million, .. } = price;
    let cached = price.cached_input_per_million.unwrap_or(*input_per_million);
    let mut line = format!(
        "{name}  in {input_per_million}  cached {cached}  out {output_per_million}  ({from})"
    );
    if let Some(long) = price.long_prompt {
        let (input, output) = (long.input_per_million, long.output_per_million);
        line.push_str(&format!("; above {} tokens in {input}  out {output}", long.above));
    }
    line
}

fn object(name: &str, price: &Price, from: &str) -> serde_json::Value {
    let text = |amount: NanoUsd| amount.to_string();
    let long = price.long_prompt.map(|long| {
        json!({
            "above": long.above,
            "input_per_million": text(long.input_per_million),
            "output_per_million": text(long.output_per_million),
            "cached_input_per_million": long.cached_input_per_million.map(text),
        })
    });
    json!({
        "model": name,
        "input_per_million": text(price.input_per_million),
        "output_per_million": text(price.output_per_million),
        "cached_input_per_million": price.cached_input_per_million.map(text),
        "long_prompt": long,
        "from": from,
    })
}
