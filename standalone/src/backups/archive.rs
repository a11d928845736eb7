//! The file of a backup: written under a temporary name, and read only when every part is what was written.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, BufReader, Read, Write},
    path::{Component, Path},
};

use anyhow::{Context, bail, ensure};
use ring::digest;
use tempfile::NamedTempFile;
use zip::{CompressionMethod, ZipArchive, ZipWriter, read::ZipFile, write::SimpleFileOptions};

use super::{
    DATABASE, EXTENSION, FILES,
    manifest::{Manifest, Part},
    sync_dir,
};

const MANIFEST: &str = "manifest.json";
const BUFFER_BYTES: usize = 1 << 16;
const MAX_MANIFEST_BYTES: u64 = 1 << 24;

/// A file that is being written. Dropping it removes what there is.
pub(super) struct ArchiveWriter {
    zip: ZipWriter<NamedTempFile>,
    part: Option<(String, digest::Context, u64)>,
    parts: Vec<Part>,
}

impl ArchiveWriter {
    /// Begins in the directory that the file is to be in, readable by its owner only.
    pub(super) fn begin(dir: &Path) -> anyhow::Result<Self> {
        let file = tempfile::Builder::new()
            .prefix(".troupe-")
            .suffix(&format!(".{EXTENSION}.part"))
            .tempfile_in(dir)
            .with_context(|| format!("create a file in {}", dir.display()))?;
        Ok(Self { zip: ZipWriter::new(file), part: None, parts: Vec::new() })
    }

    /// Ends the part before, and begins one of this name.
    pub(super) fn begin_part(&mut self, name: &str) -> anyhow::Result<()> {
        self.end_part();
        self.begin_entry(name)?;
        self.part = Some((name.to_owned(), digest::Context::new(&digest::SHA256), 0));
        Ok(())
    }

    fn begin_entry(&mut self, name: &str) -> anyhow::Result<()> {
        // The dump is compressed already, and the rest is small.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(true)
            .unix_permissions(0o600);
        self.zip.start_file(name, options).with_context(|| format!("write {name}"))
    }

    fn end_part(&mut self) {
        if let Some((name, digest, bytes)) = self.part.take() {
            self.parts.push(Part { name, bytes, sha256: hex(digest.finish().as_ref()) });
        }
    }

    /// Adds the manifest, flushes everything to the disk and gives the file its name, which must be new.
    pub(super) fn finish(mut self, mut manifest: Manifest, path: &Path) -> anyhow::Result<u64> {
        self.end_part();
        manifest.parts = self.parts.split_off(0);
        self.begin_entry(MANIFEST)?;
        self.zip.write_all(&serde_json::to_vec_pretty(&manifest)?)?;
        let file = self.zip.finish()?;
        file.as_file().sync_all()?;
        let bytes = file.as_file().metadata()?.len();
        file.persist_noclobber(path)
            .map_err(|error| error.error)
            .with_context(|| format!("write {}", path.display()))?;
        sync_dir(parent(path))?;
        Ok(bytes)
    }
}

impl Write for ArchiveWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.zip.write(bytes)?;
        if let Some((_, digest, total)) = &mut self.part {
            digest.update(&bytes[..length]);
            *total += length as u64;
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.zip.flush()
    }
}

/// A backup that is whole, and that this version can read.
pub(super) struct Archive {
    zip: ZipArchive<BufReader<File>>,
    pub(super) manifest: Manifest,
}

impl Archive {
    /// Opens it and reads everything once; what is damaged is named.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        let opened = ZipArchive::new(BufReader::new(file)).context("it is no backup of Troupe, or its end is missing");
        let open = || {
            let mut zip = opened?;
            let mut text = Vec::new();
            let entry = zip.by_name(MANIFEST).context("manifest.json is missing: it is no backup of Troupe")?;
            entry.take(MAX_MANIFEST_BYTES).read_to_end(&mut text).context("manifest.json is damaged")?;
            let mut archive = Self { zip, manifest: Manifest::parse(&text)? };
            archive.check_parts()?;
            Ok(archive)
        };
        open().map_err(|error: anyhow::Error| error.context(format!("{} cannot be restored", path.display())))
    }

    fn check_parts(&mut self) -> anyhow::Result<()> {
        let parts = self.manifest.parts.clone();
        ensure!(parts.iter().any(|part| part.name == DATABASE), "{DATABASE} is missing");
        for part in &parts {
            ensure!(part.name == DATABASE || file_name(&part.name).is_some(), "manifest.json is damaged");
            let (bytes, sha256) = self
                .part(&part.name)
                .and_then(|mut entry| Ok(digest_of(&mut entry)?))
                .with_context(|| format!("{} is damaged", part.name))?;
            if bytes != part.bytes || sha256 != part.sha256 {
                bail!("{} is damaged: it is not what was written", part.name);
            }
        }
        Ok(())
    }

    pub(super) fn part(&mut self, name: &str) -> anyhow::Result<ZipFile<'_, BufReader<File>>> {
        self.zip.by_name(name).with_context(|| format!("read {name}"))
    }

    /// The parts that are files of the data directory: name of the part, name of the file.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let parts = self.manifest.parts.iter();
        parts.filter_map(|part| Some((part.name.clone(), file_name(&part.name)?.to_owned()))).collect()
    }
}

/// The name of a file directly in the data directory; nothing leads elsewhere.
fn file_name(part: &str) -> Option<&str> {
    let name = part.strip_prefix(FILES)?;
    let mut components = Path::new(name).components();
    let plain = matches!((components.next(), components.next()), (Some(Component::Normal(only)), None) if only == name);
    plain.then_some(name)
}

fn digest_of(reader: &mut impl Read) -> io::Result<(u64, String)> {
    let mut digest = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut total = 0;
    loop {
        let length = reader.read(&mut buffer)?;
        if length == 0 {
            return Ok((total, hex(digest.finish().as_ref())));
        }
        digest.update(&buffer[..length]);
        total += length as u64;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// The directory that a file is in.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::backups::manifest::{FORMAT, VERSION};

    /// A backup with a database of the given bytes.
    fn written(dir: &Path, database: &[u8]) -> std::path::PathBuf {
        let path = dir.join("a.backup");
        let mut writer = ArchiveWriter::begin(dir).unwrap();
        for (name, content) in [(DATABASE, database), ("files/demo-password", b"hunter2")] {
            writer.begin_part(name).unwrap();
            writer.write_all(content).unwrap();
        }
        let manifest = Manifest {
            format: FORMAT,
            version: VERSION.to_owned(),
            migration: 1,
            postgres: 15,
            messages: 0,
            created_at: "2026-11-27T12:00:00Z".parse().unwrap(),
            parts: Vec::new(),
        };
        writer.finish(manifest, &path).unwrap();
        path
    }

    #[test]
    fn what_is_written_is_read_and_is_the_owners_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), b"rows");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing temporary is left");
        let mut archive = Archive::open(&path).unwrap();
        assert_eq!(archive.files(), [("files/demo-password".to_owned(), "demo-password".to_owned())]);
        let mut rows = String::new();
        archive.part(DATABASE).unwrap().read_to_string(&mut rows).unwrap();
        assert_eq!(rows, "rows");
    }

    #[test]
    fn an_existing_file_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), b"rows");
        let kept = fs::read(&path).unwrap();
        let writer = ArchiveWriter::begin(dir.path()).unwrap();
        let manifest = Archive::open(&path).unwrap().manifest;
        assert!(writer.finish(manifest, &path).is_err());
        assert_eq!(fs::read(&path).unwrap(), kept);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    /// Whatever byte of the content is another, the part is named; whatever byte of the file is, nothing panics.
    #[test]
    fn damage_is_found_and_its_part_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), b"ROWS-OF-THE-DATABASE");
        let whole = fs::read(&path).unwrap();
        let damaged = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            Archive::open(&path).err().map(|error| format!("{error:#}"))
        };
        let at = |text: &[u8]| whole.windows(text.len()).position(|window| window == text).unwrap();
        for (content, part) in [
            (&b"ROWS-OF"[..], "database.dump is damaged"),
            (b"hunter2", "files/demo-password is damaged"),
            (b"created_at", "manifest.json is damaged"),
        ] {
            let mut bytes = whole.clone();
            bytes[at(content)] ^= 1;
            let said = damaged(&bytes).unwrap();
            assert!(said.contains(part) && said.contains("a.backup cannot be restored"), "{said}");
        }
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x55;
            damaged(&bytes);
        }
        for end in [0, 1, whole.len() / 2, whole.len() - 1] {
            let said = damaged(&whole[..end]).unwrap();
            assert!(said.contains("its end is missing"), "{end}: {said}");
        }
    }

    #[test]
    fn no_part_leads_out_of_the_directory() {
        assert_eq!(file_name("files/demo-password"), Some("demo-password"));
        for name in ["demo-password", "files/", "files/..", "files/a/b", "files//etc/passwd", "files/../a", "files/a/"]
        {
            assert_eq!(file_name(name), None, "{name}");
        }
    }
}
