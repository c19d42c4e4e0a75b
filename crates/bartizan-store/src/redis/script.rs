//! What runs inside Redis? One script; a call of it happens whole or not at all.

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{ErrorKind, RedisResult, ServerErrorKind, Value};

/// The script, in the order in which it is read.
pub(super) const SOURCE: &str =
    concat!(include_str!("number.lua"), include_str!("counter.lua"), include_str!("meter.lua"));

/// The script under the name that Redis gives it.
#[derive(Debug)]
pub(super) struct Script {
    hash: String,
}

/// Keys and arguments of one call.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    pub(super) keys: Vec<String>,
    pub(super) arguments: Vec<String>,
}

impl Script {
    pub(super) fn new() -> Self {
        Self { hash: redis::Script::new(SOURCE).get_hash().to_owned() }
    }

    /// Calls it by its name, and with its text where a server does not know it yet. That needs no
    /// `SCRIPT` command: some proxies refuse it.
    pub(super) async fn call(
        &self,
        connection: &mut MultiplexedConnection,
        words: &Words,
    ) -> RedisResult<Value> {
        match request(connection, &command("EVALSHA", &self.hash, words)).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                request(connection, &command("EVAL", SOURCE, words)).await
            }
            answer => answer,
        }
    }
}

/// One command; what the server refuses is an error as well.
pub(super) async fn request(
    connection: &mut MultiplexedConnection,
    command: &redis::Cmd,
) -> RedisResult<Value> {
    connection.req_packed_command(command).await?.extract_error()
}

fn command(name: &str, script: &str, words: &Words) -> redis::Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(words.keys.len()).arg(&words.keys).arg(&words.arguments);
    command
}
