//! What do `limits`, `budgets` and `prices` mean? Rules, and to which requests they apply.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authorize::endpoint::{By, Limit as Applied, Only};
use bartizan_core::limit::lease;
use bartizan_core::limit::price::{PieceRate, Rates, Tariff};
use bartizan_core::limit::rate::Rate;
use bartizan_core::limit::{self, Calendar, Measure, NanoUsd, OnCrash, Period, Price, Rule, Shape};
use bartizan_core::validate::usage::Tier;
use bartizan_store::fallback::OnFailure;
use http::{Method, Uri};
use jiff::tz::TimeZone;
use secrecy::ExposeSecret as _;

use super::super::decode::Located;
use super::super::file::endpoint::Endpoint;
use super::super::file::leaf::{Amount, Count, OneOrMany, Word};
use super::super::file::{File, spending as file};
use super::super::{shape, units};
use super::access::AccessRules;
use super::resolver::Resolver;
use super::route;
use crate::alerts::Webhook;

/// A limit of the file: one or several rules under one name.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Its name.
    pub name: Arc<str>,
    /// Its rules, and who shares a counter.
    pub rules: Vec<Arc<Applied>>,
    /// To which requests it applies.
    pub applies: Applies,
    /// What it does while the shared store is down.
    pub on_failure: OnFailure,
    /// Whether slices of it are taken ahead.
    pub lease: bool,
}

/// A budget of the file: one rule for each thing that it counts.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Its name.
    pub name: Arc<str>,
    /// Its rules, and who shares a counter.
    pub rules: Vec<Arc<Applied>>,
    /// To which requests it applies.
    pub applies: Applies,
    /// At how many percent somebody is told.
    pub alert_at: Vec<u8>,
    /// Whether slices of it are taken ahead.
    pub lease: bool,
}

/// To which requests a limit or budget applies: decided once, from the endpoint's own path and
/// verb.
#[derive(Clone, Debug, Default)]
pub struct Applies {
    paths: Vec<String>,
    verbs: Vec<String>,
    /// Which calls alone it counts; looked at when they are read.
    pub only: Option<Arc<Only>>,
}

impl Applies {
    fn read(matches: &file::Match) -> Self {
        let texts = |many: &Option<OneOrMany>| -> Vec<String> {
            let texts = many.iter().flat_map(|OneOrMany(texts)| texts);
            texts.map(|text| text.value.0.clone()).collect()
        };
        let patterns = |many| texts(many).into_iter().map(Arc::from).collect();
        let only = Only {
            roles: patterns(&matches.role),
            tenants: patterns(&matches.tenant),
            models: patterns(&matches.model),
            tools: patterns(&matches.tool),
        };
        Applies {
            paths: texts(&matches.path),
            verbs: texts(&matches.verb),
            only: (!only.is_all()).then(|| Arc::new(only)),
        }
    }

    /// Whether it applies to a verb at a path template. No paths, or no verbs, are all of them.
    pub fn to(&self, path: &str, verb: &Method) -> bool {
        self.to_path(path) && self.to_verb(verb.as_str())
    }

    fn to_path(&self, path: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => path.starts_with(beginning),
            None => path == pattern,
        };
        self.paths.is_empty() || self.paths.iter().any(fits)
    }

    fn to_verb(&self, verb: &str) -> bool {
        self.verbs.is_empty() || self.verbs.iter().any(|word| word == verb)
    }

    /// Whether it applies to an endpoint as it is written; one without verbs has those of its
    /// protocol.
    pub(super) fn to_entry(&self, entry: &Endpoint) -> bool {
        let verbs = entry.verbs.as_ref();
        self.to_path(&entry.path)
            && verbs.is_none_or(|verbs| verbs.iter().any(|verb| self.to_verb(verb)))
    }
}

/// Who may share a budget.
const BUDGET_BY: &[&str] =
    &["global", "tenant", "user", "key", "role", "endpoint", "model", "tool", "verb"];
/// What may be counted together.
const LIMIT_BY: &[&str] =
    &["ip", "user", "key", "role", "tenant", "endpoint", "verb", "model", "tool", "global"];

pub(super) fn limits(resolver: &mut Resolver<'_>, files: &[Located<file::Limit>]) -> Vec<Limit> {
    let mut limits: Vec<Limit> = Vec::new();
    for file in files {
        if limits.iter().any(|other| *other.name == *file.name.value.0) {
            resolver.error(
                &file.name.place,
                format!("`{}` stands here twice", file.name.value.0),
                "give each limit a name of its own",
            );
        }
        let by = by(resolver, &file.by, LIMIT_BY);
        let shapes = shapes(resolver, file);
        let applies = applies(resolver, file.matches.as_ref());
        let Some(by) = by else { continue };
        if let Some(matches) = file.matches.as_ref().filter(|_| applies.only.is_some())
            && by == By::Ip
        {
            let help = "match by `path` and `verb`, or count by something else";
            let why = "at the door nobody knows who calls, or which model or tool a call names";
            resolver.error(&matches.key, why, help);
        }
        if let Some(tpm) = file.tpm.as_ref().filter(|_| by == By::Ip) {
            let help = "count tokens `by: user` or `by: key`; at the door nobody knows how many a call takes";
            resolver.error(&tpm.place, "`tpm` does not go with `by: ip`", help);
        }
        let lease = leased(file.lease.as_ref());
        if let Some(key) = file.lease.as_ref().filter(|_| lease && file.burst.is_some()) {
            let help = "what is taken ahead would drain unused: remove one of the two";
            resolver.error(&key.key, "`lease` does not go with `burst`", help);
        }
        limits.push(Limit {
            name: name(&file.name),
            rules: rules(&file.name, &by, applies.only.as_ref(), widened(shapes, lease)),
            lease,
            applies,
            on_failure: match file.on_failure.as_ref().map(|on_failure| on_failure.value) {
                None | Some(file::OnFailure::Closed) => OnFailure::Closed,
                Some(file::OnFailure::Local) => OnFailure::Local,
                Some(file::OnFailure::Open) => OnFailure::Open,
            },
        });
    }
    limits
}

pub(super) fn budgets(
    resolver: &mut Resolver<'_>,
    files: &[Located<file::Budget>],
    limits: &[Located<file::Limit>],
) -> Vec<Budget> {
    let mut budgets: Vec<Budget> = Vec::new();
    for file in files {
        let taken = budgets.iter().any(|other| *other.name == *file.name.value.0)
            || limits.iter().any(|limit| limit.name.value == file.name.value);
        if taken {
            resolver.error(
                &file.name.place,
                format!("`{}` stands here twice", file.name.value.0),
                "give each limit and budget a name of its own",
            );
        }
        let by = file.by.as_ref().map_or(Some(By::Everybody), |text| by(resolver, text, BUDGET_BY));
        let period = period(resolver, file);
        let amounts = amounts(resolver, file);
        let applies = applies(resolver, file.matches.as_ref());
        let alert_at = file
            .alert_at
            .iter()
            .map(|at| resolver.count(Some(at), 100, 1..=100))
            .collect::<Vec<_>>();
        let (Some(by), Some(period)) = (by, period) else { continue };
        let lease = leased(file.lease.as_ref());
        let shapes = amounts
            .into_iter()
            .map(|(measure, limit)| (measure, Shape::Budget { limit, period: period.clone() }));
        let rule = |(measure, shape)| {
            let rule = Rule::new(&*file.name.value, measure, shape).on_crash(on_crash(file));
            let soft = file.soft_limit.as_ref().is_some_and(|soft| soft.value);
            let rule = Arc::new(if soft { rule.soft() } else { rule });
            Arc::new(Applied { rule, by: by.clone(), only: applies.only.clone() })
        };
        budgets.push(Budget {
            name: name(&file.name),
            rules: widened(shapes.collect(), lease).into_iter().map(rule).collect(),
            lease,
            applies,
            alert_at: alert_at.into_iter().filter_map(|at| u8::try_from(at).ok()).collect(),
        });
    }
    budgets
}

/// The shortest secret that is taken: 192 bits at best.
const SECRET: usize = 24;

pub(super) fn webhooks(
    resolver: &mut Resolver<'_>,
    alerts: Option<&Located<file::Alerts>>,
) -> Vec<Webhook> {
    let mut webhooks = Vec::new();
    for file in alerts.iter().flat_map(|alerts| &alerts.webhooks) {
        let secret = resolver.secret(&file.secret);
        if secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < SECRET) {
            let help = "make one with `openssl rand -hex 32`";
            resolver.error(&file.secret.place, "`secret` is too short to sign with", help);
        }
        let url = resolver.text(&file.url).and_then(|url| url.parse::<Uri>().ok());
        let url = url.filter(|url| {
            let login = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
            let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
            let here = host == "localhost"
                || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
            match url.scheme_str() {
                Some("https") => !login && !host.is_empty(),
                Some("http") => !login && here,
                _ => false,
            }
        });
        if url.is_none() && !resolver.lost(&file.url.place.pointer) {
            let help = "write `https://…`, or `http://` and an address of this machine, without a user or password: `secret` says who sends";
            resolver.error(&file.url.place, "`url` is no address that messages are sent to", help);
        }
        webhooks.extend(url.zip(secret).map(|(url, secret)| Webhook { url, secret }));
    }
    webhooks
}

fn on_crash(file: &file::Budget) -> OnCrash {
    match file.on_crash.as_ref().map(|on_crash| on_crash.value) {
        Some(file::OnCrash::GiveBack) => OnCrash::GiveBack,
        Some(file::OnCrash::Charge) | None => OnCrash::Charge,
    }
}

pub(super) fn prices(
    resolver: &mut Resolver<'_>,
    files: &BTreeMap<String, Located<file::Price>>,
) -> Arc<BTreeMap<String, Price>> {
    let mut prices = limit::price::builtin();
    for (model, file) in files {
        prices.extend(price(resolver, file).map(|price| (model.clone(), price)));
    }
    Arc::new(prices)
}

/// How a price of one kind of piece is told.
type PerPiece = fn(NanoUsd) -> PieceRate;

/// The price of what a model makes, where that is written; `Err` where it cannot be.
fn piece(
    resolver: &mut Resolver<'_>,
    file: &Located<file::Price>,
) -> Result<Option<PieceRate>, ()> {
    let rates: [(_, PerPiece); 3] = [
        (&file.per_image, PieceRate::PerImage),
        (&file.per_million_characters, PieceRate::PerMillionCharacters),
        (&file.per_moderation, PieceRate::PerModeration),
    ];
    let mut written = rates.into_iter().filter_map(|(text, rate)| Some((text.as_ref()?, rate)));
    let Some((text, rate)) = written.next() else { return Ok(None) };
    let tokens = [
        &file.input_per_million,
        &file.output_per_million,
        &file.cached_input_per_million,
        &file.cache_write_per_million,
        &file.cache_write_1h_per_million,
        &file.input_audio_per_million,
        &file.output_audio_per_million,
    ];
    if written.next().is_some() || tokens.into_iter().any(Option::is_some) || !file.tiers.is_empty()
    {
        let help = "write what a million tokens cost, in and out, or what one kind of piece costs";
        resolver.error(&text.place, "a model is paid for by its tokens or by the piece", help);
        return Err(());
    }
    amount(resolver, text).map(|usd| Some(rate(usd))).ok_or(())
}

/// What a million tokens cost, which must be written.
fn tokens(
    resolver: &mut Resolver<'_>,
    file: &Located<file::Price>,
    (name, text): (&str, &Option<Located<Amount>>),
) -> Option<NanoUsd> {
    if text.is_none() {
        let help = "write what a million tokens cost, in and out, or what one kind of piece costs: \
                    `per_image`, `per_million_characters` or `per_moderation`";
        resolver.lacking(&file.key, &[name], format!("`{name}` is missing"), help);
    }
    amount(resolver, text.as_ref()?)
}

fn price(resolver: &mut Resolver<'_>, file: &Located<file::Price>) -> Option<Price> {
    if let Some(piece) = piece(resolver, file).ok()? {
        return Some(piece.into());
    }
    let mut some =
        |text: &Option<Located<Amount>>| text.as_ref().and_then(|text| amount(resolver, text));
    let other = Rates {
        cached_input_per_million: some(&file.cached_input_per_million),
        cache_write_per_million: some(&file.cache_write_per_million),
        cache_write_1h_per_million: some(&file.cache_write_1h_per_million),
        input_audio_per_million: some(&file.input_audio_per_million),
        output_audio_per_million: some(&file.output_audio_per_million),
        ..Rates::default()
    };
    let input = tokens(resolver, file, ("input_per_million", &file.input_per_million));
    let output = tokens(resolver, file, ("output_per_million", &file.output_per_million));
    let tiers: Vec<_> =
        file.tiers.iter().map(|(tier, file)| (*tier, tariff(resolver, file))).collect();
    let rates = Rates { input_per_million: input?, output_per_million: output?, ..other };
    let tiers = tiers.into_iter().filter_map(|(tier, tariff)| Some((known(tier), tariff?)));
    Some(Price { tiers: tiers.collect(), ..Price::from(rates) })
}

fn tariff(resolver: &mut Resolver<'_>, file: &Located<file::Rates>) -> Option<Tariff> {
    let input = amount(resolver, &file.input_per_million);
    let output = amount(resolver, &file.output_per_million);
    let cached = file.cached_input_per_million.as_ref().map(|cached| amount(resolver, cached));
    Some(Price::flat(input?, output?, cached.flatten()).standard)
}

fn known(tier: file::Tier) -> Tier {
    match tier {
        file::Tier::Batch => Tier::Batch,
        file::Tier::Fast => Tier::Fast,
        file::Tier::Flex => Tier::Flex,
        file::Tier::Priority => Tier::Priority,
    }
}

/// A limit that fits no endpoint, or a role that nobody has, protects nothing: somebody believes
/// that it does.
pub(super) fn unused(resolver: &mut Resolver<'_>, file: &File, access: &AccessRules) {
    let limits = file.limits.iter().filter_map(|limit| limit.matches.as_ref());
    let matches = limits.chain(file.budgets.iter().filter_map(|budget| budget.matches.as_ref()));
    for role in matches.flat_map(|matches| &matches.role).flat_map(|OneOrMany(roles)| roles) {
        resolver.role(&role.place, &role.value.0, access);
    }
    if resolver.endpoints_lost() {
        return;
    }
    let limits = file.limits.iter().map(|limit| (&limit.name, limit.matches.as_ref()));
    let budgets = file.budgets.iter().map(|budget| (&budget.name, budget.matches.as_ref()));
    for (name, matches) in limits.chain(budgets) {
        let Some(matches) = matches else { continue };
        let applies = Applies::read(matches);
        let own =
            !applies.paths.is_empty() && gateway_paths(file).any(|path| applies.to_path(path));
        if !own && !file.endpoints.iter().any(|endpoint| applies.to_entry(endpoint)) {
            let help = "write the path as the endpoint has it, or its beginning and `*`; verbs as they are after aliases";
            resolver.error(
                &matches.key,
                format!("`{}` applies to no endpoint", name.value.0),
                help,
            );
        }
    }
}

/// Paths that the gateway serves itself.
fn gateway_paths(file: &File) -> impl Iterator<Item = &str> {
    let tokens = file.auth.as_ref().and_then(|auth| auth.tokens.as_ref());
    let moved = tokens.and_then(|tokens| tokens.path.as_ref()).map(|path| &*path.value.0);
    route::GATEWAY_PATHS.iter().copied().chain(moved)
}

fn leased(key: Option<&Located<bool>>) -> bool {
    key.is_some_and(|lease| lease.value)
}

/// What is taken ahead is used a little later than it was counted: its window is longer by that.
fn widened(shapes: Vec<(Measure, Shape)>, lease: bool) -> Vec<(Measure, Shape)> {
    let widen = |(measure, shape)| (measure, if lease { lease::widened(shape) } else { shape });
    shapes.into_iter().map(widen).collect()
}

fn name(text: &Located<Word>) -> Arc<str> {
    Arc::from(&*text.value)
}

fn rules(
    name: &Located<Word>,
    by: &By,
    only: Option<&Arc<Only>>,
    shapes: Vec<(Measure, Shape)>,
) -> Vec<Arc<Applied>> {
    let rule = |(measure, shape)| Arc::new(Rule::new(&*name.value, measure, shape));
    let applied = |shape| Applied { rule: rule(shape), by: by.clone(), only: only.cloned() };
    shapes.into_iter().map(|shape| Arc::new(applied(shape))).collect()
}

fn by(resolver: &mut Resolver<'_>, text: &Located<Word>, known: &[&str]) -> Option<By> {
    let claim = text.starts_with("claim:");
    let by = By::parse(text).filter(|_| claim || known.contains(&&*text.value));
    if by.is_none() {
        let help = match shape::meant(text, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write one of {}, or `claim:NAME`", known.join(", ")),
        };
        resolver.error(
            &text.place,
            format!("`by` is nothing that can be counted: `{}`", text.value.0),
            help,
        );
    }
    by
}

/// What the limit counts, and how.
fn shapes(resolver: &mut Resolver<'_>, file: &Located<file::Limit>) -> Vec<(Measure, Shape)> {
    let minute = Duration::from_secs(60);
    let burst = file.burst.as_ref().map(|burst| resolver.count(Some(burst), 0, 0..=1_000_000_000));
    let smooth = |limit, length| match burst {
        Some(burst) => Shape::Gcra { limit, length, burst },
        None => Shape::Window { limit, length },
    };
    let mut shapes = Vec::new();
    if let Some(rpm) = positive(resolver, file.rpm.as_ref()) {
        shapes.push((Measure::Requests, smooth(rpm, minute)));
    }
    for (text, measure) in [(&file.rate, Measure::Requests), (&file.messages, Measure::Messages)] {
        let Some(text) = text else { continue };
        let rates =
            Rate::parse(text).map_err(|error| resolver.wrong(&text.place, error.to_string()));
        let rates = rates.unwrap_or_default().into_iter();
        shapes.extend(rates.map(|rate| (measure, smooth(rate.limit, rate.length))));
    }
    if let Some(burst) = file.burst.as_ref().filter(|_| shapes.is_empty()) {
        resolver.error(
            &burst.key,
            "`burst` needs a number of requests beside it",
            "write `rpm`, `rate` or `messages`",
        );
    }
    if let Some(tpm) = positive(resolver, file.tpm.as_ref()) {
        shapes.push((Measure::Tokens, Shape::Window { limit: tpm, length: minute }));
    }
    if let Some(limit) = positive(resolver, file.concurrency.as_ref()) {
        shapes.push((Measure::Concurrent, Shape::Concurrency { limit }));
    }
    let written = file.rpm.is_some()
        || file.rate.is_some()
        || file.messages.is_some()
        || file.tpm.is_some()
        || file.concurrency.is_some();
    if !written {
        let limit = resolver.called("the limit", &file.name);
        resolver.lacking(
            &file.key,
            &["rpm", "rate", "messages", "tpm", "concurrency"],
            format!("{limit} limits nothing"),
            "write `rpm`, `tpm`, `rate`, `messages` or `concurrency`",
        );
    }
    if file.rpm.is_some()
        && shapes
            .iter()
            .filter(|(measure, shape)| {
                *measure == Measure::Requests && length(shape) == Some(minute)
            })
            .count()
            > 1
    {
        resolver.error(
            &file.key,
            format!("the limit `{}` counts requests in a minute twice", file.name.value.0),
            "keep `rpm` or `rate`",
        );
    }
    shapes
}

fn length(shape: &Shape) -> Option<Duration> {
    match shape {
        Shape::Gcra { length, .. } | Shape::Window { length, .. } => Some(*length),
        Shape::Budget { .. } | Shape::Concurrency { .. } => None,
    }
}

fn amounts(resolver: &mut Resolver<'_>, file: &Located<file::Budget>) -> Vec<(Measure, u64)> {
    let mut amounts = Vec::new();
    if let Some(usd) = &file.usd {
        match amount(resolver, usd) {
            Some(NanoUsd(0)) => resolver.wrong(&usd.place, "`usd` must be more than 0"),
            Some(NanoUsd(nano)) => amounts.push((Measure::NanoUsd, nano)),
            None => {}
        }
    }
    amounts
        .extend(positive(resolver, file.tokens.as_ref()).map(|tokens| (Measure::Tokens, tokens)));
    amounts.extend(
        positive(resolver, file.requests.as_ref()).map(|requests| (Measure::Requests, requests)),
    );
    if file.usd.is_none() && file.tokens.is_none() && file.requests.is_none() {
        let budget = resolver.called("the budget", &file.name);
        resolver.lacking(
            &file.key,
            &["usd", "tokens", "requests"],
            format!("{budget} limits nothing"),
            "write `usd`, `tokens` or `requests`",
        );
    }
    amounts
}

fn positive(resolver: &mut Resolver<'_>, text: Option<&Located<Count>>) -> Option<u64> {
    let text = text?;
    let count = resolver.take(&text.place, units::whole(text))?;
    if count == 0 {
        resolver.wrong(
            &text.place,
            format!("`{}` must be more than 0", super::resolver::name_of(&text.place)),
        );
        return None;
    }
    Some(count)
}

fn amount(resolver: &mut Resolver<'_>, text: &Located<Amount>) -> Option<NanoUsd> {
    NanoUsd::parse_usd(text).map_err(|error| resolver.wrong(&text.place, error.to_string())).ok()
}

fn period(resolver: &mut Resolver<'_>, file: &Located<file::Budget>) -> Option<Period> {
    let (calendar, length) = match file.period.value {
        file::Period::Minute => (Calendar::Minute, Duration::from_mins(1)),
        file::Period::Hour => (Calendar::Hour, Duration::from_hours(1)),
        file::Period::Day => (Calendar::Day, Duration::from_hours(24)),
        file::Period::Week => (Calendar::Week, Duration::from_hours(7 * 24)),
        file::Period::Month => (Calendar::Month, Duration::from_hours(30 * 24)),
    };
    let rolling = file.rolling.as_ref().is_some_and(|rolling| rolling.value);
    match &file.timezone {
        Some(zone) if rolling => {
            resolver.error(
                &zone.key,
                "`timezone` does not go with `rolling: true`",
                "a rolling period has no midnight: remove one of the two",
            );
            None
        }
        None if rolling => Some(Period::Rolling(length)),
        None => Some(Period::utc(calendar)),
        Some(name) => match TimeZone::get(name) {
            Ok(zone) => Some(Period::Calendar(calendar, zone)),
            Err(_) => {
                resolver.error(
                    &name.place,
                    format!("`{}` is no time zone", name.value.0),
                    "write a name of the IANA database, as `Europe/Berlin`",
                );
                None
            }
        },
    }
}

fn applies(resolver: &mut Resolver<'_>, matches: Option<&Located<file::Match>>) -> Applies {
    let Some(matches) = matches else { return Applies::default() };
    let paths = matches.path.iter().flat_map(|OneOrMany(paths)| paths);
    for path in paths.filter(|path| !path.starts_with('/')) {
        resolver.wrong(&path.place, "a path begins with `/`");
    }
    let file::Match { path, verb, role, tenant, model, tool, .. } = &matches.value;
    if [path, verb, role, tenant, model, tool].into_iter().all(Option::is_none) {
        let help = "write `path`, `verb`, `role`, `tenant`, `model` or `tool`, or remove it";
        resolver.error(&matches.key, "`match` is empty", help);
    }
    Applies::read(matches)
}
