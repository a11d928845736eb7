#!/usr/bin/env python3
"""Measures a build, or two in turns: replies a second, CPU time a reply by part, and how soon replies begin.

    compare.py                                                    the build in target/release
    compare.py BEFORE AFTER                                       two folders, each with a troupe-server and -worker
    compare.py --set after:TROUPE_DATABASE__MAX_CONNECTIONS=32    one build, with a setting on one side (or none: both)

Each run has a PostgreSQL (with its own defaults), a Redis, a server and a worker of its own, on Unix sockets and free
ports, and the load of bench/load, which is built first. In a round each side runs once, in the next one the other side
first; then comes pgbench with statements.sql, the SQL ceiling. What the load prints is passed on; at the end come
tables in Markdown. Everything shares the machine's cores: compare sides, and mind the spread of the rounds.
"""

import argparse
import http.client
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from storage import PERSONA, ROOT, Postgres
from streaming import Redis, free_port

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PARTS = ["server", "worker", "PostgreSQL", "Redis"]
FAULTS = ["refused", "failed", "lost", "doubled", "garbled"]
# Of pgbench; statements.sql knows the number.
CLIENTS, CONVERSATIONS = 16, 64


def closed_figures(output):
    """Figures of a `load closed`, by the name that they have in the tables."""
    spent = dict(re.findall(r"(\w+) ([\d.]+)", re.search(r"^CPU ms a reply: (.*)$", output, re.M)[1]))
    cpu = {part: float(spent[part]) for part in PARTS}
    figures = {"replies/s": float(re.search(r"^replies/s ([\d.]+)$", output, re.M)[1])}
    figures |= {f"CPU ms a reply: {part}": cpu[part] for part in PARTS}
    figures["CPU ms a reply: all four"] = sum(cpu.values())
    return figures | {f"CPU of {part} : PostgreSQL": cpu[part] / cpu["PostgreSQL"] for part in ("server", "worker")}


def paced_figures(output, rate):
    found = re.search(r"^first event .* p50 +([\d.]+) ms +p99 +([\d.]+) ms", output, re.M)
    return {f"first event at {rate}/s, ms: {name}": float(found[index]) for index, name in ((1, "p50"), (2, "p99"))}


def faults(output):
    """How many messages had no whole reply, or more than that."""
    counts = dict(re.findall(r"(\w+) (\d+)", re.search(r"^sent .*$", output, re.M)[0]))
    return sum(int(counts[fault]) for fault in FAULTS)


def number(value):
    """With three digits or more."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}"


def spread(values):
    """The median, and the least and the most where there are several."""
    return number(median(values)) + (f" ({number(min(values))} to {number(max(values))})" if len(values) > 1 else "")


def table(rounds):
    """Medians of each side, of [{side: {figure: value}}]; of two sides also the median of the rounds' ratios."""
    sides, count = list(rounds[0]), f"{len(rounds)} round{'s' * (len(rounds) > 1)}"
    heads = [f"{count}, medians", *sides] + ([f"{sides[1]} / {sides[0]}"] if len(sides) > 1 else [])
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for figure in rounds[0][sides[0]]:
        columns = [[run[side][figure] for run in rounds] for side in sides]
        cells = [spread(column) for column in columns]
        if len(sides) > 1:
            ratios = [after / before for before, after in zip(*columns) if before]
            cells.append(spread(ratios) if ratios else "")
        lines.append(f"| {figure} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def rounds_table(rounds):
    """Every run on a line of its own."""
    figures = [figure for figure in next(iter(rounds[0].values())) if " : " not in figure]
    lines = ["| round | | " + " | ".join(figures) + " |", "| ---: | --- |" + " ---: |" * len(figures)]
    for index, runs in enumerate(rounds):
        for side, run in runs.items():
            lines.append(f"| {index + 1} | {side} | " + " | ".join(number(run[figure]) for figure in figures) + " |")
    return "\n".join(lines)


def settings_of(sides, given):
    """[SIDE:]NAME=VALUE by side."""
    settings = {side: {} for side in sides}
    for text in given:
        found = re.fullmatch(r"(?:(before|after):)?([A-Z][A-Z0-9_]*)=(.*)", text, re.S)
        if not found:
            raise ValueError(f"{text}: not [before:|after:]NAME=VALUE")
        side, name, value = found.groups()
        for each in [side] if side else sides:
            settings[each][name] = value
    return settings


def sides_of(folders, given):
    """The folder of each side: two as soon as there are two folders, or a setting for one side."""
    if len(folders) > 2:
        raise ValueError("two folders at most")
    two = len(folders) == 2 or any(text.startswith(("before:", "after:")) for text in given)
    return {"before": folders[0], "after": folders[-1]} if two else {"this build": folders[0]}


@contextmanager
def running(program, log, *arguments, **options):
    """A process that ends with the block; if the block fails, the end of its log is shown."""
    with open(log, "w") as output:
        process = subprocess.Popen([program, *arguments], stderr=output, **options)
        try:
            yield process
        except Exception:
            if lines := Path(log).read_text().splitlines():
                print(f"{program}:", *lines[-20:], sep="\n", file=sys.stderr)
            raise
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_ready(server, port):
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise RuntimeError("the server does not become ready")


class Run:
    """One side of one round."""

    def __init__(self, options, label, folder, settings):
        self.options, self.label, self.folder, self.settings = options, label, folder, settings
        self.figures, self.faults = {}, 0

    def measure(self):
        with ExitStack() as stack:
            self.start(stack)
            options = self.options
            if options.sockets:
                idle = self.load("idle", "idle", "--pid", self.pids["server"], "--sockets", options.sockets)
                self.figures["idle socket, KiB of the server"] = float(re.search(r"KiB a socket ([\d.]+)", idle)[1])
            self.load("warm-up", "closed", "--seconds", options.warm_up)
            watched = [part for name, pid in self.pids.items() for part in ("--cpu", f"{name}={pid}")]
            closed = self.load("closed", *watched, "closed", "--seconds", options.seconds)
            self.figures |= closed_figures(closed)
            self.faults += faults(closed)
            for rate in options.rates:
                paced = self.load(f"{rate}/s", "paced", "--rate", rate, "--seconds", options.seconds)
                self.figures |= paced_figures(paced, rate)
                self.faults += faults(paced)
        return self.figures

    def start(self, stack):
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="troupe-compare-"))
        postgres = Postgres("")
        stack.callback(postgres.stop)
        redis = Redis(place)
        stack.callback(redis.stop)

        def start(program, *arguments, **options):
            return stack.enter_context(running(program, f"{place}/{program.name}.log", *arguments, **options))

        tokens = str(self.options.tokens)
        provider = start(self.options.load / "provider", "--tokens", tokens, stdout=subprocess.PIPE, text=True)
        port = free_port()
        # Nothing of the caller's own settings.
        kept = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "PATH", "TMPDIR")}
        environment = kept | {
            "DATABASE_URL": postgres.url,
            "REDIS_URL": f"redis+unix://{redis.path}",
            "OPENAI_API_KEY": "scripted",
            "OPENAI_BASE_URL": provider.stdout.readline().strip(),
            "RUST_LOG": "warn",
            "TROUPE_SERVER__LISTEN": f"127.0.0.1:{port}",
            "TROUPE_RATE_LIMITS__ENABLED": "false",
        } | self.settings
        server = start(self.folder / "troupe-server", env=environment, cwd=place)
        wait_until_ready(server, port)
        worker = start(self.folder / "troupe-worker", env=environment, cwd=place)
        postmaster = (postgres.place / "data/postmaster.pid").read_text().split()[0]
        self.pids = dict(zip(PARTS, (server.pid, worker.pid, postmaster, redis.process.pid)))
        self.pids["provider"] = provider.pid
        base = f"http://127.0.0.1:{port}"
        self.loader = [self.options.load / "load", "--base", base, "--users", str(self.options.users)]

    def load(self, kind, *arguments):
        command = [*self.loader, *map(str, arguments)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        for line in output.splitlines():
            print(f"{self.label} {kind:<8} {line}", flush=True)
        return output


def ceiling(options):
    """Messages a second by the three statements alone."""
    postgres = Postgres("")
    try:
        postgres.migrate()
        ids = f"(select lpad(number::text, 32, '0')::uuid as id from generate_series(1, {CONVERSATIONS}) number) ids"
        postgres.psql(f"""
            insert into users (id, email, name, password_hash) select id, id || '@example.com', 'Load', '' from {ids};
            insert into conversations (id, user_id, persona_id) select id, id, '{PERSONA}' from {ids};
        """)
        work = ["-T", max(1, round(options.seconds)), "-f", ROOT / "bench/statements.sql", "postgres"]
        clients = ["-n", "-M", "prepared", "-c", CLIENTS, "-j", 2]
        output = postgres.run("pgbench", "-h", postgres.place, "-U", "postgres", *clients, *work)
        return float(re.search(r"^tps = ([\d.]+)", output, re.M)[1])
    finally:
        postgres.stop()


def build_load():
    """The folder of the load generator and the provider."""
    manifest, target = ROOT / "bench/load/Cargo.toml", TARGET / "bench-load"
    where = ["--manifest-path", manifest, "--target-dir", target]
    subprocess.run(["cargo", "build", "--quiet", "--release", "--locked", *where], check=True)
    return target / "release"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", metavar="FOLDER", nargs="*", type=Path, default=[TARGET / "release"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--warm-up", type=float, default=3, help="seconds before the first")
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--rates", default="100,200", help="messages a second, after the run without pauses")
    parser.add_argument("--tokens", type=int, default=16, help="of a reply, which come at once")
    parser.add_argument("--sockets", type=int, default=0, help="idle ones, to see what each costs")
    environment = "in the environment of server and worker"
    parser.add_argument("--set", metavar="[SIDE:]NAME=VALUE", action="append", default=[], help=environment)
    options = parser.parse_args()
    try:
        options.rates = [int(rate) for rate in options.rates.split(",") if rate]
        options.sides = sides_of([folder.absolute() for folder in options.folders], options.set)
        options.settings = settings_of(options.sides, options.set)
    except (ValueError, KeyError) as error:
        parser.error(str(error))
    for folder in options.sides.values():
        for program in ("troupe-server", "troupe-worker"):
            if not (folder / program).exists():
                parser.error(f"no {program} in {folder}: cargo build --release --workspace")
    return options


def main():
    options = arguments()
    # What is started ends then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    options.load = build_load()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}", flush=True)
    rounds, faulty = [], 0
    for index in range(options.rounds):
        runs, order = {}, list(options.sides)
        for side in order if index % 2 == 0 else reversed(order):
            run = Run(options, f"{index + 1} {side}", options.sides[side], options.settings[side])
            runs[side] = run.measure()
            faulty += run.faults
        messages = ceiling(options)
        print(f"{index + 1} SQL ceiling: {messages:,.0f} messages/s, three statements each", flush=True)
        for run in runs.values():
            run["replies/s : SQL ceiling"] = run["replies/s"] / messages
        rounds.append({side: runs[side] for side in options.sides})
    print(f"\n{rounds_table(rounds)}\n\n{table(rounds)}")
    if faulty:
        sys.exit(f"{faulty} replies were refused, failed, lost, doubled or garbled")


if __name__ == "__main__":
    main()
