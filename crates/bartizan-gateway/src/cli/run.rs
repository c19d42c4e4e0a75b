//! `bartizan run`: the gateway, from its start to its end.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use arc_swap::{ArcSwap, ArcSwapOption};
use bartizan::App;
use bartizan::body::Body;
use bartizan::clock;
use bartizan::peer::Peer;
use bartizan::serve::{Options, Service, Unread, Workers, serve};
use bartizan_core::audit::{self, Entry, Event, Trail as _};
use http::{Request, Response};
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::Admin;
use crate::assemble::{Standing, assemble};
use crate::config::seen::Files;
use crate::config::settings::server::Timeouts;
use crate::config::{self, Findings, Overrides, Paint, Settings, exposed};
use crate::demo::Demo;
use crate::descriptors;
use crate::reload::{self, Cause, Loaded, Outcome, Watcher};
use crate::telemetry::{self, LogFormat};

/// The configuration where none is named.
const USUAL: &str = "bartizan.yaml";

/// Starts the gateway. SIGHUP, or a change of the file, reloads it; SIGTERM or SIGINT drains it.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = USUAL)]
    pub config: PathBuf,
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", value_parser = host)]
    pub host: Option<IpAddr>,
    /// The port to listen on; 0 takes a free one and prints it.
    #[arg(long)]
    pub port: Option<u16>,
    /// The port for health and metrics; 0 takes a free one and prints it.
    #[arg(long, value_name = "PORT")]
    pub admin_port: Option<u16>,
    /// The private key, PEM.
    #[arg(long, value_name = "FILE", requires = "ssl_certfile")]
    pub ssl_keyfile: Option<PathBuf>,
    /// The certificate chain, PEM.
    #[arg(long, value_name = "FILE", requires = "ssl_keyfile")]
    pub ssl_certfile: Option<PathBuf>,
    /// The quick start: a demo agent and the user `agent1`, on loopback, forgotten afterwards.
    #[arg(long, conflicts_with = "config")]
    pub demo: bool,
    /// How the program's own log on standard error is written; what, says `RUST_LOG`.
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
}

/// Where settings come from.
#[derive(Debug)]
enum Source {
    File(PathBuf),
    Demo(Demo),
}

/// What a reload replaces.
#[derive(Debug)]
struct Running {
    app: App,
    tls: Option<Arc<ServerConfig>>,
    settings: Settings,
}

/// The app in force answers, whichever that is when a request comes.
#[derive(Clone)]
struct InForce(Arc<ArcSwap<Running>>);

impl Service for InForce {
    fn answer(
        self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send {
        self.0.load().app.handle(request.map(Body::from), peer)
    }

    fn unread(&self, peer: &Peer, unread: Unread) {
        self.0.load().app.remember(peer, unread);
    }
}

/// Runs until a signal ends it.
///
/// # Errors
/// What keeps the gateway from starting.
pub async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    telemetry::begin(args.log_format);
    let overrides = args.overrides();
    let source = args.source()?;
    let watcher = Watcher::new();
    let settings = match source.settings(&overrides).1 {
        Ok(settings) => settings,
        Err(findings) => {
            eprint!("{}", findings.to_text(&source.name(), Paint::Plain));
            return Ok(ExitCode::from(2));
        }
    };
    let gateway = Gateway::open(source, overrides, settings, watcher).await?;
    gateway.run().await?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn overrides(&self) -> Overrides {
        let tls = self.ssl_certfile.clone().zip(self.ssl_keyfile.clone());
        Overrides { host: self.host, port: self.port, admin_port: self.admin_port, tls }
    }

    fn source(&self) -> anyhow::Result<Source> {
        if !self.demo {
            return Ok(Source::File(self.config.clone()));
        }
        // Named before the command it conflicts with nothing there.
        if self.config != Path::new(USUAL) {
            bail!("the demo has a configuration of its own: leave out `--config` or `--demo`");
        }
        // Its password is in every copy of the guide.
        match self.host {
            Some(host) if !host.is_loopback() => bail!(
                "the demo listens on loopback only: everybody knows its password; leave out `--host`"
            ),
            Some(_) | None => Ok(Source::Demo(Demo::new()?)),
        }
    }
}

fn host(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(IpAddr::from([127, 0, 0, 1])),
        _ => text.parse().map_err(|_| "not an IP address or `localhost`".into()),
    }
}

impl Source {
    /// The files that were looked for, and what they say.
    fn settings(&self, overrides: &Overrides) -> (Files, Result<Settings, Findings>) {
        match self {
            Self::File(path) => {
                let examined = config::examine(path, overrides, &config::process_environment);
                (examined.files.clone(), examined.into_settings())
            }
            Self::Demo(demo) => (Files::default(), demo.settings(overrides)),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Demo(_) => "demo".into(),
        }
    }

    /// The app that the settings describe.
    async fn running(&self, settings: Settings, standing: &Standing) -> anyhow::Result<Running> {
        let extra = match self {
            Self::File(_) => Vec::new(),
            Self::Demo(_) => Demo::endpoints(),
        };
        let tls = settings.server.tls.as_ref().map(|tls| tls.pair().load()).transpose()?;
        let app = assemble(&settings, standing, extra).await?;
        Ok(Running { app, tls, settings })
    }
}

/// Everything that is open while the gateway runs.
struct Gateway {
    source: Source,
    overrides: Overrides,
    standing: Standing,
    running: Arc<ArcSwap<Running>>,
    tls: Arc<ArcSwapOption<ServerConfig>>,
    watcher: Watcher,
    public: TcpListener,
    private: TcpListener,
    admin: Arc<Admin>,
}

impl Gateway {
    async fn open(
        source: Source,
        overrides: Overrides,
        settings: Settings,
        mut watcher: Watcher,
    ) -> anyhow::Result<Self> {
        watcher.follow(settings.files.clone());
        if !settings.warnings.is_empty() {
            eprint!("{}", settings.warnings.to_text(&source.name(), Paint::Plain));
        }
        let standing = Standing::open(&settings).await?;
        for (_, file) in exposed::find(&settings) {
            let file = file.display();
            tracing::warn!(
                "everybody on this machine can read `{file}`, which holds secrets: `chmod 600` it"
            );
        }
        let public = bind(settings.server.listen, "--port").await?;
        let private = bind(settings.server.admin, "--admin-port").await?;
        let running = source.running(settings, &standing).await?;
        let tls = Arc::new(ArcSwapOption::new(running.tls.clone()));
        let admin = Arc::new(Admin {
            metrics: Arc::clone(standing.metrics()),
            trail: Arc::clone(standing.trail()),
            budgets: standing.budgets().clone(),
            shared: standing.shared().cloned(),
            stopping: AtomicBool::new(false),
        });
        let running = Arc::new(ArcSwap::from_pointee(running));
        Ok(Self { source, overrides, standing, running, tls, watcher, public, private, admin })
    }

    async fn run(self) -> anyhow::Result<()> {
        // Signals are caught before anybody is told that the gateway listens.
        let (mut term, mut int) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut stop = async || tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} };
        greet(&self)?;
        let Self { source, overrides, standing, running, tls, watcher, public, private, admin } =
            self;
        let (shutdown, end, tasks) =
            (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        let workers =
            Arc::new(Workers::start(Workers::cores()).context("no threads can be started")?);
        let options =
            options(&running.load().settings, Arc::clone(&tls), Some(Arc::clone(&workers)));
        let options = Options {
            pressure: Arc::clone(admin.metrics.connections()),
            max_connections: served(options.max_connections),
            ..options
        };
        let drain = options.drain_timeout;
        let apps = InForce(Arc::clone(&running));
        let public = tasks.spawn(serve(public, apps, options, shutdown.clone()));
        let asked = Arc::clone(&admin);
        let show = move |request: Request<Incoming>, _: Peer| {
            let response = asked.answer(&request);
            async move { response }
        };
        tasks.spawn(serve(private, show, small(), end.clone()));

        standing.tell_alerts();
        let standing = Arc::new(standing);
        let begun = running.load().settings.clone();
        let reloading = Reloading { source, overrides, begun, standing: Arc::clone(&standing) };
        let reloading =
            reloading.run(watcher, Arc::clone(&running), tls, Arc::clone(&admin), shutdown.clone());
        tokio::select! {
            () = reloading => {}
            () = stop() => {}
        }
        tracing::info!("stopping: requests under way may end");
        admin.stopping.store(true, Ordering::Relaxed);
        shutdown.cancel();
        tokio::select! {
            _ = public => {}
            () = stop() => tracing::warn!("a second signal: not waiting any longer"),
        }
        running.load().app.close(drain).await;
        end.cancel();
        standing.close().await;
        drop(workers);
        Ok(())
    }
}

/// What reloading needs.
struct Reloading {
    source: Source,
    overrides: Overrides,
    /// With what the process began: what cannot be replaced is still as it says.
    begun: Settings,
    standing: Arc<Standing>,
}

impl Reloading {
    /// Reloads until `shutdown`.
    async fn run(
        self,
        watcher: Watcher,
        running: Arc<ArcSwap<Running>>,
        tls: Arc<ArcSwapOption<ServerConfig>>,
        admin: Arc<Admin>,
        shutdown: CancellationToken,
    ) {
        let load = || self.load();
        let report = |cause: Cause, outcome: Outcome<Running, Unsound>| {
            let taken = matches!(outcome, Outcome::Replaced(_));
            admin.metrics.reloaded(taken);
            self.record(cause, taken);
            match outcome {
                Outcome::Replaced(old) => {
                    let new = running.load();
                    tls.store(new.tls.clone());
                    told(cause, &self.begun, &old.settings, &new.settings);
                }
                Outcome::Kept(unsound) => {
                    tracing::error!(
                        ?cause,
                        "the new configuration is not sound: the old one stays\n{unsound}"
                    );
                }
            }
        };
        reload::watch(watcher, Arc::clone(&running), load, report, shutdown).await;
    }

    /// Writes the attempt into the audit log.
    fn record(&self, cause: Cause, taken: bool) {
        let cause = match cause {
            Cause::FileChanged => "file",
            Cause::Signal => "signal",
        };
        let reason = (!taken).then(|| "the new configuration is not sound".to_owned());
        let entry = Entry {
            event: Event::ConfigChanged,
            outcome: if taken { audit::Outcome::Allow } else { audit::Outcome::Deny },
            time: clock::now(),
            facts: None,
            reason,
            details: serde_json::Map::from_iter([("cause".to_owned(), cause.into())]),
            end: None,
        };
        drop(self.standing.trail().append(&entry));
    }

    async fn load(&self) -> Loaded<Running, Unsound> {
        let (files, settings) = self.source.settings(&self.overrides);
        let state = match settings {
            Ok(settings) => {
                let state = self.source.running(settings, &self.standing).await;
                state.map_err(|error| Unsound(format!("{error:#}")))
            }
            Err(findings) => Err(Unsound(findings.to_text(&self.source.name(), Paint::Plain))),
        };
        Loaded { state, files }
    }
}

/// All that is wrong with a new configuration.
#[derive(Debug)]
struct Unsound(String);

impl Display for Unsound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.trim_end())
    }
}

/// Says that a reload took effect, and what of it must wait for the next start.
fn told(cause: Cause, begun: &Settings, old: &Settings, new: &Settings) {
    tracing::info!(?cause, "the new configuration is in force");
    for key in later(begun, new) {
        tracing::warn!("`{key}` takes effect at the next start");
    }
    match (&old.server.tls, &new.server.tls) {
        (None, Some(_)) => tracing::warn!("new connections must speak TLS from now on"),
        (Some(_), None) => tracing::warn!("new connections are in the clear from now on"),
        (None, None) | (Some(_), Some(_)) => {}
    }
}

/// The keys whose change must wait for the next start.
fn later<'k>(old: &Settings, new: &Settings) -> Vec<&'k str> {
    let (before, now) = (&old.server, &new.server);
    let (patience, bounds) =
        (options(old, Arc::default(), None), options(new, Arc::default(), None));
    let (kept, keep) = (&old.audit, &new.audit);
    let later = [
        ("server.listen", before.listen != now.listen),
        ("server.admin.listen", before.admin != now.admin),
        ("server.http.max_header_bytes", patience.max_header_bytes != bounds.max_header_bytes),
        ("server.http.max_headers", patience.max_headers != bounds.max_headers),
        ("server.http.max_streams", patience.max_streams != bounds.max_streams),
        ("server.http.max_connections", patience.max_connections != bounds.max_connections),
        (
            "server.http.max_connections_per_address",
            patience.max_connections_per_address != bounds.max_connections_per_address,
        ),
        ("server.timeouts.header", patience.header_timeout != bounds.header_timeout),
        ("server.timeouts.idle", patience.idle_timeout != bounds.idle_timeout),
        ("server.timeouts.drain", patience.drain_timeout != bounds.drain_timeout),
        (
            "timeouts.upstream (as far as a connection counts as stuck)",
            patience.stuck_timeout != bounds.stuck_timeout,
        ),
        ("store.durable", old.store.durable != new.store.durable),
        ("store.shared", old.store.shared != new.store.shared),
        ("audit.destination", kept.destination != keep.destination),
        ("audit.durability", kept.durability != keep.durability),
        ("audit.events", kept.events != keep.events),
        ("audit.refusals_per_second", kept.refusals_per_second != keep.refusals_per_second),
    ];
    later.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound
        .with_context(|| format!("cannot listen on `{address}`; choose another port with `{flag}`"))
}

/// The first lines: what runs, and where.
fn greet(gateway: &Gateway) -> anyhow::Result<()> {
    let (public, private) = (gateway.public.local_addr()?, gateway.private.local_addr()?);
    let scheme = if gateway.tls.load().is_some() { "https" } else { "http" };
    let running = gateway.running.load();
    let title = &running.settings.title;
    let mut lines = format!(
        "{title}, guarded by bartizan {}\nlistening on {scheme}://{public}\n\
         health and metrics on http://{private} (/livez, /readyz, /metrics)\n",
        env!("CARGO_PKG_VERSION")
    );
    if let Source::Demo(_) = gateway.source {
        tracing::warn!(
            "this is the demo: everybody knows its password, and its store is temporary"
        );
        lines.push_str(&Demo::hints(public));
    }
    let mut out = io::stdout().lock();
    // Whoever started the gateway may have closed its output.
    let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
    Ok(())
}

/// How much longer than the slowest answer a connection may stand still.
const STUCK_GRACE: Duration = Duration::from_secs(300);

fn options(
    settings: &Settings,
    tls: Arc<ArcSwapOption<ServerConfig>>,
    workers: Option<Arc<Workers>>,
) -> Options {
    let (timeouts, http) = (settings.server.timeouts, settings.server.http);
    let slower = |timeouts: Timeouts| timeouts.upstream.max(timeouts.body);
    let slowest = settings.endpoints.iter().map(|endpoint| slower(endpoint.timeouts)).max();
    Options {
        tls: Some(tls),
        header_timeout: timeouts.header,
        idle_timeout: timeouts.idle,
        stuck_timeout: slowest.unwrap_or_default().max(slower(timeouts)) + STUCK_GRACE,
        drain_timeout: timeouts.drain,
        max_header_bytes: http.max_header_bytes,
        max_headers: http.max_headers,
        max_streams: http.max_streams,
        max_connections: http.max_connections,
        max_connections_per_address: http.max_connections_per_address,
        workers,
        pressure: Arc::default(),
    }
}

/// How many of so many connections there are descriptors for.
fn served(wanted: usize) -> usize {
    let descriptors = descriptors::raise();
    let served = descriptors::connections(wanted, descriptors);
    if let Some(descriptors) = descriptors.filter(|_| served < wanted) {
        tracing::warn!(
            "`max_connections` is {served}, not {wanted}: the process may open {descriptors} files and sockets; raise \
             the limit (`ulimit -n`, `LimitNOFILE=`, `--ulimit nofile=`)"
        );
    }
    served
}

/// What the admin listener allows.
fn small() -> Options {
    Options { max_connections: 64, drain_timeout: Duration::from_secs(1), ..Options::default() }
}
