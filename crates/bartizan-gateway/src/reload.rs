//! Has the configuration changed? A good one takes over between two requests; a bad one never does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::future::Future;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

/// How long files must be quiet: editors and `kubectl` write in several steps.
const QUIET: Duration = Duration::from_millis(300);

/// How often it is looked whether files are quiet, before they are taken as they are.
const MOST_LOOKS: usize = 10;

/// How often files are read even if nobody says that they changed: a ConfigMap changes by a
/// symbolic link far away, and network file systems do not tell.
const POLL: Duration = Duration::from_secs(30);

/// What was loaded, and the files it was made from.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The state.
    pub state: T,
    /// Every file that was read for it.
    pub files: Vec<PathBuf>,
}

/// Why a reload was tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// A file has another content.
    FileChanged,
    /// Somebody sent SIGHUP.
    Signal,
}

/// How a reload ended.
#[derive(Debug)]
pub enum Outcome<T, E> {
    /// The new state is in force; this was the old one.
    Replaced(Arc<T>),
    /// The old state stays in force.
    Kept(E),
}

/// Waits for changes, and puts what `load` makes of them into `current`, in one step: a request
/// sees the old state or the new one, never parts of both. Where `load` fails the old state
/// stays. `report` hears of every attempt. Returns at `shutdown`.
pub async fn watch<T, E, L, F>(
    mut watcher: Watcher,
    current: Arc<ArcSwap<T>>,
    load: L,
    report: impl Fn(Cause, Outcome<T, E>),
    shutdown: CancellationToken,
) where
    E: Display,
    L: Fn() -> F,
    F: Future<Output = Result<Loaded<T>, E>>,
{
    while let Some(cause) = shutdown.run_until_cancelled(watcher.change()).await {
        let outcome = match load().await {
            Ok(Loaded { state, files }) => {
                let old = current.swap(Arc::new(state));
                watcher.follow(files);
                Outcome::Replaced(old)
            }
            Err(error) => Outcome::Kept(error),
        };
        report(cause, outcome);
    }
}

/// Tells when the content of some files has changed. Make it before the files are read: a change
/// that comes in between is then one that is told of.
#[derive(Debug)]
pub struct Watcher {
    /// What stood in each file when it was last looked at, in short.
    content: BTreeMap<PathBuf, u64>,
    /// Watches folders rather than files: a file that is replaced is another file.
    folders: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    stirred: mpsc::Receiver<()>,
    hangup: Option<Signal>,
}

impl Watcher {
    /// Watches these files.
    #[must_use]
    pub fn new(files: Vec<PathBuf>) -> Self {
        let (stir, stirred) = mpsc::channel(1);
        let folders = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // That somebody reads, as we do, is no change.
            if !matches!(event, Ok(Event { kind: EventKind::Access(_), .. })) {
                // Full means that a look is due anyway.
                let _ = stir.try_send(());
            }
        });
        let folders = folders
            .inspect_err(|error| tracing::warn!(%error, "files are only looked at now and then"));
        let hangup = signal(SignalKind::hangup())
            .inspect_err(|error| tracing::warn!(%error, "SIGHUP is not heard"));
        let mut watcher = Self {
            content: BTreeMap::new(),
            folders: folders.ok(),
            watched: BTreeSet::new(),
            stirred,
            hangup: hangup.ok(),
        };
        watcher.follow(files);
        watcher
    }

    /// Watches these files from now on. Those that it watched before keep what was known of them.
    pub fn follow(&mut self, files: Vec<PathBuf>) {
        let folders: BTreeSet<_> = files.iter().flat_map(|file| folders_of(file)).collect();
        if let Some(watcher) = &mut self.folders {
            for gone in self.watched.difference(&folders) {
                let _ = watcher.unwatch(gone);
            }
            for new in folders.difference(&self.watched) {
                if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
                    tracing::warn!(%error, folder = %new.display(), "not watched");
                }
            }
        }
        self.watched = folders;
        let known = std::mem::take(&mut self.content);
        let look = |file: PathBuf| {
            let content = known.get(&file).copied().unwrap_or_else(|| fingerprint(&file));
            (file, content)
        };
        self.content = files.into_iter().map(look).collect();
    }

    /// Waits for a change. A signal counts as one even where no content has changed.
    async fn change(&mut self) -> Cause {
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        poll.reset();
        loop {
            tokio::select! {
                () = heard(&mut self.hangup) => {
                    self.look();
                    return Cause::Signal;
                }
                Some(()) = self.stirred.recv() => self.settle().await,
                _ = poll.tick() => {}
            }
            if self.look() {
                return Cause::FileChanged;
            }
        }
    }

    /// Looks at every file; whether one has changed.
    fn look(&mut self) -> bool {
        let mut changed = false;
        for (file, content) in &mut self.content {
            let now = fingerprint(file);
            changed |= std::mem::replace(content, now) != now;
        }
        changed
    }

    /// Waits until the files stay as they are. Whatever else stirs in their folders, a log perhaps,
    /// does not matter.
    async fn settle(&mut self) {
        let look = |this: &Self| this.content.keys().map(|file| fingerprint(file)).collect();
        let mut before: Vec<_> = look(self);
        for _ in 0..MOST_LOOKS {
            sleep(QUIET).await;
            let now = look(self);
            if now == std::mem::replace(&mut before, now.clone()) {
                break;
            }
        }
        while self.stirred.try_recv().is_ok() {}
    }
}

async fn heard(hangup: &mut Option<Signal>) {
    if let Some(signal) = hangup
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

/// The folder of a file as written, and the one where it really lies.
fn folders_of(file: &Path) -> Vec<PathBuf> {
    let folder = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("/"),
    };
    let real = file.canonicalize().ok();
    std::iter::once(folder(file)).chain(real.as_deref().map(folder)).collect()
}

/// What stands in a file, in short. One that cannot be read has a fingerprint of its own.
fn fingerprint(file: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    std::fs::read(file).ok().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Mutex;

    use super::*;

    struct Running {
        current: Arc<ArcSwap<u32>>,
        outcomes: Arc<Mutex<mpsc::UnboundedReceiver<String>>>,
        shutdown: CancellationToken,
    }

    /// Watches files whose state is the number in the first of them.
    fn run(files: Vec<PathBuf>) -> Running {
        let current = Arc::new(ArcSwap::from_pointee(1));
        let shutdown = CancellationToken::new();
        let (tell, outcomes) = mpsc::unbounded_channel();
        let main = files.clone();
        let load = move || {
            let files = main.clone();
            async move {
                let text = fs::read_to_string(&files[0]).map_err(|error| error.to_string())?;
                let state = text.trim().parse().map_err(|_| format!("`{text}` is no number"))?;
                Ok::<_, String>(Loaded { state, files })
            }
        };
        let report = move |_, outcome: Outcome<u32, String>| {
            tell.send(format!("{outcome:?}")).unwrap();
        };
        let watcher = Watcher::new(files);
        tokio::spawn(watch(watcher, Arc::clone(&current), load, report, shutdown.clone()));
        Running { current, outcomes: Arc::new(Mutex::new(outcomes)), shutdown }
    }

    impl Running {
        async fn next(&self) -> String {
            let outcomes = Arc::clone(&self.outcomes);
            let next = std::future::poll_fn(move |cx| outcomes.lock().unwrap().poll_recv(cx));
            tokio::time::timeout(Duration::from_secs(10), next).await.unwrap().unwrap()
        }
    }

    #[tokio::test]
    async fn a_good_file_takes_over_and_a_bad_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state");
        fs::write(&file, "1").unwrap();
        let running = run(vec![file.clone()]);

        fs::write(&file, "2").unwrap();
        assert_eq!(running.next().await, "Replaced(1)");
        assert_eq!(**running.current.load(), 2);

        fs::write(&file, "two").unwrap();
        assert_eq!(running.next().await, "Kept(\"`two` is no number\")");
        assert_eq!(**running.current.load(), 2);

        fs::write(&file, "3").unwrap();
        assert_eq!(running.next().await, "Replaced(2)");
        assert_eq!(**running.current.load(), 3);
        running.shutdown.cancel();
    }

    /// Kubernetes mounts `file -> ..data/file` and `..data -> ..2026_11_22`, and changes the
    /// latter link.
    #[tokio::test]
    async fn a_config_map_that_swaps_its_link_is_noticed() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, text) in [("..one", "1"), ("..two", "2")] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("state"), text).unwrap();
        }
        symlink("..one", at("..data")).unwrap();
        symlink("..data/state", at("state")).unwrap();
        let running = run(vec![at("state")]);

        symlink("..two", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert_eq!(running.next().await, "Replaced(1)");
        assert_eq!(**running.current.load(), 2);
        running.shutdown.cancel();
    }
}
