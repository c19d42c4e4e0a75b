//! `bartizan audit costs`: who spent what, on which model, in which period? Added up from the log.
//!
//! Every call leaves one terminal record with what it used, so the sums are exact, and nothing
//! has to be kept for them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use bartizan_core::audit::record::Record;
use bartizan_core::limit::{NanoUsd, Period};
use bartizan_core::time::Timestamp;
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::{Format, complain, each, instant};

/// Arguments of `audit costs`.
#[derive(Args, Clone, Debug)]
pub struct Costs {
    /// The logs: of every gateway that is to be counted.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// What is added up apart from each other, such as `user,model`.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT", default_value = "model")]
    pub by: Vec<By>,
    /// In periods of the calendar; left out, all in one.
    #[arg(long, value_enum)]
    pub period: Option<Length>,
    /// Where a day begins, as `Europe/Berlin`.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub timezone: String,
    /// Only from this time on: an instant of RFC 3339, or how long ago, such as `30d`.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What may be added up apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum By {
    /// The endpoint, by its template.
    Endpoint,
    /// The model.
    Model,
    /// The run of an agent: the trace of `traceparent`, which agents hand on from call to call.
    Run,
    /// The tenant.
    Tenant,
    /// Who called: `issuer:subject`.
    User,
}

/// How long a period is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Length {
    /// A full hour.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to the next.
    Month,
}

/// What calls came to.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    /// Those that were let through, whatever became of them.
    calls: u64,
    /// Those that were turned away and cost nothing.
    refused: u64,
    tokens_in: u64,
    tokens_out: u64,
    tokens_cached: u64,
    usd_nano: u64,
}

/// Adds up and prints, the dearest first in each period.
///
/// # Errors
/// A log cannot be read, or holds lines that are no sound records: what stands in the others is
/// added up all the same.
pub(super) fn costs(args: &Costs, now: Timestamp, out: &mut dyn Write) -> anyhow::Result<()> {
    let Ok(zone) = TimeZone::get(&args.timezone) else {
        bail!("`{}` is no time zone; write it as `Europe/Berlin`", args.timezone);
    };
    let since = args.since.as_deref().map(|text| instant(text, now)).transpose()?;
    let since = since.map(|since| since.to_string());
    let period = args.period.map(|length| Period::Calendar(length.calendar(), zone));
    let mut sums: BTreeMap<(Option<Timestamp>, Vec<String>), Sum> = BTreeMap::new();
    let unsound = each(&args.files, &mut |_, record| {
        let ended = ["REQUEST_END", "REQUEST_ERROR"].contains(&record.text(&["event"]));
        let time = record.text(&["time"]);
        // One that was only asked about (`TEST /action`) is no call.
        let asked = record.members().get("details").and_then(|details| details.get("dry_run"));
        let asked = asked.and_then(Value::as_bool).unwrap_or(false);
        if !ended || asked || since.as_deref().is_some_and(|since| time < since) {
            return Ok(());
        }
        let start = match &period {
            Some(period) => Some(period.bounds(instant(time, now)?).0),
            None => None,
        };
        let names = args.by.iter().map(|by| by.of(&record)).collect();
        sums.entry((start, names)).or_default().add(&record);
        Ok(())
    })?;
    let mut rows: Vec<_> = sums.into_iter().filter(|(_, sum)| !sum.is_nothing()).collect();
    rows.sort_by(|((a, names), one), ((b, others), other)| {
        (a, other.usd_nano, names).cmp(&(b, one.usd_nano, others))
    });
    if rows.is_empty() && args.format == Format::Text {
        writeln!(out, "no call has cost anything, in tokens or in dollars")?;
    }
    for ((start, names), sum) in rows {
        match args.format {
            Format::Text => writeln!(out, "{}", sum.line(start, &names))?,
            Format::Json => writeln!(out, "{}", sum.object(start, &args.by, names))?,
        }
    }
    complain(unsound)
}

impl By {
    fn of(self, record: &Record) -> String {
        let text = match self {
            Self::Endpoint => record.text(&["action", "endpoint"]).to_owned(),
            Self::Model => record.text(&["action", "model"]).to_owned(),
            Self::Run => record.text(&["trace_id"]).to_owned(),
            Self::Tenant => record.text(&["principal", "tenant"]).to_owned(),
            Self::User => match record.text(&["principal", "issuer"]) {
                "" => record.text(&["principal", "id"]).to_owned(),
                issuer => format!("{issuer}:{}", record.text(&["principal", "id"])),
            },
        };
        if text.is_empty() { "-".to_owned() } else { text }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Model => "model",
            Self::Run => "run",
            Self::Tenant => "tenant",
            Self::User => "user",
        }
    }
}

impl Length {
    fn calendar(self) -> bartizan_core::limit::Calendar {
        use bartizan_core::limit::Calendar;
        match self {
            Self::Hour => Calendar::Hour,
            Self::Day => Calendar::Day,
            Self::Week => Calendar::Week,
            Self::Month => Calendar::Month,
        }
    }
}

impl Sum {
    fn add(&mut self, record: &Record) {
        let usage = record.members().get("usage").and_then(Value::as_object);
        let count = |name: &str| {
            let count = usage.and_then(|usage| usage.get(name));
            count.and_then(|count| match count {
                Value::String(text) => text.parse().ok(),
                other => other.as_u64(),
            })
        };
        let more = |sum: &mut u64, name: &str| *sum = sum.saturating_add(count(name).unwrap_or(0));
        let before = (self.tokens_in, self.tokens_out, self.usd_nano);
        more(&mut self.tokens_in, "tokens_in");
        more(&mut self.tokens_out, "tokens_out");
        more(&mut self.tokens_cached, "tokens_cached");
        more(&mut self.usd_nano, "usd_nano");
        let free = before == (self.tokens_in, self.tokens_out, self.usd_nano);
        // One whose answer was withheld was made, and is paid for.
        if free && record.text(&["outcome"]) == "deny" {
            // A flood of them stands in one record.
            let details = record.members().get("details");
            let merged = details.and_then(|details| details.get("count")).and_then(Value::as_u64);
            self.refused = self.refused.saturating_add(merged.unwrap_or(1));
        } else {
            self.calls += 1;
        }
    }

    /// Nothing that could be billed.
    fn is_nothing(&self) -> bool {
        self.tokens_in == 0 && self.tokens_out == 0 && self.usd_nano == 0
    }

    fn line(&self, start: Option<Timestamp>, names: &[String]) -> String {
        let when = start.map_or_else(String::new, |start| format!("{start}  "));
        // What a caller chose may hold what a terminal obeys.
        let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let names: String = names.join("  ").chars().map(plain).collect();
        let Self { calls, refused, tokens_in, tokens_out, tokens_cached, usd_nano } = *self;
        let usd = NanoUsd(usd_nano);
        format!(
            "{when}{names}: {usd} USD, {calls} calls, {refused} refused, {tokens_in} tokens in \
             ({tokens_cached} cached), {tokens_out} out"
        )
    }

    fn object(&self, start: Option<Timestamp>, by: &[By], names: Vec<String>) -> Value {
        let mut row = Map::new();
        if let Some(start) = start {
            row.insert("period_start".into(), start.to_string().into());
        }
        let names = by.iter().zip(names).map(|(by, name)| (by.name().to_owned(), name.into()));
        row.extend(names);
        let Self { calls, refused, tokens_in, tokens_out, tokens_cached, usd_nano } = *self;
        let sums = json!({
            "calls": calls, "refused": refused, "tokens_in": tokens_in, "tokens_out": tokens_out,
            "tokens_cached": tokens_cached, "usd": NanoUsd(usd_nano).to_string(),
        });
        row.extend(sums.as_object().cloned().unwrap_or_default());
        Value::Object(row)
    }
}
