//! Where is a large body looked through? Beside the worker, so that whoever shares its core is served
//! meanwhile.

use std::panic::resume_unwind;
use std::sync::LazyLock;

use tokio::sync::Semaphore;

/// A body of more bytes is looked through on another thread. What is less takes less than a
/// millisecond, and to change the thread takes a few microseconds.
pub(crate) const LARGE: usize = 64 * 1024;

/// So many are looked through at the same time: more would take turns on the same cores. Others wait
/// here, in the order in which they came, and hold no thread.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Semaphore::new(cores)
});

/// Does the work that a body of so many bytes makes: here, or beside where it is large.
pub(crate) async fn aside<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if size <= LARGE {
        return work();
    }
    // It is never closed, and without a turn the work is done all the same.
    let turn = TURNS.acquire().await.ok();
    let work = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    match work.await {
        Ok(done) => done,
        Err(lost) => match lost.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is going, and this task with it.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn what_takes_long_does_not_hold_up_those_who_share_the_thread() {
        let here = std::thread::current().id();
        assert_eq!(aside(LARGE, || std::thread::current().id()).await, here);
        // Ends only once another task of this thread has run beside it.
        let (tell, told) = mpsc::channel();
        let long = tokio::spawn(aside(LARGE + 1, move || told.recv()));
        tokio::task::yield_now().await;
        tell.send(()).unwrap();
        long.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn more_than_there_are_cores_wait_for_their_turn_and_all_come_to_it() {
        let many = (0..64).map(|n| tokio::spawn(aside(LARGE + 1, move || n)));
        let mut sum = 0;
        for one in many.collect::<Vec<_>>() {
            sum += one.await.unwrap();
        }
        assert_eq!(sum, (0..64).sum::<i32>());
    }
}
