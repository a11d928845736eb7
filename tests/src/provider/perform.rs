//! A script as it is performed: bytes, pauses and breaks, one after the other.

use std::{collections::VecDeque, convert::Infallible, io, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};

use super::Gate;

#[derive(Debug, Clone)]
pub(super) enum Act {
    /// These bytes, as they are.
    Write(Bytes),
    Wait(Gate),
    /// Time passes, as it does between the words of a real model.
    Pause(Duration),
    /// Nothing more, ever, on an open connection.
    Stall,
    /// The connection breaks.
    Cut,
}

impl Act {
    pub(super) fn write(text: impl Into<String>) -> Self {
        Self::Write(Bytes::from(text.into()))
    }
}

/// The bytes of a script; torn, every few of them come in a write of their own, so that lines and letters are torn.
pub(super) fn perform(acts: VecDeque<Act>, torn: bool) -> impl futures::Stream<Item = Result<Bytes, io::Error>> + Send {
    let written = stream::unfold(acts, |mut acts| async move {
        loop {
            let bytes = match acts.pop_front()? {
                Act::Write(bytes) => Ok(bytes),
                Act::Wait(gate) => {
                    gate.pass().await;
                    continue;
                }
                Act::Pause(pace) => {
                    tokio::time::sleep(pace).await;
                    continue;
                }
                Act::Stall => match std::future::pending::<Infallible>().await {},
                Act::Cut => Err(io::Error::new(io::ErrorKind::ConnectionReset, "cut, as scripted")),
            };
            return Some((bytes, acts));
        }
    });
    written.flat_map(move |bytes| {
        let parts: Vec<_> = match bytes {
            Ok(bytes) if torn => bytes.chunks(3).map(|part| Ok(Bytes::copy_from_slice(part))).collect(),
            whole => vec![whole],
        };
        // Each part in a turn of its own, so that each is a write of its own.
        stream::iter(parts).then(|part| async {
            tokio::task::yield_now().await;
            part
        })
    })
}
