//! A WebSocket, as far as the tests need one (RFC 6455).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::PATIENCE;

/// A connection on which a WebSocket was asked for.
pub(crate) struct Socket {
    pub(crate) status: u16,
    stream: TcpStream,
    /// What came after the head.
    unread: Vec<u8>,
}

/// Asks for a WebSocket.
pub(crate) async fn open(address: SocketAddr, path: &str, key: Option<&str>) -> Socket {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let key = key.map_or_else(String::new, |key| format!("Authorization: Bearer {key}\r\n"));
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{key}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut socket = Socket { status: 0, stream, unread: Vec::new() };
    let end = loop {
        let found = socket.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        match found {
            Some(end) => break end + 4,
            None => assert!(socket.fill().await > 0, "no answer"),
        }
    };
    let head = String::from_utf8(socket.unread.drain(..end).collect()).unwrap();
    socket.status = head.split(' ').nth(1).unwrap().parse().unwrap();
    socket
}

impl Socket {
    /// Sends one text, masked with zeros.
    pub(crate) async fn send(&mut self, text: &str) {
        let length = u8::try_from(text.len()).unwrap();
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Receives one short text.
    pub(crate) async fn receive(&mut self) -> String {
        while self.unread.len() < 2 || self.unread.len() < 2 + usize::from(self.unread[1]) {
            assert!(self.fill().await > 0, "the tunnel closed");
        }
        let end = 2 + usize::from(self.unread[1]);
        let frame: Vec<u8> = self.unread.drain(..end).collect();
        assert_eq!(frame[0], 0x81, "{frame:?}");
        String::from_utf8(frame[2..].to_vec()).unwrap()
    }

    async fn fill(&mut self) -> usize {
        timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await.unwrap().unwrap()
    }
}
