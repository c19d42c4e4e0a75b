//! Which thresholds of a budget has a charge reached, and what is told of it?

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::meter::Charge;
use super::price::NanoUsd;
use super::{Kind, Measure, MeterKey};
use crate::time::Timestamp;

/// Something about a budget that somebody should know, once in a period.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Alert {
    /// The counter.
    pub key: MeterKey,
    /// The start of the period; where a budget rolls, of the stretch of its length.
    pub period: Timestamp,
    /// What happened.
    pub what: What,
    /// How much was settled.
    pub settled: u64,
    /// How much there is.
    pub limit: u64,
}

/// What happened to a budget.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum What {
    /// So many percent of it are settled.
    Reached(u8),
    /// More was used than had been reserved, and carried it past its limit.
    Overdrawn,
}

impl What {
    /// A number for stores: the percentage, and 255 for an overdraft.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Reached(percent) => percent,
            Self::Overdrawn => u8::MAX,
        }
    }

    /// The word for it in events and webhooks.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reached(_) => "budget.threshold",
            Self::Overdrawn => "budget.overdrawn",
        }
    }
}

/// What a charge gives to tell: every threshold at or below what is settled now, whether this
/// charge crossed it or one before. So none is lost with a gateway that died before it told, and
/// a store that remembers what was told keeps it to once. `percents` are the thresholds of its
/// budget.
#[must_use]
pub fn reached(charge: &Charge, percents: &[u8], soft: bool) -> Vec<Alert> {
    if charge.kind != Kind::Budget || charge.after == 0 || charge.after <= charge.before {
        return Vec::new();
    }
    let Charge { after: settled, limit, .. } = *charge;
    let at_least =
        |percent: &&u8| u128::from(settled) * 100 >= u128::from(limit) * u128::from(**percent);
    let thresholds = percents.iter().filter(at_least).map(|percent| What::Reached(*percent));
    let overdrawn = (charge.overdraft() > 0 && !soft).then_some(What::Overdrawn);
    let (key, period) = (&charge.key, stretch(charge));
    let alert = |what| Alert { key: key.clone(), period, what, settled, limit };
    thresholds.chain(overdrawn).map(alert).collect()
}

/// A budget that rolls has no periods: once in each stretch of its length is often enough.
fn stretch(charge: &Charge) -> Timestamp {
    match charge.key.of_budget().and_then(|key| key.rolling()) {
        Some(length) => {
            let length = u64::try_from(length.as_micros()).unwrap_or(u64::MAX).max(1);
            Timestamp(charge.period.0 - charge.period.0 % length)
        }
        None => charge.period,
    }
}

impl Alert {
    /// What it says: for the audit log, and for whom it is sent to.
    #[must_use]
    pub fn details(&self, at: Timestamp) -> serde_json::Map<String, serde_json::Value> {
        let of = self.key.of_budget();
        let usd = of.as_ref().is_some_and(|of| of.measure == Measure::NanoUsd.code());
        let shown =
            |amount: u64| if usd { NanoUsd(amount).to_string() } else { amount.to_string() };
        let percent = match self.what {
            What::Reached(percent) => Some(percent),
            What::Overdrawn => None,
        };
        let said = json!({
            "type": self.what.name(),
            "budget": of.as_ref().map(|of| of.name.clone()),
            "subject": of.as_ref().map(|of| of.subject),
            "measure": of.as_ref().map(|of| of.measure),
            "percent": percent,
            "settled": shown(self.settled),
            "limit": shown(self.limit),
            "period_start": self.period.to_string(),
            "time": at.to_string(),
        });
        said.as_object().cloned().unwrap_or_default()
    }
}

/// The header `webhook-signature` of the Standard Webhooks specification: HMAC-SHA256 over the
/// message's id, the time in seconds and the body, joined by points.
#[must_use]
pub fn signature(secret: &[u8], id: &str, seconds: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

/// The key that a secret stands for: what follows `whsec_` in base64, else its own bytes.
#[must_use]
pub fn signing_key(secret: &str) -> Vec<u8> {
    let encoded = secret.strip_prefix("whsec_").and_then(|rest| STANDARD.decode(rest).ok());
    encoded.unwrap_or_else(|| secret.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limit::{Calendar, Period, Rule, Shape};

    fn charge(period: Period, before: u64, after: u64) -> Charge {
        let shape = Shape::Budget { limit: 100, period };
        let rule = Rule::new("daily", Measure::NanoUsd, shape);
        Charge {
            key: MeterKey::new(&rule, "ann"),
            name: rule.name,
            measure: Measure::NanoUsd,
            kind: Kind::Budget,
            limit: 100,
            reserved: after - before,
            actual: after - before,
            before,
            after,
            period: Timestamp(1_795_000_000_000_000),
        }
    }

    #[test]
    fn every_threshold_up_to_what_is_settled_is_told_and_none_above() {
        let told = |before, after| {
            let charge = charge(Period::utc(Calendar::Day), before, after);
            reached(&charge, &[50, 80, 100], false).into_iter().map(|a| a.what).collect::<Vec<_>>()
        };
        assert_eq!(told(0, 49), []);
        assert_eq!(told(49, 50), [What::Reached(50)]);
        // The one that crossed 50 was on a gateway that died before it could tell.
        assert_eq!(told(60, 85), [What::Reached(50), What::Reached(80)]);
        let all = [What::Reached(50), What::Reached(80), What::Reached(100)];
        assert_eq!(told(90, 100), all);
        assert_eq!(told(90, 101), [&all[..], &[What::Overdrawn]].concat());
        let soft = reached(&charge(Period::utc(Calendar::Day), 90, 101), &[], true);
        assert_eq!(soft, [], "what a soft limit lets pass is no overdraft");
    }

    #[test]
    fn a_budget_that_rolls_tells_once_in_each_of_its_lengths() {
        let length = Duration::from_secs(3_600);
        let of = |micros| {
            let charge =
                Charge { period: Timestamp(micros), ..charge(Period::Rolling(length), 0, 90) };
            reached(&charge, &[80], false)[0].period
        };
        let hour = 3_600_000_000;
        assert_eq!(of(7 * hour + 5), of(8 * hour - 1));
        assert_ne!(of(8 * hour - 1), of(8 * hour));
    }

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example of the Standard Webhooks libraries.
        let key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let said = signature(
            &key,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            "{\"test\": 2432232314}",
        );
        assert_eq!(said, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
