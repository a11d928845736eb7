//! The archive: what retention removes is written elsewhere before, as JSON Lines.
//!
//! A file is complete, or not there under its name. The deletion is committed after it is stored, so a crash in between
//! archives the same requests once more, in a file of the same or another name: readers tell by the request's id.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use tokio::{
    fs::{self, File},
    io::AsyncWriteExt,
};
use troupe_core::{
    adapters::s3::Bucket,
    config::{S3, StoragePlace},
    ids::RequestId,
};

pub(crate) struct Archive {
    place: StoragePlace,
    store: Store,
}

enum Store {
    Directory(PathBuf),
    Bucket(Bucket),
}

impl fmt::Display for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl Archive {
    pub(crate) fn new(place: StoragePlace, s3: &S3) -> anyhow::Result<Self> {
        let store = match &place {
            StoragePlace::Directory(directory) => Store::Directory(directory.clone()),
            StoragePlace::Bucket { name, folder } => {
                Store::Bucket(Bucket::new(s3, name, folder).context("retention.archive")?)
            }
        };
        Ok(Self { place, store })
    }

    /// A file with a line for each of these requests, named by the first and the last.
    pub(super) async fn write(&self, ids: &[RequestId], records: &[String]) -> anyhow::Result<()> {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(()) };
        let name = format!("requests-{first}-{last}.jsonl");
        let lines = records.iter().flat_map(|record| [record.as_str(), "\n"]).collect::<String>();
        match &self.store {
            Store::Directory(directory) => write_file(directory, &name, &lines).await?,
            Store::Bucket(bucket) => bucket.put(&name, lines.into_bytes()).await?,
        }
        Ok(())
    }
}

async fn write_file(directory: &Path, name: &str, content: &str) -> std::io::Result<()> {
    fs::create_dir_all(directory).await?;
    let path = directory.join(name);
    let part = path.with_extension("part");
    let mut options = File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part).await?;
    file.write_all(content.as_bytes()).await?;
    file.sync_all().await?;
    fs::rename(&part, &path).await?;
    // The name is on the disk when its directory is.
    File::open(directory).await?.sync_all().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_has_a_line_for_each_and_is_whole_or_not_there() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("archive/requests");
        let archive = |path: &Path| Archive {
            place: StoragePlace::Directory(path.to_owned()),
            store: Store::Directory(path.to_owned()),
        };
        let ids = [RequestId::new(), RequestId::new()];
        let records = ["{\"request\":1}".to_owned(), "{\"request\":2}".to_owned()];
        archive(&directory).write(&ids, &records).await.unwrap();
        let path = directory.join(format!("requests-{}-{}.jsonl", ids[0], ids[1]));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"request\":1}\n{\"request\":2}\n");
        // Once more after a crash: the same file.
        archive(&directory).write(&ids, &records).await.unwrap();
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
        assert!(archive(&path).write(&ids, &records).await.is_err());
    }
}
