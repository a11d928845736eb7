"""PostgreSQL, Redis, servers and workers in a directory of the moment, on Unix sockets and free ports of this machine alone.

Every process is a child that the kernel kills when this program ends, however it ends. Start from the main thread only: the kernel
means the thread that has started it.
"""

import ctypes
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
# Debian keeps PostgreSQL's programs off the path.
POSTGRES_DIRECTORIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


class Process:
    """A server or a worker, which may be killed and started again at the same addresses."""

    def __init__(self, system, name, program, environment):
        self.system, self.name, self.program = system, name, program
        self.metrics = f"127.0.0.1:{system.free_port()}"
        self.environment = environment | {"TROUPE_TELEMETRY__LISTEN": self.metrics}
        self.child = None

    def start(self):
        self.child = self.system.start(self.name, [self.program], self.environment)

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def stop(self):
        """As whoever replaces it: it ends what is under way."""
        self.system.children = [known for known in self.system.children if known[1] is not self.child]
        self.child.send_signal(signal.SIGTERM)
        self.child.wait()


class System:
    # What a drill of another kind has otherwise.
    NAME = "alert-drill"
    INSTANCES = 2
    INITDB = ["--no-sync"]
    POSTGRES = ["fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=200"]
    # Of PostgreSQL and what it starts.
    postgres_environment = None

    def __init__(self, binaries, settings, base_url):
        self.binaries = binaries
        self.children = []
        self.directory = Path(tempfile.mkdtemp(prefix=f"troupe-{self.NAME}."))
        self.directory.chmod(0o711)
        # Ports are only given once: a process that was killed comes back to its own.
        self.ports = set()
        self.servers, self.workers = [], []
        self.settings = settings
        self._start_postgres()
        self._start_redis()
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": f"postgres://troupe@localhost/postgres?host={self.postgres_directory}&sslmode=disable",
            "REDIS_URL": f"redis+unix://{self.directory}/redis.sock",
            "TROUPE_TELEMETRY__FORMAT": "json",
        } | settings
        # Without a model service the built-in voice replies.
        if base_url:
            environment |= {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": base_url}
        for number in range(1, self.INSTANCES + 1):
            address = f"127.0.0.1:{self.free_port()}"
            server = Process(
                self, f"server-{number}", binaries / "troupe-server", environment | {"TROUPE_SERVER__LISTEN": address}
            )
            server.address = address
            self.servers.append(server)
            self.workers.append(Process(self, f"worker-{number}", binaries / "troupe-worker", environment))
        for process in self.servers + self.workers:
            process.start()
        for process in self.servers + self.workers:
            self.until_ready(process)

    def free_port(self):
        while True:
            with socket.socket() as one:
                one.bind(("127.0.0.1", 0))
                port = one.getsockname()[1]
            if port not in self.ports:
                self.ports.add(port)
                return port

    def start(self, name, command, environment=None, user=None):
        log = (self.directory / f"{name}.log").open("ab")
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment or {"PATH": os.environ["PATH"], "LC_ALL": "C"},
            cwd=self.directory,
            user=user,
            group=user and pwd.getpwnam(user).pw_gid,
            extra_groups=[] if user else None,
            preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        )
        log.close()
        self.children.append((name, child))
        return child

    def until(self, what, holds, seconds):
        deadline = time.monotonic() + seconds
        while not holds():
            for name, child in self.children[:]:
                if child.poll() not in (None, -signal.SIGKILL):
                    raise RuntimeError(f"{name} has ended ({child.returncode}) before {what}; its log:\n{self.tail(name)}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what}: not within {seconds} s")
            time.sleep(0.1)

    def until_ready(self, process):
        self.until(f"{process.name} is ready", lambda: answers(process.metrics, "/ready"), 60)

    def tail(self, name):
        return "\n".join((self.directory / f"{name}.log").read_text(errors="replace").splitlines()[-20:])

    # ---- The engines ----

    def _start_postgres(self):
        # It does not run as root.
        self.postgres_user = "postgres" if os.geteuid() == 0 else None
        home = self.postgres_directory = self.directory / "postgres"
        home.mkdir()
        if self.postgres_user:
            shutil.chown(home, self.postgres_user, pwd.getpwnam(self.postgres_user).pw_gid)
        programs = [path for path in POSTGRES_DIRECTORIES if (path / "initdb").exists()]
        found = programs[0] / "initdb" if programs else shutil.which("initdb")
        if not found:
            raise RuntimeError("PostgreSQL is missing: scripts/setup test")
        self.postgres_programs = Path(found).parent
        made = self.start(
            "initdb",
            [found, "-D", home / "data", "-U", "troupe", "-A", "trust", "-E", "UTF8", "--locale=C", *self.INITDB],
            user=self.postgres_user,
        )
        if made.wait() != 0:
            raise RuntimeError(self.tail("initdb"))
        self.children.pop()
        self.start_postgres()

    def start_postgres(self):
        settings = ["listen_addresses=", *self.POSTGRES]
        command = [self.postgres_programs / "postgres", "-D", self.postgres_directory / "data"]
        command += ["-k", self.postgres_directory] + [part for setting in settings for part in ("-c", setting)]
        self.postgres = self.start("postgres", command, self.postgres_environment, self.postgres_user)
        path = str(self.postgres_directory / ".s.PGSQL.5432")
        self.until("PostgreSQL listens", lambda: listens(path), 60)

    def stop_postgres(self):
        """An immediate shutdown, as in a crash: its address leads nowhere."""
        self.postgres.send_signal(signal.SIGQUIT)
        self.postgres.wait()
        self.children = [known for known in self.children if known[1] is not self.postgres]

    def signal_postgres(self, number):
        """To the postmaster and all that it has started."""
        of_each = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                of_each[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
        for pid in [self.postgres.pid] + [pid for pid, parent in of_each.items() if parent == self.postgres.pid]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def rows(self, statement):
        """What a statement gives, as a list of rows."""
        own = {"PGHOST": str(self.postgres_directory), "PGUSER": "troupe", "PGDATABASE": "postgres"}
        return query([self.postgres_programs / "psql"], statement, self.postgres_environment or own)

    def _start_redis(self):
        path = str(self.directory / "redis.sock")
        command = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no"]
        self.redis = self.start("redis", command)
        self.until("Redis listens", lambda: listens(path), 30)

    def tell(self, program, *arguments):
        """Runs one of our programs with the environment of its kind; gives its exit status and what it wrote."""
        process = (self.workers if program == "troupe-worker" else self.servers)[0]
        told = subprocess.run(
            [self.binaries / program, *arguments],
            env=process.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        return told.returncode, told.stdout

    # ---- The end ----

    def end(self, keep=False):
        for _, child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
        if hasattr(self, "postgres") and self.postgres.poll() is None:
            self.signal_postgres(signal.SIGCONT)
        # The engines last: the others would complain.
        for name, child in reversed(self.children):
            if child.poll() is None:
                child.send_signal(signal.SIGQUIT if name == "postgres" else signal.SIGKILL)
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if keep:
            print(f"logs and data are in {self.directory}", file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def query(psql, statement, environment):
    """What a statement gives by this psql, as a list of rows."""
    command = [*psql, "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1"]
    command += ["-c", f"select coalesce(json_agg(t), '[]') from ({statement}) t"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True)
    if told.returncode:
        raise RuntimeError(told.stderr)
    return [list(row.values()) for row in json.loads(told.stdout)]


def listens(path):
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(path) == 0


def answers(address, path):
    host, port = address.split(":")
    try:
        with socket.create_connection((host, int(port)), 5) as one:
            one.settimeout(5)
            one.sendall(f"GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
            return one.recv(64).split(b" ")[1] == b"200"
    except (OSError, IndexError):
        return False
