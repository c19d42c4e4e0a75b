//! What reached the upstream? An origin that judges every byte and answers every request.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::wire::{Read, request};

/// An upstream on a port of its own. It ends with the process of the test.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What it has seen since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How many whole requests.
    pub(crate) requests: usize,
    /// What was wrong with the others.
    pub(crate) malformed: Vec<String>,
}

impl Origin {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let log = Arc::clone(&log);
                thread::spawn(move || serve(stream, &log));
            }
        });
        Self { address, seen }
    }

    /// What was seen since the last call.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// Reads requests until one is malformed or the sender is gone.
fn serve(mut stream: TcpStream, log: &Mutex<Seen>) {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        bytes.extend_from_slice(&piece[..count]);
        loop {
            match request(&bytes) {
                Ok(Read::Request(length)) => {
                    log.lock().unwrap().requests += 1;
                    bytes.drain(..length);
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                }
                Ok(Read::Beginning) => break,
                Err(how) => {
                    log.lock()
                        .unwrap()
                        .malformed
                        .push(format!("{how}: {:?}", String::from_utf8_lossy(&bytes)));
                    return;
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
    }
}
