//! May another password be checked now? So many at once, so many that wait, and no more.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds work that takes a core and 19 MiB: a flood of logins must not starve the road.
#[derive(Debug)]
pub(super) struct Gate {
    /// Those who work or wait.
    admitted: Arc<Semaphore>,
    /// Those who work.
    working: Arc<Semaphore>,
}

/// How many passwords should be checked at once: the other half of the cores is for the road.
#[must_use]
pub fn half_the_cores() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).max(1)
}

/// There is no room even to wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Full;

impl Gate {
    pub(super) fn new(at_once: usize, waiting: usize) -> Self {
        let at_once = at_once.max(1);
        let admitted = Arc::new(Semaphore::new(at_once + waiting));
        Self { admitted, working: Arc::new(Semaphore::new(at_once)) }
    }

    /// Whether one more may come in.
    #[cfg(test)]
    pub(super) fn is_open(&self) -> bool {
        self.admitted.available_permits() > 0
    }

    /// Does `work` on a thread for it. Work that has begun keeps its place until it is done, even
    /// if nobody waits for it any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Full> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| Full)?;
        let working = Arc::clone(&self.working).acquire_owned().await.map_err(|_| Full)?;
        let task = tokio::task::spawn_blocking(move || {
            let _places: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (admitted, working);
            work()
        });
        task.await.map_err(|_| Full)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_flood_is_turned_away_and_no_work_is_lost() {
        let gate = Arc::new(Gate::new(1, 1));
        let (go, wait) = mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let first = {
            let gate = Arc::clone(&gate);
            let work = move || {
                begun.send(()).unwrap();
                wait.recv().unwrap();
            };
            tokio::spawn(async move { gate.run(work).await })
        };
        begins.await.unwrap();
        // It hangs up; what it began goes on and keeps its place.
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        let mut second = Box::pin(gate.run(|| 2));
        tokio::select! {
            biased;
            _ = &mut second => unreachable!("the place is taken"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(gate.run(|| 3).await, Err(Full));
        go.send(()).unwrap();
        assert_eq!(second.await, Ok(2));
        assert_eq!(gate.run(|| 4).await, Ok(4));
    }
}
