//! On which core is a connection served? On one, from its first byte to its last.
//!
//! A worker is a thread with an event loop of its own. What belongs to a request stays with it: its
//! memory, its timers, the connection to the upstream. Nothing of it waits for another core, and
//! no task is woken across cores. The price: a single HTTP/2 connection has one core, however
//! many streams it carries. See `docs/decisions/0008-a-connection-stays-on-its-core.md`.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

thread_local! {
    /// Which worker this thread is; 0 is any thread that is none.
    static HERE: Cell<usize> = const { Cell::new(0) };
}

/// The number of the worker that this thread is, from 1; 0 on other threads.
pub(crate) fn here() -> usize {
    HERE.get()
}

/// Threads that serve connections. Dropping them ends what still runs there.
pub struct Workers {
    workers: Box<[Worker]>,
    stop: CancellationToken,
}

struct Worker {
    handle: Handle,
    /// Connections that are open here.
    connections: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

/// A place for a connection at one of the workers, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) handle: Handle,
    taken: Arc<AtomicUsize>,
}

impl Workers {
    /// As many as the machine has cores.
    #[must_use]
    pub fn cores() -> NonZeroUsize {
        std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
    }

    /// Starts `count` workers.
    ///
    /// # Errors
    /// The system gives no more threads or descriptors.
    pub fn start(count: NonZeroUsize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let workers = (1..=count.get()).map(|number| Worker::start(number, stop.clone()));
        Ok(Self { workers: workers.collect::<io::Result<_>>()?, stop })
    }

    /// A place at the worker that has the fewest connections.
    pub(super) fn seat(&self) -> Option<Seat> {
        let free = |worker: &&Worker| worker.connections.load(Ordering::Relaxed);
        let worker = self.workers.iter().min_by_key(free)?;
        worker.connections.fetch_add(1, Ordering::Relaxed);
        Some(Seat { handle: worker.handle.clone(), taken: Arc::clone(&worker.connections) })
    }
}

impl Worker {
    fn start(number: usize, stop: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new().name(format!("worker-{number}"));
        let thread = thread.spawn(move || {
            HERE.set(number);
            runtime.block_on(stop.cancelled());
        })?;
        Ok(Self { handle, connections: Arc::default(), thread: Some(thread) })
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.workers.iter_mut().filter_map(|worker| worker.thread.take()) {
            // A worker that panicked outside of its tasks has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connections = self.workers.iter().map(|w| w.connections.load(Ordering::Relaxed));
        f.debug_list().entries(connections).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_shared_out_evenly_and_their_places_become_free() {
        let workers = Workers::start(NonZeroUsize::new(3).unwrap()).unwrap();
        let seats: Vec<Seat> = (0..7).filter_map(|_| workers.seat()).collect();
        assert_eq!(format!("{workers:?}"), "[3, 2, 2]");
        drop(seats);
        assert_eq!(format!("{workers:?}"), "[0, 0, 0]");
    }

    #[test]
    fn a_worker_knows_its_number_and_other_threads_have_none() {
        let workers = Workers::start(NonZeroUsize::new(2).unwrap()).unwrap();
        let seats = [workers.seat().unwrap(), workers.seat().unwrap()];
        let mut numbers = seats.map(|seat| {
            let (tell, told) = std::sync::mpsc::channel();
            seat.handle.spawn(async move { tell.send(here()) });
            told.recv().unwrap()
        });
        numbers.sort_unstable();
        assert_eq!((numbers, here()), ([1, 2], 0));
    }
}
