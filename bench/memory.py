#!/usr/bin/env python3
"""Measures whether memory stays flat: a whole system under a steady load for a long time, every process sampled.

    memory.py [--minutes 30] [--rate 10] [--binaries target/release] [--plot docs/pictures/memory.svg]

Two servers, two workers, PostgreSQL and Redis of its own. Sixty people with a socket each write `rate` messages a second
together; once a minute all sockets are reset, as by a proxy that dies, and somebody new opens an account, so that what is
kept of each must go again. What is warmed up in the first third is not judged: of our processes, the last third's median
may be 5 % above the middle third's.
"""

import argparse
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True

from alert_drill.system import System
from alert_drill.traffic import Load, Provider, Refused, Sockets, User

USERS = 60
EVERY_SECONDS = 5
GROWTH = 1.05
SETTINGS = {
    "TROUPE_RATE_LIMITS__ENABLED": "false",
    "TROUPE_AUTH__PASSWORD_MEMORY": "7168",
    "TROUPE_AUTH__PASSWORD_PASSES": "5",
    "TROUPE_AUTH__ACCESS_TOKEN_TTL": "24h",
}


class Memory(System):
    NAME = "memory"
    POSTGRES = ["shared_buffers=64MB", "max_connections=200", "synchronous_commit=on"]


def proportional_kib(pid):
    """What a process holds of memory; what it shares with others counts by its part."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def children_of(pid):
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def sample(system):
    """MiB by name."""
    kib = {process.name: proportional_kib(process.child.pid) for process in system.servers + system.workers}
    kib["redis"] = proportional_kib(system.redis.pid)
    postgres = [system.postgres.pid, *children_of(system.postgres.pid)]
    kib["postgres"] = sum(map(proportional_kib, postgres))
    return {name: value / 1024 for name, value in kib.items()}


class Churn:
    """Once a minute all sockets end, and somebody new comes, says something and never returns."""

    def __init__(self, sockets, addresses):
        self.sockets, self.addresses, self.closed = sockets, addresses, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.closed.wait(60):
            self.sockets.cut_all()
            try:
                User(self.addresses).register().send()
            except (OSError, Refused):
                continue

    def close(self):
        self.closed.set()
        self.thread.join(65)


def measure(system, minutes, rate):
    addresses = [server.address for server in system.servers]
    with ThreadPoolExecutor(4) as pool:
        users = list(pool.map(lambda _: User(addresses).register(), range(USERS)))
    sockets = Sockets(users)
    load, churn = Load(users, rate), Churn(sockets, addresses)
    samples, began = [], time.monotonic()
    while time.monotonic() - began < minutes * 60:
        samples.append((time.monotonic() - began, sample(system)))
        time.sleep(EVERY_SECONDS)
    churn.close()
    load.close()
    sockets.close()
    return samples, load, sockets


def thirds(samples, name):
    values = [by_name[name] for _, by_name in samples]
    size = len(values) // 3
    return [statistics.median(values[at * size : (at + 1) * size]) for at in range(3)]


def plot(samples):
    """Small multiples, one for each process, on one scale of time; SVG that suits light and dark pages."""
    wide, high, left = 900, 84, 92
    names = list(samples[0][1])
    last = samples[-1][0]
    parts = []
    for row, name in enumerate(names):
        values = [by_name[name] for _, by_name in samples]
        top, base = max(values) * 1.15, row * high + 70
        points = " ".join(
            f"{left + at / last * (wide - left - 70):.1f},{base - value / top * 58:.1f}" for (at, _), value in zip(samples, values)
        )
        parts.append(f'<text x="{left - 10}" y="{base - 24}" text-anchor="end" class="name">{name}</text>')
        parts.append(f'<line x1="{left}" x2="{wide - 70}" y1="{base}" y2="{base}" class="axis"/>')
        parts.append(f'<polyline points="{points}"/>')
        parts.append(f'<text x="{wide - 62}" y="{base - values[-1] / top * 58 + 4:.1f}">{values[-1]:.0f} MiB</text>')
    bottom = len(names) * high + 22
    for minute in range(0, int(last / 60) + 1, 5):
        x = left + minute * 60 / last * (wide - left - 70)
        parts.append(f'<text x="{x:.1f}" y="{bottom}" text-anchor="middle">{minute} min</text>')
    style = (
        "text{font:13px system-ui,sans-serif;fill:#555}.name{font-weight:600}.axis{stroke:#999;stroke-width:.5}"
        "polyline{fill:none;stroke:#b4502f;stroke-width:1.6}"
        "@media(prefers-color-scheme:dark){text{fill:#bbb}polyline{stroke:#e58b6a}}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {bottom + 14}" role="img"><title>Memory by process</title>'
    return "\n".join([head, f"<style>{style}</style>", *parts, "</svg>\n"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--binaries", type=Path, default=ROOT / "target" / "release")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    system = Memory(arguments.binaries.resolve(), SETTINGS, Provider().base_url)
    try:
        samples, load, sockets = measure(system, arguments.minutes, arguments.rate)
    finally:
        system.end()
    if arguments.plot:
        arguments.plot.write_text(plot(samples))
    print(f"{load.sent} messages, {load.refused} refused, {sockets.frames} frames, {arguments.minutes:g} minutes\n")
    print("| MiB, median | first third | middle | last | growth |\n| --- | ---: | ---: | ---: | ---: |")
    grown = []
    for name in samples[0][1]:
        first, middle, end = thirds(samples, name)
        print(f"| {name} | {first:.1f} | {middle:.1f} | {end:.1f} | {end / middle - 1:+.1%} |")
        if name.startswith(("server", "worker")) and end > middle * GROWTH:
            grown.append(name)
    if grown:
        print(f"memory grows: {', '.join(grown)}", file=sys.stderr)
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
