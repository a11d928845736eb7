//! The connection of a queue's consumer: a fred client behind the interface that apalis-redis asks for
//! (docs/adr/0024).
//!
//! So a process has one client library for Redis, and what that one can do (Sentinel, Cluster, private certificate
//! authorities, credentials that change) holds for the queue too. Fail-fast: the consumer retries on its own.

use std::{str, time::Duration};

use bytes::Bytes;
use fred::{
    clients::Client,
    error::Error,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, Value},
};
use futures::{FutureExt, future};
use redis::{
    Arg, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, aio::ConnectionLike,
};

use super::fail_fast;

/// Commands are sent in the order in which they are made.
#[derive(Clone)]
pub struct QueueConnection {
    client: Client,
    slot: ClusterHash,
    timeout: Duration,
}

impl QueueConnection {
    /// All keys of the queue are in the slot of its name.
    pub(super) fn new(client: Client, queue: &str, timeout: Duration) -> Self {
        Self { client, slot: ClusterHash::from(queue), timeout }
    }

    async fn send(&self, command: &Cmd) -> RedisResult<redis::Value> {
        let word = |argument| if let Arg::Simple(word) = argument { Some(word) } else { None };
        let words: Option<Vec<&[u8]>> = command.args_iter().map(word).collect();
        let named = words.as_deref().and_then(|words| words.split_first());
        let named = named.and_then(|(name, arguments)| Some((str::from_utf8(name).ok()?.to_owned(), arguments)));
        let Some((name, arguments)) = named else {
            return Err((ErrorKind::InvalidClientConfig, "a queue's connection takes commands of plain words").into());
        };
        let arguments = arguments.iter().map(|word| Value::Bytes(Bytes::copy_from_slice(word))).collect();
        let client = fail_fast(&self.client, self.timeout).map_err(|error| error_of(&error))?;
        let command = CustomCommand::new(name, self.slot.clone(), false);
        client.custom(command, arguments).await.map(value_of).map_err(|error| error_of(&error))
    }
}

impl ConnectionLike for QueueConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, redis::Value> {
        self.send(command).boxed()
    }

    /// The queue's scripts need none.
    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<redis::Value>> {
        future::ready(Err((ErrorKind::InvalidClientConfig, "a queue's connection takes no pipelines").into())).boxed()
    }

    fn get_db(&self) -> i64 {
        self.client.client_config().database.map_or(0, i64::from)
    }
}

/// The kind that callers look at: a script that is not loaded is sent anew, everything else is tried again.
fn error_of(error: &Error) -> RedisError {
    let missing_script = error.details().starts_with("NOSCRIPT");
    let kind = if missing_script { ErrorKind::Server(ServerErrorKind::NoScript) } else { ErrorKind::Io };
    (kind, "the queue's connection", error.to_string()).into()
}

fn value_of(value: Value) -> redis::Value {
    match value {
        Value::Null => redis::Value::Nil,
        Value::Integer(number) => redis::Value::Int(number),
        Value::Double(number) => redis::Value::Double(number),
        Value::Boolean(truth) => redis::Value::Boolean(truth),
        Value::Bytes(bytes) => redis::Value::BulkString(bytes.to_vec()),
        Value::String(text) => redis::Value::BulkString(text.as_bytes().to_vec()),
        Value::Queued => redis::Value::SimpleString("QUEUED".to_owned()),
        Value::Array(values) => redis::Value::Array(values.into_iter().map(value_of).collect()),
        Value::Map(map) => {
            let entries = map.inner().into_iter();
            let entry = |(key, value): (fred::types::Key, _)| {
                (redis::Value::BulkString(key.as_bytes().to_vec()), value_of(value))
            };
            redis::Value::Map(entries.map(entry).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_their_shape() {
        let answer = Value::Array(vec![
            Value::Array(vec![Value::Bytes(Bytes::from_static(&[0, 255])), Value::Null]),
            Value::Array(vec![Value::String("attempts".into()), Value::Integer(3)]),
        ]);
        let expected = redis::Value::Array(vec![
            redis::Value::Array(vec![redis::Value::BulkString(vec![0, 255]), redis::Value::Nil]),
            redis::Value::Array(vec![redis::Value::BulkString(b"attempts".to_vec()), redis::Value::Int(3)]),
        ]);
        assert_eq!(value_of(answer), expected);
    }

    #[test]
    fn only_a_missing_script_is_told_apart() {
        let kind = |details: &'static str| error_of(&Error::new(fred::error::ErrorKind::Unknown, details)).kind();
        assert_eq!(kind("NOSCRIPT No matching script."), ErrorKind::Server(ServerErrorKind::NoScript));
        assert_eq!(kind("CLUSTERDOWN The cluster is down"), ErrorKind::Io);
    }
}
