//! The store that several gateways share: how it does, and what limits do without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use bartizan::clock;
use bartizan_store::fallback::{Fallback, OnFailure};
use bartizan_store::leased::Leased;
use bartizan_store::redis::{Address, Health, RedisMeter};

use crate::config::Settings;

/// Counters in Redis, and what happens while it is down.
#[derive(Debug)]
pub struct SharedStore {
    meter: RedisMeter,
    /// What the gateway asks: slices that were taken ahead, then Redis, then what a limit does
    /// without it.
    pub(crate) leased: Arc<Leased>,
    fallback: Arc<Fallback>,
    /// Whether anything refuses while it is down.
    closed: AtomicBool,
}

impl SharedStore {
    /// Begins to connect. A gateway starts without it: its limits are closed until it is there.
    pub(crate) fn open(address: Address) -> anyhow::Result<Self> {
        let meter = RedisMeter::open(address).context("the shared store cannot be used")?;
        let fallback = Arc::new(Fallback::new(Arc::new(meter.clone())));
        let leased = Arc::new(Leased::new(Arc::clone(&fallback) as Arc<_>, clock::now));
        Ok(Self { meter, leased, fallback, closed: AtomicBool::new(true) })
    }

    /// Does from now on as these settings say.
    pub(crate) fn obey(&self, settings: &Settings) {
        let limits = settings.limits.iter();
        self.fallback.set(limits.map(|limit| (Arc::clone(&limit.name), limit.on_failure)));
        let hot = settings.limits.iter().filter(|limit| limit.lease);
        self.leased.set(hot.map(|limit| Arc::clone(&limit.name)));
        let closed = settings.limits.iter().any(|limit| limit.on_failure == OnFailure::Closed);
        self.closed.store(closed, Ordering::Relaxed);
    }

    /// Gives back what was taken ahead, when no request is under way any more.
    pub(crate) async fn close(&self) {
        self.leased.close().await;
    }

    /// How it does.
    #[must_use]
    pub fn health(&self) -> Health {
        self.meter.health()
    }

    /// Whether requests are refused because it is down.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.closed.load(Ordering::Relaxed) && self.health().down.is_some()
    }

    /// How many decisions were made without it.
    #[must_use]
    pub fn without(&self) -> u64 {
        self.fallback.decisions()
    }
}
