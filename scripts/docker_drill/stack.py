"""The stack of docker/compose.yaml from a copy of docker/: its own project, ports, networks and secrets."""

import ipaddress
import os
import random
import resource
import shutil
import signal
import socket
import struct
import subprocess
import time
from datetime import datetime
from pathlib import Path

from alert_drill.system import query
from docker_drill.images import DOCKER

SERVERS = ("server-1", "server-2")
WORKERS = ("worker-1", "worker-2")
# Those that say whether they are well.
WATCHED = ("postgres", "redis", *SERVERS, *WORKERS)
# What all come from is one address, the gateway's; and the least work for passwords that is allowed.
SETTINGS = """
TROUPE_RATE_LIMITS__ANONYMOUS=100000 per 15m
TROUPE_RATE_LIMITS__SIGN_IN_ADDRESS=100000 per 15m
TROUPE_AUTH__ACCESS_TOKEN_TTL=24h
TROUPE_AUTH__PASSWORD_MEMORY=7168
TROUPE_AUTH__PASSWORD_PASSES=5
"""
# So that the gateway, where the model service is, has an address that is known before.
OVERRIDE = """networks:
  outer:
    ipam:
      config: [{{subnet: "{prefix}.0/24"}}]
"""


def routes(table):
    """The networks of /proc/net/route, without the default one."""

    def address(text):
        return ipaddress.IPv4Address(struct.pack("<I", int(text, 16)))

    rows = [line.split() for line in table.splitlines()[1:] if line.strip()]
    return [ipaddress.IPv4Network(f"{address(row[1])}/{address(row[7])}") for row in rows if int(row[7], 16)]


def free_prefixes(taken, numbers):
    """The first three numbers of networks in 172.30.0.0/16 that overlap with none of these."""
    for number in numbers:
        network = ipaddress.IPv4Network(f"172.30.{number}.0/24")
        if not any(network.overlaps(one) for one in taken):
            yield f"172.30.{number}"


def two_prefixes():
    taken = routes(Path("/proc/net/route").read_text())
    found = list(free_prefixes(taken, random.sample(range(256), 256)))
    if len(found) < 2:
        raise RuntimeError("172.30.0.0/16 is taken on this machine")
    return found[:2]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def moment(text):
    """Docker's, which has nanoseconds, in seconds of the clock."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


class Stack:
    def __init__(self, docker, images, edge, outer):
        self.docker, self.project = docker, images.project
        self.edge, self.outer = edge, outer
        self.home = docker.directory / "docker"
        # As it would be in a new checkout: no secrets, settings or programs of whoever runs this.
        shutil.copytree(DOCKER, self.home, ignore=shutil.ignore_patterns("secrets", ".env", "prebuilt"))
        docker.logged("make-secrets", [self.home / "make-secrets"])
        http, https = free_ports(2)
        self.address = f"127.0.0.1:{http}"
        self.variables = {
            "TROUPE_HTTP_LISTEN": self.address,
            "TROUPE_HTTPS_LISTEN": f"127.0.0.1:{https}",
            "TROUPE_EDGE_PREFIX": edge,
            "TROUPE_SERVER_IMAGE": images.name("server"),
            "TROUPE_WORKER_IMAGE": images.name("worker"),
            "POSTGRES_IMAGE": images.name("postgres"),
            "REDIS_IMAGE": images.name("redis"),
            "NGINX_IMAGE": images.name("nginx"),
        }

    def max_files(self):
        """As compose.yaml wants it, or as many as this machine lets containers have."""
        wanted = 65536
        probe = ["run", "--rm", "--network=none", f"--ulimit=nofile={wanted}:{wanted}", "--entrypoint=true"]
        if self.docker.try_run(*probe, self.variables["REDIS_IMAGE"]).returncode == 0:
            return wanted
        return resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def prepare(self, base_url):
        """Writes what an operator would: the settings, and the key of the model service."""
        with (self.home / "settings.env").open("a") as settings:
            settings.write(SETTINGS)
        key = self.home / "secrets" / "app" / "OPENAI_API_KEY"
        key.write_text("none")
        key.chmod(0o444)
        variables = self.variables | {"OPENAI_BASE_URL": base_url, "TROUPE_MAX_FILES": self.max_files()}
        (self.home / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        (self.home / "drill.yaml").write_text(OVERRIDE.format(prefix=self.outer))

    # ---- Compose ----

    def compose(self, *arguments):
        files = [f"--file={self.home}/compose.yaml", f"--file={self.home}/drill.yaml"]
        command = [*self.docker.compose, f"--project-name={self.project}", f"--project-directory={self.home}", *files]
        return self.docker.logged("compose", [*command, *arguments])

    def up(self):
        self.compose("up", "--detach", "--no-build")

    def replace(self, service):
        """As DEPLOYMENT.md has it for upgrades; gives the seconds until it is healthy."""
        began = time.monotonic()
        self.compose("up", "--detach", "--no-deps", "--no-build", "--force-recreate", service)
        self.until_healthy(service)
        return time.monotonic() - began

    def stop(self):
        self.compose("stop")

    # ---- Containers ----

    def container(self, service):
        labels = {"project": self.project, "service": service}
        filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
        found = self.docker.run("ps", "--all", "--quiet", *filters).split()
        if len(found) != 1:
            raise RuntimeError(f"{service} has {len(found)} containers")
        return found[0]

    def network(self, name):
        labels = {"project": self.project, "network": name}
        filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
        return self.docker.run("network", "ls", "--quiet", *filters)

    def state(self, service):
        return self.docker.inspect(self.container(service))[0]["State"]

    def healthy(self, service):
        state = self.state(service)
        return state["Running"] and state.get("Health", {}).get("Status") == "healthy"

    def until(self, what, holds, seconds):
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what}: not within {seconds} s")
            time.sleep(0.5)

    def until_healthy(self, *services):
        for service in services:
            self.until(f"{service} is healthy", lambda: self.healthy(service), 120)

    def execute(self, service, *command):
        return self.docker.run("exec", self.container(service), *command)

    def rows(self, statement):
        psql = [self.docker.program, "exec", self.container("postgres"), "psql", "-U", "postgres", "-d", "troupe"]
        return query(psql, statement, self.docker.environment)

    def logs(self, service):
        streams = {"capture_output": False, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return self.docker.run("logs", self.container(service), **streams).splitlines()

    def started(self):
        """When each container was started, in seconds of the clock."""
        names = f"--filter=label=com.docker.compose.project={self.project}"
        containers = self.docker.inspect(*self.docker.run("ps", "--all", "--quiet", names).split())
        moments = {
            one["Config"]["Labels"]["com.docker.compose.service"]: moment(one["State"]["StartedAt"]) for one in containers
        }
        return dict(sorted(moments.items(), key=lambda one: one[1]))

    # ---- Faults ----

    def kill(self, service):
        """Its process is killed from outside, and the restart policy brings it back; gives the seconds that it took."""
        before, began = self.state(service), time.monotonic()
        try:
            os.kill(before["Pid"], signal.SIGKILL)
        except (PermissionError, ProcessLookupError):
            # Another machine's process, or another user's. For Docker it is then stopped on purpose.
            self.docker.run("kill", self.container(service))
            self.docker.run("start", self.container(service))
        self.until(f"{service} runs again", lambda: self.state(service)["StartedAt"] > before["StartedAt"], 60)
        self.until_healthy(service)
        return time.monotonic() - began

    def cut(self, service):
        """Takes it off its networks; gives what connects it again as it was."""
        container = self.container(service)
        connected = self.docker.inspect(container)[0]["NetworkSettings"]["Networks"]
        for network in connected:
            self.docker.run("network", "disconnect", network, container)
        return [self.connection(network, its, container) for network, its in connected.items()]

    def connection(self, network, its, container):
        fixed = (its.get("IPAMConfig") or {}).get("IPv4Address")
        aliases = [f"--alias={alias}" for alias in its.get("Aliases") or () if not container.startswith(alias)]
        return [*([f"--ip={fixed}"] if fixed else []), *aliases, network, container]

    def connect(self, connections):
        for connection in connections:
            self.docker.run("network", "connect", *connection)
