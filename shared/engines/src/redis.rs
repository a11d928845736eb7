//! A private Redis (or Valkey): one Unix socket, no port, an append-only file flushed every second.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::{
    DataDir, Durability, EngineError,
    directories::{Log, SocketDir},
    process::{self, Description, Process, Signal, StopSequence},
    programs,
};

const ENGINE: &str = "Redis";
const SOCKET: &str = "redis.sock";
const STOP_SIGNALS: &StopSequence =
    &[(Signal::Terminate, Duration::from_secs(30)), (Signal::Kill, Duration::from_secs(5))];

/// A running Redis; dropping it ends it.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    url: String,
    launch: Launch,
    log: Log,
    // Dropped in this order, after the process has ended: the directory is given up last.
    _sockets: SocketDir,
    _dir: DataDir,
}

/// The parts of its command line.
#[derive(Debug)]
struct Launch {
    server: PathBuf,
    data: PathBuf,
    pid_file: PathBuf,
    socket: PathBuf,
    durability: Durability,
}

impl Redis {
    /// Starts on `dir/redis`, with existing data, and waits until it answers.
    pub async fn start(dir: &Path, durability: Durability) -> Result<Self, EngineError> {
        let server = programs::find_redis(&programs::directories())?;
        let own = DataDir::lock(&dir.join("redis"))?;
        let (data, pid_file, run) = (own.path().join("data"), own.path().join("pid"), own.path().join("run"));
        if let Some(pid) = process::read_pid(&pid_file) {
            let description = Description {
                programs: &["redis-server", "valkey-server"],
                paths: &[data.clone(), PathBuf::from(format!("unixsocket:{}", run.join(SOCKET).display()))],
            };
            process::stop_leftover(ENGINE, pid, &description, STOP_SIGNALS).await?;
        }
        fs::create_dir_all(&data).map_err(EngineError::io("create", &data))?;
        let sockets = SocketDir::create(&run, SOCKET, None)?;
        let socket = sockets.path().join(SOCKET);
        let log = Log::begin(own.path().with_extension("log"))?;
        let url = format!("redis+unix://{}", socket.display());
        let launch = Launch { server, data, pid_file, socket, durability };
        let process = launch.start(&log).await?;
        Ok(Self { process, url, launch, log, _sockets: sockets, _dir: own })
    }

    /// `redis+unix:///…/redis.sock`.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Flushes its file and waits for its end.
    pub async fn stop(&mut self) -> Result<(), EngineError> {
        self.process.stop(STOP_SIGNALS).await
    }

    /// Deletes everything in it.
    pub async fn reset(&self) -> Result<(), EngineError> {
        let socket = &self.launch.socket;
        call(socket, "FLUSHALL", "+OK").await.map_err(EngineError::io("empty", socket))
    }

    /// Restarts it at the same address, with the data that it kept: none in tests.
    pub async fn restart(&mut self) -> Result<(), EngineError> {
        self.stop().await?;
        self.process = self.launch.start(&self.log).await?;
        Ok(())
    }
}

impl Launch {
    /// Starts it and waits until it answers.
    async fn start(&self, log: &Log) -> Result<Process, EngineError> {
        let mut process = Process::spawn(ENGINE, self.command(), log, Signal::Terminate)?;
        process.until_ready(log, || call(&self.socket, "PING", "+PONG")).await?;
        Ok(process)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.server);
        command.args(["--port", "0", "--unixsocketperm", "700", "--daemonize", "no", "--save", ""]);
        command.args(["--maxmemory-policy", "noeviction", "--appendfsync", "everysec"]);
        command.args(["--appendonly", if self.durability == Durability::Durable { "yes" } else { "no" }]);
        command.arg("--unixsocket").arg(&self.socket).arg("--dir").arg(&self.data);
        command.arg("--pidfile").arg(&self.pid_file);
        command
    }
}

/// Sends a command, and waits for its answer. Until it has loaded its file, that is `-LOADING`.
async fn call(socket: &Path, command: &str, expected: &str) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(format!("{command}\r\n").as_bytes()).await?;
    let mut answer = [0; 128];
    let length = stream.read(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer[..length]);
    if answer.starts_with(expected) { Ok(()) } else { Err(io::Error::other(answer.trim().to_owned())) }
}
