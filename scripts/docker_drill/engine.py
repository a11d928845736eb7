"""Docker and Compose: those that are there, or a private dockerd in the drill's directory, which ends with it."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from alert_drill.system import LIBC, PR_SET_PDEATHSIG

PROXIES = ("http_proxy", "https_proxy", "no_proxy")
# Whatever else is set here would be taken for a setting of compose.yaml.
KEPT = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", *PROXIES)


class Missing(Exception):
    """What the drill cannot do without; its text says how to get it."""


def builds_by_buildkit(program):
    """Whether this docker can: up to 22 by itself, later ones by the plugin buildx."""
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    major = re.search(r"version (\d+)", version)
    if major and int(major[1]) < 23:
        return True
    return subprocess.run([program, "buildx", "version"], capture_output=True).returncode == 0


def find_programs():
    """The first docker of the path that builds by BuildKit, and Compose as a command: the plugin, or the program."""
    found = [Path(directory) / "docker" for directory in os.get_exec_path()]
    found = [program for program in found if os.access(program, os.X_OK)]
    if not found:
        raise Missing("docker is missing: scripts/setup docker (Debian: docker.io)")
    docker = next(filter(builds_by_buildkit, found), None)
    if not docker:
        raise Missing(f"{found[0]} cannot build by BuildKit: its plugin buildx is missing (docker-buildx-plugin)")
    for compose in ([docker, "compose"], ["docker-compose"]):
        if shutil.which(compose[0]) and subprocess.run([*compose, "version"], capture_output=True).returncode == 0:
            return docker, compose
    raise Missing("Compose is missing: scripts/setup docker (Debian: docker-compose; Ubuntu: docker-compose-v2)")


class Docker:
    def __init__(self, directory, say):
        self.directory, self.say = directory, say
        self.program, self.compose = find_programs()
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.environment |= {"DOCKER_BUILDKIT": "1", "LC_ALL": "C.UTF-8"}
        self.daemon = None
        if self.try_run("info").returncode != 0:
            self.start_daemon()

    # ---- Calls ----

    def try_run(self, *arguments, **options):
        options = {"capture_output": True, "text": True, "env": self.environment} | options
        return subprocess.run([self.program, *arguments], **options)

    def run(self, *arguments, **options):
        told = self.try_run(*arguments, **options)
        if told.returncode:
            raise RuntimeError(f"docker {' '.join(map(str, arguments))}:\n{(told.stderr or told.stdout or '').strip()}")
        return (told.stdout or "").strip()

    def inspect(self, *names):
        return json.loads(self.run("inspect", *names)) if names else []

    def logged(self, name, command):
        """Runs a long command, whose output goes to a log; gives what it took, in seconds."""
        path, began = self.directory / f"{name}.log", time.monotonic()
        with path.open("ab") as log:
            ended = subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if ended.returncode:
            tail = "\n".join(path.read_text(errors="replace").splitlines()[-30:])
            raise RuntimeError(f"{name} has ended with {ended.returncode}; its log:\n{tail}")
        return time.monotonic() - began

    # ---- A daemon of the drill's own ----

    def start_daemon(self):
        dockerd = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        if not dockerd:
            raise Missing("no Docker answers, and dockerd is missing: scripts/setup docker (Debian: docker.io)")
        if os.geteuid() != 0:
            raise Missing("no Docker answers, and only root can start one: sudo systemctl start docker, or as root")
        home = self.directory / "dockerd"
        home.mkdir()
        # In the place of the machine's own.
        (home / "daemon.json").write_text("{}\n")
        host = f"unix://{home}/docker.sock"
        command = [dockerd, f"--config-file={home}/daemon.json", f"--data-root={home}/root", f"--exec-root={home}/exec"]
        # Without the default bridge: builds use the host's network, containers those of compose.yaml.
        command += [f"--pidfile={home}/pid", f"--host={host}", "--bridge=none"]
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        with (self.directory / "dockerd.log").open("ab") as log:
            self.daemon = subprocess.Popen(
                command,
                env=self.environment | {"PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for this program, which needs Docker once more.
                start_new_session=True,
                preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM),
            )
        self.environment |= {"DOCKER_HOST": host}
        self.environment.pop("DOCKER_CONTEXT", None)
        deadline = time.monotonic() + 60
        while self.try_run("info").returncode != 0:
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                log = (self.directory / "dockerd.log").read_text(errors="replace").splitlines()
                raise RuntimeError("\n".join(["dockerd does not start; its log:", *log[-20:]]))
            time.sleep(0.2)

    def remove_project(self, project):
        """Containers, networks, volumes and images of that name, whatever state they are in."""
        label = f"label=com.docker.compose.project={project}"
        kinds = [
            (["ps", "--all", "--quiet", "--filter", label], ["rm", "--force", "--volumes"]),
            (["network", "ls", "--quiet", "--filter", label], ["network", "rm"]),
            (["volume", "ls", "--quiet", "--filter", label], ["volume", "rm", "--force"]),
            (["images", "--quiet", "--filter", f"reference={project}/*"], ["rmi", "--force"]),
        ]
        for find, remove in kinds:
            if found := set(self.try_run(*find).stdout.split()):
                told = self.try_run(*remove, *sorted(found))
                if told.returncode:
                    self.say(f"left behind: {told.stderr.strip()}")

    def end(self):
        if not self.daemon:
            return
        self.daemon.send_signal(signal.SIGTERM)
        try:
            self.daemon.wait(60)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        # What a daemon that was killed leaves mounted.
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((one for one in mounts if one.startswith(f"{self.directory}/")), reverse=True):
            subprocess.run(["umount", "--lazy", mount], capture_output=True)
