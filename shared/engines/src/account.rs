//! The user PostgreSQL runs as. It refuses to run as root, so root switches to `postgres`, or to `nobody`.

use std::{
    fs, io,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use crate::EngineError;

const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// A user other than root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// The user for PostgreSQL: the current one (`None`) unless we are root; else the owner of existing files.
    pub(super) fn for_postgres(data: &Path) -> Result<Option<Self>, EngineError> {
        if !is_root().map_err(EngineError::io("create a file in", &std::env::temp_dir()))? {
            return Ok(None);
        }
        if let Some(files) = fs::metadata(data).ok().filter(|files| files.uid() != 0) {
            return Ok(Some(Self { name: files.uid().to_string(), uid: files.uid(), gid: files.gid() }));
        }
        let passwd = Path::new("/etc/passwd");
        let users = fs::read_to_string(passwd).map_err(EngineError::io("read", passwd))?;
        CANDIDATES.iter().find_map(|name| Self::look_up(name, &users)).map(Some).ok_or_else(|| {
            EngineError::Unusable("PostgreSQL does not run as root, and there is no user postgres or nobody".to_owned())
        })
    }

    pub(super) fn look_up(name: &str, passwd: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next()? != name {
                return None;
            }
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            (uid != 0).then(|| Self { name: name.to_owned(), uid, gid })
        })
    }

    /// Also drops root's supplementary groups: std clears them whenever root sets a user.
    pub(super) fn run(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    pub(super) fn own(&self, path: &Path) -> Result<(), EngineError> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(EngineError::io("change the owner of", path))
    }

    /// Whether the user can access `dir`: tried out, because modes alone do not decide (access lists, mounts).
    pub(super) fn may_enter(&self, dir: &Path) -> Result<bool, EngineError> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", ":"]).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.run(&mut shell);
        match shell.status() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
            Err(cause) => Err(EngineError::Io { what: format!("run a program as user {}", self.name), cause }),
        }
    }
}

/// The owner of files that we create.
fn is_root() -> io::Result<bool> {
    Ok(tempfile::tempfile()?.metadata()?.uid() == 0)
}
