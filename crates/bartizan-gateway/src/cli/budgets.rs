//! `bartizan budgets`: what was spent and what is left, and whether the ledger agrees.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use bartizan_core::authenticate::jwt::LOCAL;
use bartizan_core::authorize::endpoint::By;
use bartizan_core::limit::{
    BudgetKey, Counter, Difference, Draw, Holding, Mark, MeterKey, NanoUsd, Posted, Reservation,
    ReservationId, Rule, Treasury,
};
use bartizan_core::time::Timestamp;
use serde_json::{Value, json};

use super::identities::Desk;
use crate::config::shape;

/// Budgets in the durable store, and their ledger.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Budgets {
    /// Lists what every budget has spent and has left; of all, or of one.
    List {
        /// Only the budget of this name.
        name: Option<String>,
    },
    /// Shows one counter: what it holds, which calls are under way, and its last movements.
    Show(Whose),
    /// Puts a limit in the place of the configured one, for one counter.
    Set(Set),
    /// Forgives what was settled in the current period. What is reserved stays.
    Reset(Whose),
    /// Writes every counter anew from the ledger, and says which were wrong. Gateways wait.
    Rebuild,
    /// Compares every counter with the ledger; exit code 1 where they differ.
    Verify,
}

/// Which counter.
#[derive(clap::Args, Clone, Debug)]
pub struct Whose {
    /// The budget's name.
    pub name: String,
    /// Whom it counts, as `list` shows it; a bare name means `local:NAME` where users are counted.
    /// Left out for a budget that everybody shares.
    #[arg(default_value = "-")]
    pub subject: String,
}

/// Arguments of `budgets set`.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Set {
    /// Which counter.
    #[command(flatten)]
    pub whose: Whose,
    /// Dollars, such as `250.00`.
    #[arg(long, value_name = "AMOUNT", group = "limit")]
    pub usd: Option<String>,
    /// Tokens.
    #[arg(long, value_name = "COUNT", group = "limit")]
    pub tokens: Option<u64>,
    /// Requests.
    #[arg(long, value_name = "COUNT", group = "limit")]
    pub requests: Option<u64>,
    /// The configured limit counts again.
    #[arg(long, group = "limit")]
    pub configured: bool,
}

/// Runs it; 1 where something is wrong with the counters.
pub(super) async fn run(
    command: &Budgets,
    treasury: &dyn Treasury,
    desk: &mut Desk<'_>,
) -> anyhow::Result<u8> {
    match command {
        Budgets::List { name } => list(name.as_deref(), treasury, desk).await,
        Budgets::Show(whose) => show(&qualified(whose, desk), treasury, desk).await,
        Budgets::Set(set) => {
            let whose = qualified(&set.whose, desk);
            self::set(&Set { whose, ..set.clone() }, treasury, desk).await
        }
        Budgets::Reset(whose) => reset(&qualified(whose, desk), treasury, desk).await,
        Budgets::Rebuild => {
            desk.record("budgets.rebuild", json!({})).await?;
            let wrong = treasury.rebuild().await?;
            tell_differences(&wrong, desk)?;
            let many = wrong.len();
            desk.tell(
                &format!("rebuilt every counter from the ledger; {many} were wrong"),
                &json!({ "rebuilt": true, "differences": many }),
            )?;
            Ok(0)
        }
        Budgets::Verify => {
            let wrong = treasury.verify().await?;
            tell_differences(&wrong, desk)?;
            let text = match wrong.len() {
                0 => "every counter agrees with the ledger".to_owned(),
                many => format!("{many} counters differ: `bartizan budgets rebuild` mends them"),
            };
            desk.tell(&text, &json!({ "sound": wrong.is_empty(), "differences": wrong.len() }))?;
            Ok(u8::from(!wrong.is_empty()))
        }
    }
}

async fn list(
    name: Option<&str>,
    treasury: &dyn Treasury,
    desk: &mut Desk<'_>,
) -> anyhow::Result<u8> {
    let (mut after, mut counted) = (String::new(), BTreeSet::new());
    loop {
        let page = treasury.holdings(&after).await?;
        let Some(last) = page.last() else { break };
        after = last.key.as_str().to_owned();
        for holding in &page {
            let Some(key) = holding.key.of_budget() else { continue };
            if name.is_none_or(|name| name == key.name) {
                let balance = Balance::of(&key, holding, desk);
                desk.tell(&balance.line(), &balance.json())?;
            }
            counted.insert(key.name);
        }
    }
    for (key, limit) in treasury.limits_ahead().await? {
        let Some(key) = key.of_budget() else { continue };
        if name.is_none_or(|name| name == key.name) {
            let balance = Balance::ahead(&key, limit);
            desk.tell(&balance.line(), &balance.json())?;
        }
        counted.insert(key.name);
    }
    match name.filter(|name| !counted.contains(*name)) {
        None => Ok(0),
        Some(name) if configured(name, desk).next().is_some() => {
            desk.tell_people(&format!("no call has drawn on `{name}` yet"))?;
            Ok(0)
        }
        Some(name) => Err(unknown(name, counted, desk)),
    }
}

/// The counter with the whole name of the principal: a bare one is a local user, or a key where keys
/// are counted.
fn qualified(whose: &Whose, desk: &Desk<'_>) -> Whose {
    let Whose { name, subject } = whose;
    let budgets = desk.budgets.iter().filter(|budget| *budget.name == **name);
    let counted = budgets.flat_map(|budget| &budget.rules).find_map(|applied| match applied.by {
        By::User => Some(LOCAL),
        By::Key => Some("key"),
        _ => None,
    });
    let subject = match counted {
        Some(issuer) if subject != "-" && !subject.contains(':') => format!("{issuer}:{subject}"),
        Some(_) | None => subject.clone(),
    };
    Whose { name: name.clone(), subject }
}

/// The rules of a budget of the configuration.
fn configured<'a>(name: &'a str, desk: &'a Desk<'_>) -> impl Iterator<Item = &'a Arc<Rule>> {
    let budgets = desk.budgets.iter().filter(move |budget| *budget.name == *name);
    budgets.flat_map(|budget| &budget.rules).map(|applied| &applied.rule)
}

/// There is no such budget, neither in the configuration nor among those that were counted.
fn unknown(name: &str, mut counted: BTreeSet<String>, desk: &Desk<'_>) -> anyhow::Error {
    counted.extend(desk.budgets.iter().map(|budget| budget.name.to_string()));
    match shape::meant(name, counted.iter().map(String::as_str)) {
        Some(meant) => anyhow!("there is no budget `{name}`: did you mean `{meant}`?"),
        None if counted.is_empty() => anyhow!("there is no budget `{name}`, nor any other"),
        None => {
            let known: Vec<_> = counted.into_iter().collect();
            anyhow!("there is no budget `{name}`; there are `{}`", known.join("`, `"))
        }
    }
}

async fn show(whose: &Whose, treasury: &dyn Treasury, desk: &mut Desk<'_>) -> anyhow::Result<u8> {
    for holding in find(whose, treasury, desk).await? {
        let Some(key) = holding.key.of_budget() else { continue };
        let balance = Balance::of(&key, &holding, desk);
        let mut json = balance.json();
        let (mut open, mut moved) = (Vec::new(), Vec::new());
        desk.tell_people(&balance.line())?;
        for (id, reservation) in treasury.open(&holding.key).await? {
            open.push(tell_open(id, &reservation, &holding.key, &key, desk)?);
        }
        for posted in treasury.posted(&holding.key).await? {
            moved.push(tell_posted(&posted, &key, desk)?);
        }
        if let Some(object) = json.as_object_mut() {
            object.insert("open".into(), open.into());
            object.insert("ledger".into(), moved.into());
        }
        desk.tell_programs(&json)?;
    }
    Ok(0)
}

fn tell_open(
    id: ReservationId,
    reservation: &Reservation,
    of: &MeterKey,
    key: &BudgetKey<'_>,
    desk: &mut Desk<'_>,
) -> anyhow::Result<Value> {
    let takes = reservation.takes.iter().filter(|take| take.key == *of);
    let amount: u64 = takes.map(|take| take.amount).sum();
    let (state, until) = (reservation.state.code(), reservation.deadline.to_string());
    let (id, amount) = (format!("{:032x}", id.0), shown(key, amount));
    desk.tell_people(&format!("  under way  {id}  {amount}  {state}, until {until}"))?;
    Ok(json!({ "reservation": id, "amount": amount, "state": state, "deadline": until }))
}

fn tell_posted(posted: &Posted, key: &BudgetKey<'_>, desk: &mut Desk<'_>) -> anyhow::Result<Value> {
    let Posted { seq, at, transfer } = posted;
    let (debit, credit, cause) =
        (transfer.debit.code(), transfer.credit.code(), transfer.cause.code());
    let (amount, at) = (shown(key, transfer.amount), at.to_string());
    desk.tell_people(&format!("  {seq:>8}  {at}  {amount}  {debit} -> {credit}  {cause}"))?;
    let reservation = transfer.reservation.map(|id| format!("{:032x}", id.0));
    Ok(json!({
        "seq": seq, "time": at, "amount": amount, "debit": debit, "credit": credit, "cause": cause,
        "reservation": reservation,
    }))
}

async fn set(set: &Set, treasury: &dyn Treasury, desk: &mut Desk<'_>) -> anyhow::Result<u8> {
    let limit = match (&set.usd, set.tokens, set.requests) {
        (Some(usd), ..) => Some(("usd", NanoUsd::parse_usd(usd)?.0)),
        (None, Some(tokens), _) => Some(("tokens", tokens)),
        (None, None, Some(requests)) => Some(("requests", requests)),
        (None, None, None) if set.configured => None,
        (None, None, None) => bail!("write --usd, --tokens, --requests or --configured"),
    };
    let mut done = false;
    let held = all(treasury).await?;
    for key in keys(&set.whose, &held, desk)? {
        let Some(of) = key.of_budget() else { continue };
        if limit.is_some_and(|(measure, _)| measure != of.measure) {
            continue;
        }
        let amount = limit.map(|(_, amount)| amount);
        let text = amount.map(|amount| shown(&of, amount));
        let (name, subject, measure) = (&of.name, of.subject, of.measure);
        let json = json!({ "budget": name, "subject": subject, "measure": measure, "limit": text });
        desk.record("budgets.set", json.clone()).await?;
        treasury.set_limit(&key, amount).await?;
        let text = text.unwrap_or_else(|| "what is configured".into());
        desk.tell(&format!("the limit of `{name}` for `{subject}` is {text} ({measure})"), &json)?;
        if amount == Some(0) {
            desk.hint("0 allows nothing: every call is refused until another limit is set");
        }
        if !held.iter().any(|holding| holding.key == key) {
            desk.hint(&format!(
                "no call has drawn on `{name}` for `{subject}` yet; if none does, look how \
                 `bartizan budgets list {name}` writes those for whom it counts"
            ));
        }
        done = true;
    }
    if !done {
        let name = &set.whose.name;
        bail!(
            "the budget `{name}` does not count that: `bartizan budgets list {name}` shows what it \
             counts"
        );
    }
    Ok(0)
}

async fn reset(whose: &Whose, treasury: &dyn Treasury, desk: &mut Desk<'_>) -> anyhow::Result<u8> {
    for holding in find(whose, treasury, desk).await? {
        let Some(key) = holding.key.of_budget() else { continue };
        if key.rolling().is_some() {
            bail!("`{}` rolls: what was spent leaves it by itself", key.name);
        }
        let (name, subject, measure) = (&key.name, key.subject, key.measure);
        let facts = json!({ "budget": name, "subject": subject, "measure": measure });
        desk.record("budgets.reset", facts).await?;
        let forgiven = shown(&key, treasury.reset(&holding.key).await?);
        let json = json!({
            "budget": name, "subject": subject, "measure": measure, "forgiven": forgiven,
        });
        desk.tell(&format!("forgave {forgiven} ({measure}) of `{name}` for `{subject}`"), &json)?;
    }
    Ok(0)
}

fn tell_differences(wrong: &[Difference], desk: &mut Desk<'_>) -> anyhow::Result<()> {
    for Difference { key, start, counter, ledger } in wrong {
        let start = start.to_string();
        let text = format!(
            "`{key}` from {start}: the counter says {} reserved and {} settled, the ledger {} and {}",
            counter.0, counter.1, ledger.0, ledger.1
        );
        let both = |(reserved, settled): (String, String)| json!({ "reserved": reserved, "settled": settled });
        let json = json!({
            "key": key.as_str(), "period": start,
            "counter": both((counter.0.to_string(), counter.1.to_string())),
            "ledger": both((ledger.0.to_string(), ledger.1.to_string())),
        });
        desk.tell(&text, &json)?;
    }
    Ok(())
}

/// The counters of a budget for a subject: one for each measure.
async fn find(
    whose: &Whose,
    treasury: &dyn Treasury,
    desk: &Desk<'_>,
) -> anyhow::Result<Vec<Holding>> {
    let ours = |key: &BudgetKey<'_>| key.name == whose.name && key.subject == whose.subject;
    let mut found = all(treasury).await?;
    let counted: BTreeSet<String> = names(&found);
    if !counted.contains(&whose.name) && configured(&whose.name, desk).next().is_none() {
        return Err(unknown(&whose.name, counted, desk));
    }
    found.retain(|holding| holding.key.of_budget().is_some_and(|key| ours(&key)));
    if found.is_empty() {
        bail!(
            "the budget `{}` has counted nothing for `{}`; `bartizan budgets list` shows what it has",
            whose.name,
            whose.subject
        );
    }
    Ok(found)
}

/// The keys of a budget for a subject, of which nothing need have been counted yet.
fn keys(whose: &Whose, held: &[Holding], desk: &Desk<'_>) -> anyhow::Result<Vec<MeterKey>> {
    let key = |rule: &Arc<Rule>| Draw::new(Arc::clone(rule), &whose.subject, 0).key;
    let mut keys: Vec<MeterKey> = configured(&whose.name, desk).map(key).collect();
    for holding in held {
        let Some(of) = holding.key.of_budget().filter(|of| of.name == whose.name) else { continue };
        let form = holding.key.as_str().strip_suffix(of.subject).unwrap_or_default();
        let key = MeterKey::from(&*format!("{form}{}", whose.subject));
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    if keys.is_empty() { Err(unknown(&whose.name, names(held), desk)) } else { Ok(keys) }
}

/// The names of the budgets that were counted.
fn names(held: &[Holding]) -> BTreeSet<String> {
    held.iter().filter_map(|holding| Some(holding.key.of_budget()?.name)).collect()
}

async fn all(treasury: &dyn Treasury) -> anyhow::Result<Vec<Holding>> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = treasury.holdings(&after).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = last.key.as_str().to_owned();
        all.extend(page);
    }
}

/// How a counter stands, in words of its measure.
struct Balance<'a> {
    key: &'a BudgetKey<'a>,
    limit: Option<u64>,
    set: bool,
    reserved: u64,
    settled: u64,
    until: Option<Timestamp>,
}

impl<'a> Balance<'a> {
    fn of(key: &'a BudgetKey<'a>, holding: &Holding, desk: &Desk<'_>) -> Self {
        let now = desk.now;
        // What the counter says is the limit of the last call, which may have been another one.
        let ours =
            |rule: &&Arc<Rule>| Draw::new(Arc::clone(rule), key.subject, 0).key == holding.key;
        let configured = configured(&key.name, desk).find(ours).map(|rule| rule.shape.limit());
        let known = || Some(holding.counter.limit()).filter(|limit| *limit > 0);
        let limit = holding.limit.or(configured).or_else(known);
        let set = holding.limit.is_some();
        let mut counter = holding.counter.clone();
        let (reserved, settled, until) = match &counter {
            Counter::Budget(budget) => {
                let ledgers = budget.ledgers().filter(|ledger| ledger.end > now);
                let (reserved, settled) =
                    ledgers.fold((0_u64, 0_u64), |(reserved, settled), one| {
                        (reserved.saturating_add(one.reserved), settled.saturating_add(one.settled))
                    });
                (reserved, settled, Some(budget.current().end).filter(|end| *end > now))
            }
            _ => {
                counter.room(0, now);
                (0, counter.spent(Mark::Window(now)), None)
            }
        };
        Self { key, limit, set, reserved, settled, until }
    }

    /// Of a counter that no call has drawn on yet.
    fn ahead(key: &'a BudgetKey<'a>, limit: u64) -> Self {
        Self { key, limit: Some(limit), set: true, reserved: 0, settled: 0, until: None }
    }

    fn left(&self) -> Option<u64> {
        Some(self.limit?.saturating_sub(self.settled).saturating_sub(self.reserved))
    }

    fn line(&self) -> String {
        let BudgetKey { name, measure, subject, period } = self.key;
        let shown = |amount| shown(self.key, amount);
        let of = self.limit.map_or_else(String::new, |limit| format!(" of {}", shown(limit)));
        let left = self.left().map_or_else(String::new, |left| format!(", {} left", shown(left)));
        let until = self.until.map_or_else(String::new, |until| format!(", until {until}"));
        let set = if self.set { " (limit set by hand)" } else { "" };
        let period = match self.key.rolling() {
            Some(length) => format!("in any {} s", length.as_secs()),
            None => format!("a {period}"),
        };
        format!(
            "{name}  {subject}  {measure} {period}: {}{of} spent, {} reserved{left}{until}{set}",
            shown(self.settled),
            shown(self.reserved),
        )
    }

    fn json(&self) -> Value {
        let BudgetKey { name, measure, subject, period } = self.key;
        let shown = |amount| shown(self.key, amount);
        json!({
            "budget": name, "subject": subject, "measure": measure, "period": period,
            "limit": self.limit.map(shown), "limit_set": self.set, "settled": shown(self.settled),
            "reserved": shown(self.reserved), "left": self.left().map(shown),
            "until": self.until.map(|until| until.to_string()),
        })
    }
}

/// Dollars as decimals, everything else as it is counted.
fn shown(key: &BudgetKey<'_>, amount: u64) -> String {
    match key.measure {
        "usd" => NanoUsd(amount).to_string(),
        _ => amount.to_string(),
    }
}
