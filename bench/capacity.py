#!/usr/bin/env python3
"""What so many visitors need: processes, cores, storage, network and money, by the costs that docs/PERFORMANCE.md has measured.

    capacity.py --visitors 1000000 [--messages 8] [--tokens 250] …     one size (--help has all inputs)
    capacity.py --table       write the tables and statements of docs/SCALING.md, between their markers
    capacity.py --check       fail where these differ, or where PERFORMANCE.md has a cost no longer in the section that costs.py names
"""

import argparse
import re
import sys
from dataclasses import dataclass, fields, replace
from math import ceil
from pathlib import Path

import partitions
from costs import *  # its names are its purpose

DOCS = Path(__file__).resolve().parent.parent / "docs"
SCALING, PERFORMANCE = DOCS / "SCALING.md", DOCS / "PERFORMANCE.md"
MONTH = 365 / 12  # days


@dataclass(frozen=True)
class Load:
    visitors: float = 1e6  # a day
    messages: float = 8  # of a visitor, a day
    peak: float = 0.1  # share of a day's messages in the peak hour
    sockets: float = 0.05  # open at the peak, as a share of the day's visitors
    tokens: float = 250  # of a reply
    seconds: float = 8  # that a reply streams
    sign_ins: float = 0.2  # of a visitor, a day
    retention: float = 365  # days that messages are kept
    personas: float = 0.01  # with passages, as a share of the day's visitors
    passages: float = 50  # of each
    prompt: float = 1500  # tokens, with history and passages
    coalesce: float = 0.025  # worker.coalesce, seconds
    log_ttl: float = 3600  # events.log_ttl, seconds


def between(points, at):
    """On the line through the two measured points beside it, or through the last two."""
    known = sorted(points)
    right = next((i for i, x in enumerate(known) if x >= at and i), len(known) - 1)
    low, high = known[right - 1], known[right]
    return points[low] + (points[high] - points[low]) * (at - low) / (high - low)


def postgres_reply(rate):
    """Milliseconds: the more a process is given, the more messages share a statement."""
    return between({100: POSTGRES_ALONE, 1437: POSTGRES_BATCHED}, min(max(rate, 100), 1437))


class Plan:
    def __init__(self, load):
        self.load, self.day = load, load.visitors * load.messages
        self.rate, self.sign_ins = (of_a_day * load.peak / 3600 for of_a_day in (self.day, load.visitors * load.sign_ins))
        self.events = min(load.tokens, load.seconds / load.coalesce) + 1
        self.running, self.sockets = self.rate * load.seconds, load.visitors * load.sockets
        self.server_cores = (self.rate * (SERVER_REPLY + self.events * SERVER_EVENT) + self.sign_ins * HASH) / 1000 / BUSY
        self.worker_cores = self.rate * (WORKER_REPLY + load.tokens * WORKER_WORD + self.events * WORKER_EVENT) / 1000 / BUSY
        self.servers = ceil(max(self.server_cores / SERVER_CORES, self.sockets / SOCKETS / 0.8))
        self.workers = ceil(max(self.worker_cores / WORKER_CORES, self.running / SLOTS / 0.8))
        self.connections = (self.servers + self.workers) * (POOL + 1)
        self.postgres_cores = (self.rate * postgres_reply(self.rate / self.workers) + self.sign_ins * (AUDIT_ENTRY + SIGN_IN)) / 1000 / BUSY
        stored = REQUEST + between(MESSAGES, load.tokens)
        # Three commits, the pages that a reply is the first to touch after a checkpoint, and what it adds.
        self.writes = self.rate * (3 + (WAL_WHOLE - WAL) / 8192 + stored / 8192)
        self.storage_day = self.day * stored + load.visitors * load.sign_ins * AUDIT_BYTES
        knowledge = load.visitors * load.personas * load.passages * (PASSAGE + VECTOR)
        self.storage = self.storage_day * load.retention + self.day * KEY + knowledge
        self.clusters = ceil(max(self.postgres_cores / CLUSTER_CORES, self.storage / CLUSTER_BYTES, self.writes / CLUSTER_WRITES))
        self.redis = self.rate * load.log_ttl * between(LOGS, self.events) + load.visitors * SESSION + self.sockets * SUBSCRIPTION
        self.redis_cores = self.rate * (REDIS_REPLY + self.events * REDIS_EVENT) / 1000 / BUSY
        self.fetches = self.rate * self.workers  # each push wakes every worker
        self.redis_fetches = self.fetches * REDIS_REPLY / 5 / 1000 / BUSY
        self.audit = self.sign_ins * (AUDIT_ENTRY + COMMIT) / 1000
        self.shards = ceil(max(self.redis_cores, self.redis / REDIS_NODE))
        self.reply_bytes = self.events * FRAME + load.tokens * 4 + 600


def table(head, rows, left=1):
    marks = ["---" if column < left else "---:" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in [head, marks, *rows])


def number(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def size(value):
    unit, name = next(known for known in [(PB, "PB"), (TB, "TB"), (GB, "GB"), (MB, "MB")] if value >= known[0] or known[0] == MB)
    return f"{number(value / unit)} {name}"


def rounded(value):
    return f"{float(f'{value:.2g}'):,.0f}"


ROWS = {
    "messages a day": lambda p: number(p.day),
    "messages/s at the peak": lambda p: number(p.rate),
    "replies under way at the peak": lambda p: number(p.running),
    "sockets at the peak": lambda p: number(p.sockets),
    "servers of 4 cores (cores)": lambda p: f"{p.servers:,} ({number(p.server_cores)})",
    "memory of a server and its kernel": lambda p: size(SERVER_MEMORY + p.sockets / p.servers * (SOCKET + SOCKET_KERNEL)),
    "workers of 2 cores (cores)": lambda p: f"{p.workers:,} ({number(p.worker_cores)})",
    "PostgreSQL: cores": lambda p: number(p.postgres_cores),
    "PostgreSQL: connections": lambda p: f"{p.connections:,}" + (", a pooler" if p.connections > POOLER_FROM else ""),
    "PostgreSQL: writes/s, at most": lambda p: number(p.writes),
    "PostgreSQL: WAL a day": lambda p: f"{size(p.day * WAL)} to {size(p.day * WAL_WHOLE)}",
    "PostgreSQL: storage, a month": lambda p: size(p.storage_day * MONTH),
    "PostgreSQL: storage, a year": lambda p: size(p.storage_day * 365),
    "PostgreSQL: storage, in the end": lambda p: size(p.storage),
    "PostgreSQL: clusters": lambda p: f"{p.clusters:,}",
    "Redis: memory": lambda p: size(p.redis),
    "Redis: cores, for events": lambda p: number(p.redis_cores),
    "Redis: appends/s": lambda p: number(p.rate * p.events),
    "Redis: fetches/s, at most": lambda p: number(p.fetches),
    "Redis: shards": lambda p: f"{p.shards:,}",
    "network to clients, at the peak": lambda p: f"{number(p.rate * p.reply_bytes * 8 / MB)} Mbit/s",
    "network to clients, a month": lambda p: size(p.day * MONTH * p.reply_bytes),
}

# What is full first: how full it is, what shows it, what helps.
LIMITS = [
    ("slots of one worker", lambda p: p.running / SLOTS, "QueueOld; `troupe_replies_running`", "a second worker"),
    ("sockets of one server", lambda p: p.sockets / SOCKETS, "`troupe_sockets_open`, OpenFilesNearLimit", "a second server"),
    ("cores of one server", lambda p: p.server_cores / SERVER_CORES, "`process_cpu_seconds`, RuntimeStalled", "a second server"),
    ("100 connections of PostgreSQL", lambda p: p.connections / 97, "PostgresConnectionsNearLimit", "smaller pools, a pooler"),
    ("Redis' one thread, by events", lambda p: p.redis_cores, "`troupe_event_append_seconds`, RateLimiterAlone", "`worker.coalesce`, shards"),
    ("Redis' one thread, by fetches", lambda p: p.redis_fetches, "`troupe_reply_wait_seconds` with free slots", "fewer, larger workers; cells"),
    ("24 GiB of Redis", lambda p: p.redis / REDIS_NODE, "RedisMemoryHigh", "`events.log_ttl`, shards"),
    ("a terabyte in three months", lambda p: p.storage_day * 3 * MONTH / TB, "`pg_total_relation_size`", "partitions"),
    ("a PostgreSQL of 16 TB", lambda p: p.storage / CLUSTER_BYTES, "its disk", "retention, cells"),
    ("16,000 writes/s of PostgreSQL", lambda p: p.writes / CLUSTER_WRITES, "its disk; StatementsFailing", "cells"),
    ("32 cores of PostgreSQL", lambda p: p.postgres_cores / CLUSTER_CORES, "`troupe_batch_duration_seconds`, PostgresPoolExhausted", "cells"),
    ("`queue.max_open`", lambda p: p.running / MAX_OPEN, "BacklogNearLimit", "a higher one, cells"),
    ("the one chain of the audit log", lambda p: p.audit, "`troupe_http_request_duration_seconds` of sign-ins", "cells"),
]


def full_at(load, used):
    """The visitors a day at which it is full, found by halving."""
    few, many = 1.0, 1e12
    while many / few > 1.001:
        middle = (few * many) ** 0.5
        few, many = (middle, many) if used(Plan(replace(load, visitors=middle))) < 1 else (few, middle)
    return many


def limits(loads):
    first = next(iter(loads.values()))
    found = sorted(LIMITS, key=lambda limit: full_at(first, limit[1]))
    rows = [(what, sign, remedy, *(rounded(full_at(load, used)) for load in loads.values())) for what, used, sign, remedy in found]
    return table(["full first", "the sign", "what helps", *loads], rows, 3)


def money(plans):
    def cloud(p, core, postgres, disk, redis, traffic):
        stores = max(2, p.postgres_cores) * postgres + p.storage / GB * disk + max(1, p.redis / GB) * redis
        return (p.servers * SERVER_CORES + p.workers * WORKER_CORES) * core + stores + p.day * MONTH * p.reply_bytes / GB * traffic

    def model(p, prompt, reply):
        return p.day * MONTH * (p.load.prompt * prompt + p.load.tokens * reply) / 1e6

    prices = [(cloud, *item) for item in CLOUDS.items()] + [(model, *item) for item in MODELS.items()]
    return [(name, *(rounded(cost(plan, *price)) for plan in plans)) for cost, name, price in prices]


def compared():
    """What was measured, and what the model says of exactly that; None where nobody has measured it yet."""
    two_cores = 2000 / (SERVER_REPLY + WORKER_REPLY + REDIS_REPLY + POSTGRES_BATCHED + OF_THE_LOAD)
    streamed = SERVER_REPLY + WORKER_REPLY + POSTGRES_ALONE + 250 * (WORKER_WORD + WORKER_EVENT) + 251 * (SERVER_EVENT + REDIS_EVENT)
    small, large = Plan(Load(visitors=1e5)), Plan(Load())
    for what, predicted, measured in [
        ("replies/s, 64 users on two cores: the run that the costs are from", two_cores, Measured("1,437", MESSAGE)),
        ("the same, another run", two_cores, Measured("1525.9", RUNS)),
        ("the same, the best of a quiet day", two_cores, Measured("1,955", RUNS)),
        ("the same, the worst of a slow night", two_cores, Measured("952", RUNS)),
        ("PostgreSQL, ms a reply at 857 replies/s", postgres_reply(857), Measured("0.59", RUNS)),
        ("WAL of a short reply without a key, two million requests in the tables, bytes", WAL - 234 * 4 - KEY, Measured("3,588", DELETING)),
        ("Redis at 100,000 messages with 1,144 logs, MiB", Measured("1.734", REDIS) + 1144 * LOGS[1] / MIB, Measured("6.80", REDIS)),
        ("15,000 idle sockets: a server, MiB", (SERVER_MEMORY + 15_000 * SOCKET) / MIB, None),
        ("15,000 idle sockets: the kernel, MiB", 15_000 * SOCKET_KERNEL / MIB, None),
        ("replies/s of 250 words in 8 s, on two cores", 2000 / streamed, None),
        ("100,000 visitors a day, the peak: cores of servers and workers", (small.server_cores + small.worker_cores) * BUSY, None),
        ("1,000,000 visitors a day, the peak: the same", (large.server_cores + large.worker_cores) * BUSY, None),
    ]:
        yield what, number(predicted), *((measured.figure, f"{predicted / measured:.2f}") if measured else ("not measured", ""))


def tables():
    plans = [Plan(Load(visitors=visitors)) for visitors in (1e4, 1e5, 1e6, 1e7, 1e8)]
    head = [f"{plan.load.visitors:,.0f}" for plan in plans]
    settings = {"as it is": {}, "events of 100 ms": {"coalesce": 0.1}, "and logs for 10 minutes": {"coalesce": 0.1, "log_ttl": 600}}
    loads = {name: replace(Load(), **changed) for name, changed in settings.items()}
    levers = {name: Plan(load) for name, load in loads.items()}
    moved = [name for name in ROWS if len({ROWS[name](plan) for plan in levers.values()}) > 1]
    costs = [(cost.what, cost.section, cost.figure) for cost in MEASURED if cost.what]
    return {
        "costs": table(["what", "section of PERFORMANCE.md", "measured"], costs, 2),
        "sizes": table(["visitors a day", *head], [(name, *map(show, plans)) for name, show in ROWS.items()]),
        "levers": table(["1,000,000 visitors a day", *levers], [(name, *map(ROWS[name], levers.values())) for name in moved]),
        "limits": limits({"visitors a day": Load(), "with both settings": loads["and logs for 10 minutes"]}),
        "money": table(["dollars a month; visitors a day", *head], money(plans)),
        "compared": table(["what", "predicted", "measured", "ratio"], compared()),
        **{name.lower(): f"```sql\n{getattr(partitions, name).strip()}\n```" for name in ("PREPARE", "SWITCH", "AFTER", "MONTHLY", "DROP")},
    }


def written(text):
    for name, rows in tables().items():
        place = re.compile(rf"(<!-- capacity:{name} -->\n).*?(<!-- /capacity:{name} -->)", re.S)
        text, found = place.subn(lambda mark: f"{mark[1]}{rows}\n{mark[2]}", text)
        if found != 1:
            sys.exit(f"{SCALING.name} has {found} pairs of markers of the table `{name}`, instead of one")
    return text


def faults():
    sections = dict(part.split("\n", 1) for part in re.split(r"(?m)^## ", PERFORMANCE.read_text())[1:])
    if written(SCALING.read_text()) != SCALING.read_text():
        yield "the tables of SCALING.md differ from what bench/capacity.py says: bench/capacity.py --table writes them"
    for cost in MEASURED:
        if not re.search(rf"(?<![\d.,]){re.escape(cost.figure)}(?!\d)", sections.get(cost.section, "")):
            yield f"PERFORMANCE.md has no {cost.figure} under '{cost.section}': bench/capacity.py stands on it"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--check", action="store_true")
    for field in fields(Load):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float, default=field.default, help=f"default {field.default:g}")
    options = vars(parser.parse_args())
    check = options.pop("check")
    if options.pop("table"):
        SCALING.write_text(written(SCALING.read_text()))
    elif check:
        sys.exit("\n".join(faults()) or None)
    else:
        plan = Plan(Load(**options))
        print(table(["", f"{plan.load.visitors:,.0f} visitors a day"], [(name, show(plan)) for name, show in ROWS.items()]))
        print("\n" + table(["dollars a month", ""], money([plan])) + "\n\n" + limits({"visitors a day": plan.load}))


if __name__ == "__main__":
    main()
