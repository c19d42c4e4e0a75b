//! How does an app come to answer on an address?

use std::future::Future;
use std::io;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::signal;
use tokio_util::sync::CancellationToken;

use super::{Options, Service, Unread, serve};
use crate::app::App;
use crate::body::Body;
use crate::layer::Guarded;
use crate::peer::Peer;

/// How long settling may take after the last answer.
const SETTLING: Duration = Duration::from_secs(10);

impl App {
    /// Serves plain HTTP on a loopback address such as `127.0.0.1:8000` until the process is told
    /// to stop (SIGINT, SIGTERM); then what is under way comes to its end, and is settled. Port 0
    /// is any that is free; which one is told through `tracing`.
    ///
    /// # Errors
    /// The address cannot be listened on, or is no loopback address: beyond this machine
    /// credentials need TLS, see [`App::serve_on`].
    pub async fn serve(self, address: &str) -> io::Result<()> {
        let listener = loopback(address).await?;
        let stop = on_signal()?;
        self.serve_on(listener, Options::default(), stop).await;
        Ok(())
    }

    /// Serves as `options` say until `shutdown`; then what is under way comes to its end, and is
    /// settled.
    pub async fn serve_on(
        &self,
        listener: TcpListener,
        options: Options,
        shutdown: CancellationToken,
    ) {
        let app = self.clone();
        let answer = move |request: Request<Body>, peer| app.handle(request, peer);
        answers(self, answer, listener, options, shutdown).await;
    }
}

impl Guarded {
    /// Serves as [`App::serve`] does.
    ///
    /// # Errors
    /// As [`App::serve`].
    pub async fn serve(self, address: &str) -> io::Result<()> {
        let listener = loopback(address).await?;
        let stop = on_signal()?;
        self.serve_on(listener, Options::default(), stop).await;
        Ok(())
    }

    /// Serves as [`App::serve_on`] does.
    pub async fn serve_on(
        &self,
        listener: TcpListener,
        options: Options,
        shutdown: CancellationToken,
    ) {
        let guarded = self.clone();
        let answer = move |request: Request<Body>, peer| guarded.handle(request, peer);
        answers(self.app(), answer, listener, options, shutdown).await;
    }
}

async fn answers<F, Fut>(
    app: &App,
    answer: F,
    listener: TcpListener,
    options: Options,
    shutdown: CancellationToken,
) where
    F: Fn(Request<Body>, Peer) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    if let Ok(address) = listener.local_addr() {
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        tracing::info!(title = app.title(), "listening on {scheme}://{address}");
    }
    let service = Serving { app: app.clone(), answer };
    serve(listener, service, options, shutdown).await;
    app.close(SETTLING).await;
}

/// An app, or what stands around one.
#[derive(Clone)]
struct Serving<F> {
    app: App,
    answer: F,
}

impl<F, Fut> Service for Serving<F>
where
    F: Fn(Request<Body>, Peer) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    fn answer(
        self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send {
        (self.answer)(request.map(Body::from), peer)
    }

    fn unread(&self, peer: &Peer, unread: Unread) {
        self.app.remember(peer, unread);
    }
}

async fn loopback(address: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await?;
    if listener.local_addr()?.ip().is_loopback() {
        return Ok(listener);
    }
    let why = format!(
        "`{address}` is no loopback address, and plain HTTP would show credentials to the \
         network: use `serve_on` with TLS, or stand behind a proxy on this machine"
    );
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

/// Is cancelled when the process is told to stop.
fn on_signal() -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let told = stop.clone();
    #[cfg(unix)]
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let terminate = async move { terminate.recv().await };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<Option<()>>();
    drop(tokio::spawn(async move {
        tokio::select! {
            _ = signal::ctrl_c() => {}
            _ = terminate => {}
        }
        told.cancel();
    }));
    Ok(stop)
}
