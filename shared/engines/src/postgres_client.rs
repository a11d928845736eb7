//! `pg_dump` and `pg_restore` of a private PostgreSQL: of ours, or of one that another process runs.

use std::{
    fs,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use crate::{EngineError, postgres, programs};

const BUFFER_BYTES: usize = 1 << 16;
/// Lines of `postmaster.pid`, counted from 0.
const SOCKET_DIR_LINE: usize = 4;
const STATUS_LINE: usize = 7;

/// The address of a PostgreSQL, and the client programs of its version.
#[derive(Debug, Clone)]
pub struct PostgresClient {
    url: String,
    bin: PathBuf,
}

/// A running client program, and what it says on standard error.
struct Running {
    program: &'static str,
    child: Child,
    errors: fs::File,
}

impl PostgresClient {
    pub(super) fn new(url: String, bin: PathBuf) -> Self {
        Self { url, bin }
    }

    /// For the PostgreSQL that another process runs on `dir/postgres`; `None` while none takes connections there.
    pub fn of_running(dir: &Path) -> Result<Option<Self>, EngineError> {
        let data = postgres::data_link(dir);
        let read = |name: &str| {
            let file = data.join(name);
            match fs::read_to_string(&file) {
                Ok(text) => Ok(Some(text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(cause) => Err(EngineError::io("read", &file)(cause)),
            }
        };
        let (Some(state), Some(version)) = (read("postmaster.pid")?, read("PG_VERSION")?) else { return Ok(None) };
        let lines: Vec<_> = state.lines().map(str::trim).collect();
        let (Some(sockets), Some(&"ready")) = (lines.get(SOCKET_DIR_LINE), lines.get(STATUS_LINE)) else {
            return Ok(None);
        };
        let bin = programs::find_postgres(&programs::directories(), Some(version.trim()))?;
        Ok(Some(Self::new(postgres::url(Path::new(sockets)), bin)))
    }

    /// As [`crate::Postgres::url`].
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Of PostgreSQL; `None` where its program does not say.
    pub fn major_version(&self) -> Option<i32> {
        programs::version(&self.bin.join("postgres"))?.parse().ok()
    }

    /// Writes the database to `sink` in PostgreSQL's custom format, compressed, as an exported snapshot sees it.
    pub async fn dump(&self, snapshot: &str, mut sink: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), EngineError> {
        let arguments = ["--format=custom", "--no-password", "--snapshot", snapshot];
        let mut dump = self.start("pg_dump", &arguments, Stdio::null(), Stdio::piped())?;
        let mut output = dump.child.stdout.take();
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Some(output) = &mut output {
            let length = output.read(&mut buffer).await.map_err(|cause| dump.failure("read from", cause))?;
            if length == 0 {
                break;
            }
            sink(&buffer[..length]).map_err(|cause| EngineError::Io { what: "write the dump".to_owned(), cause })?;
        }
        dump.end().await
    }

    /// Fills an empty database from a dump, in one transaction.
    pub async fn restore(&self, mut dump: impl Read) -> Result<(), EngineError> {
        let arguments =
            ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", "--no-password", "--dbname"];
        let mut restore = self.start("pg_restore", &arguments, Stdio::piped(), Stdio::null())?;
        let mut input = restore.child.stdin.take();
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Some(pipe) = &mut input {
            let length =
                dump.read(&mut buffer).map_err(|cause| EngineError::Io { what: "read the dump".to_owned(), cause })?;
            // A program that has failed reads no more; its status says so.
            if length == 0 || pipe.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
        drop(input);
        restore.end().await
    }

    /// Starts a client program; dropping the result kills it. The address comes last.
    fn start(
        &self,
        program: &'static str,
        arguments: &[&str],
        input: Stdio,
        output: Stdio,
    ) -> Result<Running, EngineError> {
        let path = self.bin.join(program);
        if !programs::is_program(&path) {
            return Err(EngineError::Unusable(format!(
                "{} is missing: install the client programs of this PostgreSQL",
                path.display()
            )));
        }
        let failure = |cause| EngineError::io("start", &path)(cause);
        let errors = tempfile::tempfile().map_err(failure)?;
        let child = Command::new(&path)
            .args(arguments)
            .arg(&self.url)
            .env("LC_ALL", "C")
            .stdin(input)
            .stdout(output)
            .stderr(errors.try_clone().map_err(failure)?)
            .kill_on_drop(true)
            .spawn()
            .map_err(failure)?;
        Ok(Running { program, child, errors })
    }
}

impl Running {
    async fn end(mut self) -> Result<(), EngineError> {
        let status: ExitStatus = self.child.wait().await.map_err(|cause| self.failure("wait for", cause))?;
        if status.success() {
            return Ok(());
        }
        let mut output = String::new();
        _ = self.errors.rewind().and_then(|()| self.errors.read_to_string(&mut output));
        Err(EngineError::Program { program: self.program, status, output: output.trim_end().to_owned() })
    }

    fn failure(&self, what: &str, cause: io::Error) -> EngineError {
        EngineError::Io { what: format!("{what} {}", self.program), cause }
    }
}
