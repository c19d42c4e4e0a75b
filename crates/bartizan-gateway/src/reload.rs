//! Has the configuration changed? A good one takes over between two requests; a bad one never does.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::config::seen::{Files, look};

/// How long files must be quiet: editors and `kubectl` write in several steps.
const QUIET: Duration = Duration::from_millis(300);

/// How often it is looked whether files are quiet, before they are taken as they are.
const MOST_LOOKS: usize = 10;

/// How often files are read even if nobody says that they changed: a ConfigMap changes by a
/// symbolic link far away, and network file systems do not tell.
const POLL: Duration = Duration::from_secs(30);

/// What was loaded, or why nothing was; and the files that were looked for.
#[derive(Debug)]
pub struct Loaded<T, E> {
    /// The state.
    pub state: Result<T, E>,
    /// Every file that was looked for, as it was then: when one changes it is worth another try.
    pub files: Files,
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
    F: Future<Output = Loaded<T, E>>,
{
    while let Some(cause) = shutdown.run_until_cancelled(watcher.change()).await {
        let Loaded { state, files } = load().await;
        watcher.follow(files);
        let outcome = match state {
            Ok(state) => Outcome::Replaced(current.swap(Arc::new(state))),
            Err(error) => Outcome::Kept(error),
        };
        report(cause, outcome);
    }
}

/// Tells when the content of some files has changed since they were read.
#[derive(Debug)]
pub struct Watcher {
    /// What stood in each file when it was last looked at, in short.
    content: Files,
    /// Watches folders rather than files: a file that is replaced is another file.
    folders: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    stirred: mpsc::Receiver<()>,
    hangup: Option<Signal>,
}

impl Watcher {
    /// Watches no file yet. From here on SIGHUP is heard, and does not end the process.
    #[must_use]
    pub fn new() -> Self {
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
        Self {
            content: Files::new(),
            folders: folders.ok(),
            watched: BTreeSet::new(),
            stirred,
            hangup: hangup.ok(),
        }
    }

    /// Watches these files from now on: a change is what differs from how they were read.
    pub fn follow(&mut self, files: Files) {
        let folders: BTreeSet<_> = files.keys().flat_map(|file| folders_of(file)).collect();
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
        self.content = files;
    }

    /// Waits for a change. A signal counts as one even where no content has changed.
    async fn change(&mut self) -> Cause {
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = heard(&mut self.hangup) => {
                    self.look();
                    return Cause::Signal;
                }
                Some(()) = self.stirred.recv() => self.settle().await,
                // The first tick is now: what changed since it was read is told.
                _ = poll.tick() => if self.differs() { self.settle().await },
            }
            if self.look() {
                return Cause::FileChanged;
            }
        }
    }

    /// Whether any file is another than it was.
    fn differs(&self) -> bool {
        self.content.iter().any(|(file, content)| look(file) != *content)
    }

    /// Looks at every file; whether one has changed.
    fn look(&mut self) -> bool {
        let mut changed = false;
        for (file, content) in &mut self.content {
            let now = look(file);
            changed |= std::mem::replace(content, now) != now;
        }
        changed
    }

    /// Waits until the files stay as they are. Whatever else stirs in their folders, a log perhaps,
    /// does not matter.
    async fn settle(&mut self) {
        let looks = |this: &Self| this.content.keys().map(|file| look(file)).collect();
        let mut before: Vec<_> = looks(self);
        for _ in 0..MOST_LOOKS {
            sleep(QUIET).await;
            let now = looks(self);
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

/// The folder of a file as written, and the one where it really lies. Each under its one name: what
/// is watched under two is one watch, and ends when either is given up.
fn folders_of(file: &Path) -> Vec<PathBuf> {
    let folder = |path: &Path| {
        let written = match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
            Some(parent) => parent.to_owned(),
            None => PathBuf::from("/"),
        };
        written.canonicalize().unwrap_or(written)
    };
    let real = file.canonicalize().ok();
    std::iter::once(folder(file)).chain(real.as_deref().map(folder)).collect()
}

impl Default for Watcher {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Mutex;

    use super::*;
    use crate::config::seen::Seen;

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
            let seen = Seen::default();
            let texts: Vec<_> = main.iter().map(|file| seen.read(file)).collect();
            let number =
                |text: &String| text.trim().parse().map_err(|_| format!("`{text}` is no number"));
            let read = texts[0].as_ref().map_err(|error| error.to_string());
            let state = read.and_then(number);
            std::future::ready(Loaded { state, files: seen.files() })
        };
        let report = move |_, outcome: Outcome<u32, String>| {
            tell.send(format!("{outcome:?}")).unwrap();
        };
        let mut watcher = Watcher::new();
        watcher.follow(files.into_iter().map(|file| (file.clone(), look(&file))).collect());
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

    #[test]
    fn a_folder_has_one_name_whether_its_file_is_there_or_not() {
        let there = folders_of(Path::new("Cargo.toml"));
        assert_eq!(there.first(), there.last());
        assert_eq!(there.first(), folders_of(Path::new("not there.yaml")).first());
    }

    #[tokio::test]
    async fn a_file_that_was_gone_for_a_while_is_heard_when_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("n");
        fs::write(&file, "1").unwrap();
        let running = run(vec![file.clone()]);
        fs::remove_file(&file).unwrap();
        assert!(running.next().await.starts_with("Kept"));
        // Sooner than it would be read without being told.
        fs::write(&file, "2").unwrap();
        assert!(running.next().await.starts_with("Replaced"));
        running.shutdown.cancel();
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

    #[tokio::test]
    async fn what_changes_between_reading_and_watching_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state");
        fs::write(&file, "1").unwrap();
        let read = Files::from([(file.clone(), look(&file))]);
        fs::write(&file, "2").unwrap();
        let mut watcher = Watcher::new();
        watcher.follow(read);
        let noticed = tokio::time::timeout(Duration::from_secs(10), watcher.change()).await;
        assert_eq!(noticed.unwrap(), Cause::FileChanged);
    }

    #[tokio::test]
    async fn a_file_that_was_missing_mends_the_configuration_by_coming() {
        let folder = tempfile::tempdir().unwrap();
        let [main, named] = ["state", "secret"].map(|name| folder.path().join(name));
        fs::write(&main, "1").unwrap();
        let running = run(vec![main.clone(), named.clone()]);
        fs::write(&main, "x").unwrap();
        assert!(running.next().await.starts_with("Kept"));
        fs::write(&named, "here").unwrap();
        assert!(running.next().await.starts_with("Kept"), "it is tried again");
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
