"""A server, a worker, Redis and a PostgreSQL that is backed up as docker/compose.yaml does it: with the settings that
stand there, and with docker/postgres/backup and pgbackrest.conf. Only addresses and paths are the drill's own.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from alert_drill.system import System

DOCKER = Path(__file__).resolve().parent.parent.parent / "docker"


class BackedUp(System):
    NAME = "backup-drill"
    INSTANCES = 1
    INITDB = ["--data-checksums"]

    def __init__(self, binaries, settings):
        compose = (DOCKER / "compose.yaml").read_text()
        shipped = dict(re.findall(r"- -c(\w+)=(.*)", compose)) | {"archive_mode": "on"}
        assert shipped["archive_command"].startswith("pgbackrest"), "compose.yaml archives nothing"
        self.POSTGRES = [f"{name}={value}" for name, value in shipped.items()]
        super().__init__(binaries, settings, None)

    def _start_postgres(self):
        self.repository, self.rehearsal = self.directory / "repository", self.directory / "rehearsal"
        self.scripts = self.directory / "scripts"
        postgres = self.directory / "postgres"
        for path in (self.repository, self.rehearsal, self.directory / "spool"):
            path.mkdir(mode=0o700)
            shutil.chown(path, *(["postgres", "postgres"] if os.geteuid() == 0 else [os.geteuid()]))
        self.scripts.mkdir()
        for name in ("backup", "pgbackrest.conf"):
            shutil.copy(DOCKER / "postgres" / name, self.scripts)
        (self.scripts / "secrets").mkdir()
        (self.scripts / "secrets" / "secrets.conf").write_text(f"[global]\nrepo1-cipher-pass={os.urandom(24).hex()}\n")
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        self.postgres_environment = {
            "PATH": ":".join(map(str, programs + [os.environ["PATH"]])),
            "LC_ALL": "C",
            "PGHOST": str(postgres),
            "PGUSER": "troupe",
            "PGDATABASE": "postgres",
            "PGBACKREST_STANZA": "troupe",
            "PGBACKREST_CONFIG": str(self.scripts / "pgbackrest.conf"),
            "PGBACKREST_CONFIG_INCLUDE_PATH": str(self.scripts / "secrets"),
            "PGBACKREST_REPO1_PATH": str(self.repository),
            "PGBACKREST_LOCK_PATH": str(self.directory / "spool"),
            "PGBACKREST_PG1_PATH": str(postgres / "data"),
            "PGBACKREST_PG1_SOCKET_PATH": str(postgres),
            "PGBACKREST_PG1_USER": "troupe",
            "REHEARSAL": str(self.rehearsal),
        }
        super()._start_postgres()

    # ---- pgBackRest ----

    def run(self, name, command):
        """Runs it as PostgreSQL's user until its end; gives what it took, in seconds."""
        began = time.monotonic()
        child = self.start(name, command, self.postgres_environment, self.postgres_user)
        child.wait()
        self.children.pop()
        if child.returncode:
            raise RuntimeError(f"{command[0]} has ended with {child.returncode}; its log:\n{self.tail(name)}")
        return time.monotonic() - began

    def start_schedule(self):
        command = [self.scripts / "backup", "schedule"]
        self.schedule = self.start("schedule", command, self.postgres_environment, self.postgres_user)

    def stop_schedule(self):
        self.schedule.send_signal(signal.SIGTERM)
        self.schedule.wait(60)
        self.children = [known for known in self.children if known[1] is not self.schedule]

    def backups(self):
        told = subprocess.run(
            ["pgbackrest", "info", "--output=json"],
            env=self.postgres_environment,
            user=self.postgres_user,
            capture_output=True,
            check=True,
        )
        return [one for stanza in json.loads(told.stdout) for one in stanza.get("backup", [])]

    def recovered(self):
        try:
            return self.rows("select pg_is_in_recovery()") == [[False]]
        except RuntimeError:
            return False

    # ---- Loss and return ----

    def restart_postgres(self):
        """A clean restart, as for a new image."""
        self.children = [known for known in self.children if known[1] is not self.postgres]
        self.postgres.send_signal(signal.SIGINT)
        self.postgres.wait()
        self.start_postgres()

    def destroy(self):
        """Everything is killed at once, and of PostgreSQL and Redis nothing is left; archiving in mid-segment too."""
        processes = self.servers + self.workers
        victims = [process.child.pid for process in processes] + [self.redis.pid] + family(self.postgres.pid)
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        gone = [process.child for process in processes] + [self.redis, self.postgres]
        for child in gone:
            child.wait()
        self.children = [known for known in self.children if known[1] not in gone]
        shutil.rmtree(self.postgres_directory / "data")
        (self.postgres_directory / ".s.PGSQL.5432").unlink(missing_ok=True)

    def restore(self, options):
        return self.run("restore", ["pgbackrest", *options, "restore"])


def family(pid):
    """A process and all that it has started, and what these have."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found
