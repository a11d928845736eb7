#!/usr/bin/env python3
"""Measures what PostgreSQL stores: bytes a reply by table with its indexes, bytes of other rows, and the write-ahead log.

    storage.py [--turns 20000] [--tokens 250] [--conversations 2000] [--history 50000]     tables in Markdown, for docs/PERFORMANCE.md

It starts a PostgreSQL of its own on a Unix socket, applies migrations/, and runs the very statements of shared/db/src/replies: accept, claim
and finish, 16 messages each. Conversations take turns. Texts are sentences of docs/, so that they compress as prose does. Tables are vacuumed when
a fifth of their rows is dead, as autovacuum does. What is given as "a reply" is the growth over the second half of the turns.
"""

import argparse
import glob
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BATCH = 16
BYTES_A_TOKEN = 4
QUESTION_BYTES = 90
TABLES = ["requests", "messages", "conversations", "idempotency_keys", "users"]
RANDOM = random.Random(1)
# In milliseconds since 1970, for ids.
CLOCK = [time.time() * 1000]

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PERSONA = "00000000-0000-7000-8000-000000000001"
# What else is stored: what it is, its tables, and a statement that writes $n of it.
OTHERS = [
    ("a sign-in of a program, with its first refresh token", ["sign_ins", "refresh_tokens"], f"""
        with made as (insert into sign_ins (id, user_id, expires_at, agent, address)
            select gen_random_uuid(), id, now() + interval '90 days', '{AGENT}', '203.0.113.7' from users limit $n returning id)
        insert into refresh_tokens (digest, sign_in_id) select sha256(id::text::bytea), id from made"""),
    ("an entry of the audit log (a sign-in)", ["audit_entries", "audit_details", "audit_subjects"], f"""
        select audit_append('user', id, null, 'sign_in', 'user', id, id::text,
            '{{"address": "203.0.113.7", "agent": "{AGENT}"}}', null, gen_random_uuid()::text) from users limit $n"""),
    ("a rating", ["feedback"], f"""
        insert into feedback (request_id, persona_id, rating, share) select id, '{PERSONA}', 'up', false from requests limit $n"""),
    ("a memory of 60 bytes", ["memories"], f"""
        insert into memories (id, user_id, persona_id, fact, request_id)
            select uuid_v7(), user_id, '{PERSONA}', 'I have a sister who lives by the sea, in a house with ' || position, id
            from requests limit $n"""),
    ("a passage of 1,000 bytes, to be embedded", ["passages", "vector_work"], f"""
        insert into passages (id, persona_id, source_kind, source_id, ordinal, place, content, language, search)
            select gen_random_uuid(), '{PERSONA}', 'document', gen_random_uuid(), 0, '{{"headings": ["Notes"], "from": 0, "to": 1000}}',
                text, 'english', to_tsvector('english', text)
            from (select left(min(position) || string_agg(content, ' '), 1000) as text
                  from messages where role = 'assistant' group by position / 4 limit $n) t"""),
    ("its vector of 1,536 numbers", ["embeddings"], """
        insert into embeddings (digest, model, vector)
            select digest, 'text-embedding-3-small@1536', decode(repeat(md5(id::text), 384), 'hex') from passages limit $n"""),
]
# A system that has run for a while: what a message then touches lies on pages that none has touched since the last checkpoint.
HISTORY = """
    insert into users (id, email, name, password_hash) select uuid_v7(), 'u' || n || '@example.com', 'n', 'h' from generate_series(1, $n) n;
    insert into conversations (id, user_id, persona_id) select uuid_v7(), id, '00000000-0000-7000-8000-000000000001' from users
            where not exists (select from conversations c where c.user_id = users.id);
    insert into requests (id, conversation_id, user_id, tier, correlation_id, status, attempt, finished_at)
        select uuid_v7(), id, user_id, 'free', id::text, 'completed', 1, now() from conversations, generate_series(1, 4);
    insert into messages (id, conversation_id, request_id, turn, role, content)
        select uuid_v7(), conversation_id, id, position, role, repeat('words ', 30) from requests r, unnest(array['user', 'assistant']) role
        where not exists (select from messages m where m.request_id = r.id);
    analyze;
"""


# Nothing but the statements: neither the disk nor what comes by itself.
QUICK = "-c fsync=off -c autovacuum=off -c max_wal_size=20GB -c checkpoint_timeout=1d -c shared_buffers=512MB"


class Postgres:
    """A private one; as root it runs as the user `postgres`, since PostgreSQL refuses root."""

    def __init__(self, settings=QUICK):
        self.programs = Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
        self.place = Path(tempfile.mkdtemp(prefix="troupe-storage-"))
        self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if self.as_user:
            shutil.chown(self.place, "postgres", "postgres")
        try:
            self.run("initdb", "-D", self.place / "data", "-A", "trust", "-U", "postgres")
            settings = f"-k {self.place} -h '' {settings}"
            self.run("pg_ctl", "-D", self.place / "data", "-l", self.place / "log", "-o", settings, "-w", "start")
        except BaseException:
            self.stop()
            raise
        self.url = f"postgres://postgres@localhost/postgres?host={self.place}"

    def run(self, program, *arguments, **options):
        command = [*self.as_user, str(self.programs / program), *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/tmp", **options).stdout

    def psql(self, script):
        return self.run("psql", "-h", self.place, "-U", "postgres", "-qAtX", "-v", "ON_ERROR_STOP=1", "-f", "-", input=script)

    def number(self, query):
        return float(self.psql(query))

    def migrate(self):
        for migration in sorted((ROOT / "migrations").glob("*.sql")):
            self.psql(migration.read_text())

    def stop(self):
        try:
            if (self.place / "data/postmaster.pid").exists():
                self.run("pg_ctl", "-D", self.place / "data", "-m", "immediate", "stop")
        finally:
            shutil.rmtree(self.place)


def statement(file, function):
    source = (ROOT / "shared/db/src/replies" / file).read_text()
    return re.search(rf'pub async fn {function}\(.*?r#"(.*?)"#', source, re.S)[1]


def prepared():
    types = {
        "accept": "uuid[],uuid[],uuid[],uuid[],text[],text[],text[],bytea[],boolean[],bigint,bigint,float8,float8,boolean[],text[]",
        "claim": "uuid[],text,float8,bigint",
        "finish": "uuid[],int[],text[],uuid[],text[],jsonb[],text[],text[],jsonb[],text[],float8,float8[],jsonb[],text[],jsonb[]",
    }
    settings = "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_mergejoin = off; set jit = off;\n"
    return settings + "".join(f"prepare {name} ({types[name]}) as {statement(name + '.rs', name)};\n" for name in types)


def prose():
    text = " ".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
    return [s for s in re.split(r"(?<=[.!?])\s+", re.sub(r"[|`*#\[\]()>_-]|\s+", " ", text)) if len(s) > 30]


def words(sentences, about):
    size, text = max(10, int(RANDOM.lognormvariate(0, 0.4) * about)), ""
    while len(text) < size:
        text += RANDOM.choice(sentences) + " "
    return text[:size]


def quoted(value):
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


def array(values, kind):
    return "array[" + ",".join(map(quoted, values)) + f"]::{kind}[]"


def new_id():
    """A version 7 UUID of a clock that goes on by a hundredth of a second with each."""
    CLOCK[0] += 10
    return uuid.UUID(int=(int(CLOCK[0]) << 80) | (7 << 76) | (RANDOM.getrandbits(12) << 64) | (2 << 62) | RANDOM.getrandbits(62))


def batch(conversations, sentences, tokens):
    """Accept, claim and finish of a message in each of these (conversation, user)."""
    requests, n = [new_id() for _ in conversations], len(conversations)
    usage = {"prompt_tokens": 1200, "completion_tokens": tokens, "estimated": False}
    called = {"provider": "openai", "key": "default", "model": "gpt-4.1-mini", "outcome": "completed", "first_word_ms": 412, "ms": 6120}

    def each(make, kind):
        return array([make() for _ in requests], kind)

    accept = [
        array(requests, "uuid"),
        each(new_id, "uuid"),
        array([conversation for conversation, _ in conversations], "uuid"),
        array([user for _, user in conversations], "uuid"),
        each(lambda: words(sentences, QUESTION_BYTES), "text"),
        each(new_id, "text"),
        each(uuid.uuid4, "text"),
        each(lambda: "\\x" + os.urandom(32).hex(), "bytea"),
        array(["f"] * n, "boolean"),
        "32, 200, 10, 1",
        array(["f"] * n, "boolean"),
        array([None] * n, "text"),
    ]
    finish = [
        array(requests, "uuid"),
        array([1] * n, "int"),
        array(["completed"] * n, "text"),
        each(new_id, "uuid"),
        each(lambda: words(sentences, tokens * BYTES_A_TOKEN), "text"),
        array([json.dumps(usage)] * n, "jsonb"),
        array(["openai"] * n, "text"),
        array(["gpt-4.1-mini"] * n, "text"),
        array([None] * n, "jsonb"),
        array([None] * n, "text"),
        "10",
        array([0.00088] * n, "float8"),
        array([json.dumps([called | {"usage": usage, "cost": 0.00088}])] * n, "jsonb"),
        array([None] * n, "text"),
        array([None] * n, "jsonb"),
    ]
    claim = [array(requests, "uuid"), quoted("01a219e2-d1d2-744c-9997-5d2e468cc1d9"), "10, 20"]
    return "".join(f"execute {name}({', '.join(values)});\n" for name, values in [("accept", accept), ("claim", claim), ("finish", finish)])


def sizes(postgres, tables):
    return {table: postgres.number(f"select pg_total_relation_size('{table}')") for table in tables}


def converse(postgres, conversations, rounds, sentences, tokens, seen):
    """`rounds` messages in each conversation; `seen` is how many requests there are already."""
    script, dead = [prepared(), "\\o /dev/null\n"], 0
    for _ in range(rounds):
        for at in range(0, len(conversations), BATCH):
            chosen = conversations[at:at + BATCH]
            script.append(batch(chosen, sentences, tokens))
            seen, dead = seen + len(chosen), dead + 2 * len(chosen)
            if dead > 50 + 0.2 * seen:
                script.append("vacuum requests;\n")
                dead = 0
    before = postgres.number("select pg_current_wal_insert_lsn() - '0/0'")
    postgres.psql("".join(script))
    return (postgres.number("select pg_current_wal_insert_lsn() - '0/0'") - before) / (rounds * len(conversations))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--turns", type=int, default=20000)
    options.add_argument("--tokens", type=int, default=250)
    options.add_argument("--conversations", type=int, default=2000)
    options.add_argument("--history", type=int, default=50000)
    options = options.parse_args()
    sentences, postgres = prose(), Postgres()
    try:
        postgres.migrate()
        hashed = "$argon2id$v=19$m=19456,t=2,p=1$" + "a" * 22 + "$" + "b" * 43
        conversations = [(new_id(), new_id()) for _ in range(options.conversations)]
        before, people = sizes(postgres, TABLES), []
        for conversation, user in conversations:
            values = f"'{user}', '{user.hex[:20]}@example.com', 'Grace', '{hashed}'"
            people.append(f"insert into users (id, email, name, password_hash) values ({values});")
            people.append(f"insert into conversations (id, user_id, persona_id) values ('{conversation}', '{user}', '{PERSONA}');")
        postgres.psql("\n".join(people))
        after = sizes(postgres, TABLES)
        rounds = options.turns // options.conversations // 2
        converse(postgres, conversations, rounds, sentences, options.tokens, 0)
        half = sizes(postgres, TABLES)
        postgres.psql("checkpoint")
        wal = converse(postgres, conversations, rounds, sentences, options.tokens, options.turns // 2)
        full, grown = sizes(postgres, TABLES), options.turns // 2
        print(f"| a reply of {options.tokens} tokens, 16 a statement | bytes |\n| --- | ---: |")
        for table in ("requests", "messages", "idempotency_keys"):
            print(f"| `{table}` | {(full[table] - half[table]) / grown:,.0f} |")
        print(f"| write-ahead log, full pages after one checkpoint included | {wal:,.0f} |")
        print("\n| a row | bytes |\n| --- | ---: |")
        for table in ("users", "conversations"):
            print(f"| `{table}` | {(after[table] - before[table]) / len(conversations):,.0f} |")
        for what, tables, insert in OTHERS:
            start = sum(sizes(postgres, tables).values())
            postgres.psql("\\o /dev/null\n" + insert.replace("$n", str(options.conversations)))
            print(f"| {what} (`{'`, `'.join(tables)}`) | {(sum(sizes(postgres, tables).values()) - start) / options.conversations:,.0f} |")
        postgres.psql(HISTORY.replace("$n", str(options.history)))
        lines = postgres.psql(f"select id, user_id from conversations order by random() limit {options.conversations}").split()
        spread = [tuple(map(uuid.UUID, line.split("|"))) for line in lines]
        print(f"\n| WAL of a reply, each in another of {options.history:,} conversations | bytes |\n| --- | ---: |")
        for what, setting in [("full pages whole", "off"), ("full pages packed (`wal_compression`)", "on")]:
            postgres.psql(f"alter system set wal_compression = {setting}; select pg_reload_conf(); checkpoint")
            print(f"| right after a checkpoint, {what} | {converse(postgres, spread, 1, sentences, options.tokens, options.turns):,.0f} |")
        again = converse(postgres, spread, 1, sentences, options.tokens, options.turns)
        print(f"| the same conversations again, no checkpoint in between | {again:,.0f} |")
    finally:
        postgres.stop()


if __name__ == "__main__":
    sys.exit(main())
