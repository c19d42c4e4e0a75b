//! A way to a server that a test can make slow, or lead elsewhere.

#![expect(clippy::expect_used, reason = "a test may panic")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Passes on what either side says, as an address does that moves with its service.
#[derive(Debug)]
pub struct Proxy {
    /// Its port on 127.0.0.1.
    pub port: u16,
    way: Arc<Way>,
}

#[derive(Debug)]
struct Way {
    to: AtomicU16,
    /// How long each answer is held up, in milliseconds.
    delay: AtomicU64,
    closed: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A way to the server on that port of 127.0.0.1.
    ///
    /// # Panics
    /// If there is no port for it.
    #[must_use]
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let way = Way {
            to: AtomicU16::new(port),
            delay: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            open: Mutex::default(),
        };
        let (port, way) = (listener.local_addr().expect("an address").port(), Arc::new(way));
        let ours = Arc::clone(&way);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ours.closed.load(Ordering::Relaxed) {
                    return;
                }
                // Where nobody listens, the client is hung up on.
                let Ok(server) =
                    TcpStream::connect((Ipv4Addr::LOCALHOST, ours.to.load(Ordering::Relaxed)))
                else {
                    continue;
                };
                ours.join(client, server);
            }
        });
        Self { port, way }
    }

    /// From now on each piece of an answer comes so much later.
    pub fn slow(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.way.delay.store(millis, Ordering::Relaxed);
    }

    /// From now on it leads to another server. Whoever was connected is hung up on.
    pub fn lead_to(&self, port: u16) {
        self.way.to.store(port, Ordering::Relaxed);
        self.way.hang_up();
    }
}

impl Way {
    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let both = [&client, &server].map(|stream| stream.try_clone().expect("a handle"));
        self.open.lock().expect("nobody panics").extend(both);
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
        }
        let (from_client, to_server) = (client.try_clone(), server.try_clone());
        let (from_client, to_server) =
            (from_client.expect("a handle"), to_server.expect("a handle"));
        thread::spawn(move || pass_on(from_client, to_server, || Duration::ZERO));
        let ours = Arc::clone(self);
        let delay = move || Duration::from_millis(ours.delay.load(Ordering::Relaxed));
        thread::spawn(move || pass_on(server, client, delay));
    }

    fn hang_up(&self) {
        for stream in self.open.lock().expect("nobody panics").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, delay: impl Fn() -> Duration) {
    let mut piece = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        thread::sleep(delay());
        let Some(said) = piece.get(..length) else { break };
        if to.write_all(said).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.way.closed.store(true, Ordering::Relaxed);
        self.way.hang_up();
        // Wakes the one that waits for clients.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}
