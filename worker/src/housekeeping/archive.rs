//! The archive: what retention removes is written to a directory before, as JSON Lines.
//!
//! A file is complete, or not there under its name. The deletion is committed after it is on the disk, so a crash in
//! between archives the same requests once more, in a file of the same or another name: readers tell by the request's
//! id.

use std::{
    io,
    path::{Path, PathBuf},
};

use tokio::{
    fs::{self, File},
    io::AsyncWriteExt,
};
use troupe_core::ids::RequestId;

pub(super) struct Archive<'a> {
    pub(super) directory: &'a Path,
}

impl Archive<'_> {
    /// A file with a line for each of these requests, named by the first and the last.
    pub(super) async fn write(&self, ids: &[RequestId], records: &[String]) -> io::Result<PathBuf> {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        fs::create_dir_all(self.directory).await?;
        let path = self.directory.join(format!("requests-{first}-{last}.jsonl"));
        let part = path.with_extension("part");
        let mut options = File::options();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part).await?;
        for record in records {
            file.write_all(record.as_bytes()).await?;
            file.write_all(b"\n").await?;
        }
        file.sync_all().await?;
        fs::rename(&part, &path).await?;
        // The name is on the disk when its directory is.
        File::open(self.directory).await?.sync_all().await?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_has_a_line_for_each_and_is_whole_or_not_there() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("archive/requests");
        let archive = Archive { directory: &directory };
        let ids = [RequestId::new(), RequestId::new()];
        let records = ["{\"request\":1}".to_owned(), "{\"request\":2}".to_owned()];
        let path = archive.write(&ids, &records).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"request\":1}\n{\"request\":2}\n");
        // Once more after a crash: the same file.
        assert_eq!(archive.write(&ids, &records).await.unwrap(), path);
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
        let blocked = Archive { directory: &path };
        assert!(blocked.write(&ids, &records).await.is_err());
    }
}
