//! The engines' directories: the locked data directory, the sockets, the log.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{EngineError, account::Account};

/// The maximum length of a socket's path: 108 bytes on Linux, 104 on the BSDs and macOS, with the final NUL.
const MAX_SOCKET_PATH_BYTES: usize = 103;
const TAIL_LINES: usize = 12;

/// A directory locked by this process while the value lives; the kernel releases the lock in any case.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the directory if needed, and locks it.
    pub fn lock(path: &Path) -> Result<Self, EngineError> {
        if !path.exists() {
            fs::create_dir_all(path).map_err(EngineError::io("create", path))?;
            // Other users may traverse it, not list it: under root PostgreSQL is another user.
            set_mode(path, 0o711)?;
        }
        let path = path.canonicalize().map_err(EngineError::io("open", path))?;
        let file = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&file)
            .map_err(EngineError::io("open", &file))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                _ = lock.read_to_string(&mut holder);
                return Err(EngineError::InUse { dir: path, pid: holder.trim().parse().ok() });
            }
            Err(TryLockError::Error(cause)) => return Err(EngineError::io("lock", &file)(cause)),
        }
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(EngineError::io("write", &file))?;
        Ok(Self { path, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A private directory for one engine's socket.
#[derive(Debug)]
pub(super) struct SocketDir {
    path: PathBuf,
    _temporary: Option<(TempDir, File)>,
}

impl SocketDir {
    /// `preferred`, emptied; or a new one in the system's temporary directory if the socket's path would be too long
    /// there, or would need escaping in a URL.
    pub(super) fn create(preferred: &Path, socket: &str, owner: Option<&Account>) -> Result<Self, EngineError> {
        let (path, temporary) = if is_plain(preferred, socket) {
            if preferred.exists() {
                fs::remove_dir_all(preferred).map_err(EngineError::io("empty", preferred))?;
            }
            fs::create_dir(preferred).map_err(EngineError::io("create", preferred))?;
            set_mode(preferred, 0o700)?;
            (preferred.to_owned(), None)
        } else {
            let mut base = temporary(owner)?;
            if !is_plain(&base.join("troupe-123456"), socket) {
                base = PathBuf::from("/tmp");
            }
            let temporary = fresh(&base, "troupe-")?;
            let path = temporary.path().to_owned();
            // systemd-tmpfiles, which cleans temporary directories by age, skips locked ones.
            let held = File::open(&path).map_err(EngineError::io("open", &path))?;
            _ = held.try_lock_shared();
            (path, Some((temporary, held)))
        };
        if let Some(owner) = owner {
            owner.own(&path)?;
        }
        Ok(Self { path, _temporary: temporary })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn is_plain(dir: &Path, socket: &str) -> bool {
    let bytes = dir.as_os_str().as_encoded_bytes();
    bytes.len() + 1 + socket.len() <= MAX_SOCKET_PATH_BYTES
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(byte))
}

/// The temporary directory: the configured one if the account can access it, else the system's.
pub(super) fn temporary(owner: Option<&Account>) -> Result<PathBuf, EngineError> {
    let configured = std::env::temp_dir();
    let reachable = owner.map_or(Ok(true), |owner| owner.may_enter(&configured))?;
    Ok(if reachable { configured } else { PathBuf::from("/tmp") })
}

/// A new, private directory with a unique name.
pub(super) fn fresh(parent: &Path, prefix: &str) -> Result<TempDir, EngineError> {
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(EngineError::io("create a directory in", parent))
}

/// The entries of a directory with this prefix.
pub(super) fn entries(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)).map(|entry| entry.path()).collect()
}

/// The log of an engine. Only the previous run is kept.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
}

impl Log {
    pub(super) fn begin(path: PathBuf) -> Result<Self, EngineError> {
        if path.exists() {
            fs::rename(&path, path.with_extension("log.1")).map_err(EngineError::io("rename", &path))?;
        }
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn append(&self) -> Result<File, EngineError> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        options.open(&self.path).map_err(EngineError::io("open", &self.path))
    }

    /// The error of an engine, with its last output.
    pub(super) fn failure(&self, engine: &'static str, what: String) -> EngineError {
        let text = fs::read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        EngineError::Failed { engine, what, log: self.path.clone(), tail }
    }
}

pub(super) fn set_mode(path: &Path, mode: u32) -> Result<(), EngineError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(EngineError::io("change the mode of", path))
}
