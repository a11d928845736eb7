//! A zip archive, stored in the database in parts as it is written: only the last part is in memory.

use std::{
    fmt::Display,
    io::{self, Write},
    mem,
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;
use troupe_db::accounts::account_jobs;
use zip::{
    CompressionMethod, ZipWriter,
    write::{SimpleFileOptions, StreamWriter},
};

use crate::work::{Context, JobError, job::held};

const PIECE: usize = 1 << 20;

/// Output that is not stored yet.
#[derive(Clone, Default)]
struct Packed(Arc<Mutex<Vec<u8>>>);

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Zip = ZipWriter<StreamWriter<Packed>>;

pub(super) struct Archive<'a> {
    context: &'a Context,
    zip: Zip,
    packed: Packed,
    pieces: i32,
}

impl<'a> Archive<'a> {
    pub(super) fn begin(context: &'a Context) -> Self {
        let packed = Packed::default();
        let zip = ZipWriter::new_stream(packed.clone()).set_auto_large_file();
        Self { context, zip, packed, pieces: 0 }
    }

    /// Starts a file of this name.
    pub(super) fn file(&mut self, name: &str) -> Result<(), JobError> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        self.zip.start_file(name, options).map_err(not_packed)
    }

    /// Compresses more of the file, off the threads of replies.
    pub(super) async fn write(&mut self, bytes: impl Into<Bytes>) -> Result<(), JobError> {
        let mut bytes: Bytes = bytes.into();
        while !bytes.is_empty() {
            let some = bytes.split_to(PIECE.min(bytes.len()));
            let mut zip = mem::replace(&mut self.zip, ZipWriter::new_stream(Packed::default()));
            let packing = tokio::task::spawn_blocking(move || {
                let written = zip.write_all(&some);
                (zip, written)
            });
            let (zip, written) = packing.await.map_err(not_packed)?;
            self.zip = zip;
            written.map_err(not_packed)?;
            self.keep(PIECE).await?;
        }
        Ok(())
    }

    /// Finishes the archive and stores the rest.
    pub(super) async fn finish(mut self) -> Result<(), JobError> {
        mem::replace(&mut self.zip, ZipWriter::new_stream(Packed::default())).finish().map_err(not_packed)?;
        self.keep(1).await
    }

    /// Stores full parts.
    async fn keep(&mut self, least: usize) -> Result<(), JobError> {
        loop {
            let piece = {
                let mut packed = self.packed.0.lock();
                if packed.len() < least {
                    return Ok(());
                }
                let end = PIECE.min(packed.len());
                let rest = packed.split_off(end);
                mem::replace(&mut *packed, rest)
            };
            let Context { pool, lease, .. } = self.context;
            held(account_jobs::keep_part(pool, *lease, self.pieces, &piece).await?)?;
            self.pieces += 1;
        }
    }
}

fn not_packed(error: impl Display) -> JobError {
    JobError::failed(format!("pack a file: {error}"))
}
