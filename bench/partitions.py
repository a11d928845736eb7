#!/usr/bin/env python3
"""Makes `requests` and `messages` partitioned while they are in use, and measures what partitions cost each message.

    partitions.py [1 4 12 24]           a row of Markdown for each number of partitions
    partitions.py --rehearse 500000     the way to partitions with four messages in each of so many conversations, under load: how
                                        long each step takes, and the longest that a message took meanwhile

bench/capacity.py puts the statements into docs/SCALING.md, which says when each is run. Conversations have messages in all partitions, as
those have that go on for months. Each of accept, claim and finish is run for one message at a time.
"""

import itertools
import re
import subprocess
import sys
import threading
import time
import uuid

import storage
from storage import Postgres

MONTH = 30 * 86_400_000
MESSAGES = 350
WRITERS = 4
MAX_TRIES = 50

# Before: nothing is locked for longer than a moment. $bound is an id of tomorrow.
PREPARE = """
alter table requests add constraint requests_bound check (id < '$bound') not valid;
alter table requests validate constraint requests_bound;
alter table messages add constraint messages_bound check (request_id < '$bound') not valid;
alter table messages validate constraint messages_bound;
create unique index concurrently messages_id_request_id_key on messages (id, request_id);
"""

# The switch: what is there becomes the first partition, as it is. Locks both tables for as long as the catalogue takes. It gives up
# well before PostgreSQL looks for a deadlock (deadlock_timeout, a second): a message would be what it ends.
SWITCH = """
begin;
set local lock_timeout = '500ms';
lock table conversations, requests, messages, attempts, feedback, memories, lore_receipts, message_words in access exclusive mode;

alter table messages drop constraint messages_request_id_fkey;
alter table attempts drop constraint attempts_request_id_fkey;
alter table feedback drop constraint feedback_request_id_fkey;
alter table memories drop constraint memories_request_id_fkey;
alter table lore_receipts drop constraint lore_receipts_request_id_fkey;
alter table message_words drop constraint message_words_message_id_fkey;

create sequence requests_positions;
select setval('requests_positions', last_value + 1000) from requests_position_seq;
alter table requests rename to requests_first;
alter table requests_first alter position drop identity;
create table requests (like requests_first including defaults including constraints) partition by range (id);
alter table requests alter position set default nextval('requests_positions');
alter sequence requests_positions owned by requests.position;
alter table requests drop constraint requests_bound;
alter table requests add primary key (id);
create index on requests (user_id, conversation_id, position) where finished_at is null;
create index on requests (due_at) where due_at is not null;
create index on requests (id) where status = 'failed' and settled_at is null;
create index on requests (conversation_id);
alter table requests add foreign key (conversation_id) references conversations (id) on delete cascade;
alter table requests attach partition requests_first for values from (minvalue) to ('$bound');

create sequence messages_positions;
select setval('messages_positions', last_value + 1000) from messages_position_seq;
alter table messages rename to messages_first;
alter table messages_first alter position drop identity;
alter table messages_first drop constraint messages_pkey;
alter table messages_first add primary key using index messages_id_request_id_key;
create table messages (like messages_first including defaults including constraints) partition by range (request_id);
alter table messages alter position set default nextval('messages_positions');
alter sequence messages_positions owned by messages.position;
alter table messages drop constraint messages_bound;
alter table messages add primary key (id, request_id);
create unique index on messages (request_id, role);
create index on messages (conversation_id, position desc);
alter table messages attach partition messages_first for values from (minvalue) to ('$bound');

alter table messages_first add foreign key (request_id) references requests (id) on delete cascade not valid;
alter table attempts add foreign key (request_id) references requests (id) on delete cascade not valid;
alter table feedback add foreign key (request_id) references requests (id) on delete cascade not valid;
alter table memories add foreign key (request_id) references requests (id) on delete set null not valid;
alter table lore_receipts add foreign key (request_id) references requests (id) on delete cascade not valid;

-- A message's id alone is no key over all partitions, so nothing can refer to it.
create function forget_message_words() returns trigger language plpgsql as $$
begin
    delete from message_words where message_id = old.id;
    return null;
end $$;
create trigger forget_words after delete on messages for each row execute function forget_message_words();

-- Views stand on tables, not on their names.
do $$
declare
    name text;
    definition text;
begin
    foreach name in array array['attempt_history', 'failed_requests'] loop
        definition := replace(replace(pg_get_viewdef(name::regclass), 'requests_first', 'requests'), 'messages_first', 'messages');
        execute format('create or replace view %I as %s', name, definition);
    end loop;
end $$;
commit;
"""

# Each month, before it begins.
MONTHLY = """
create table requests_$name partition of requests for values from ('$from') to ('$to') with (fillfactor = 80);
create unique index on requests_$name (conversation_id) where status = 'in_progress' and finished_at is null;
create table messages_$name partition of messages for values from ('$from') to ('$to');
alter table messages_$name add foreign key (request_id) references requests (id) on delete cascade;
"""

# After: what the switch has left to check, without a lock that anybody notices.
AFTER = """
alter table messages_first validate constraint messages_first_request_id_fkey;
alter table attempts validate constraint attempts_request_id_fkey;
alter table feedback validate constraint feedback_request_id_fkey;
alter table memories validate constraint memories_request_id_fkey;
alter table lore_receipts validate constraint lore_receipts_request_id_fkey;
"""

# A month that has had its time.
DROP = """
begin;
set local lock_timeout = '500ms';
delete from attempts where request_id >= '$from' and request_id < '$to';
delete from feedback where request_id >= '$from' and request_id < '$to';
delete from lore_receipts where request_id >= '$from' and request_id < '$to';
update memories set request_id = null where request_id >= '$from' and request_id < '$to';
delete from message_words where message_id in (select id from messages_$name);
alter table messages detach partition messages_$name;
drop table messages_$name;
alter table requests detach partition requests_$name;
drop table requests_$name;
commit;
"""

# Two replies of each conversation in a month.
HISTORY = """
insert into requests (id, conversation_id, user_id, tier, correlation_id, status, attempt, finished_at)
    select (lpad(to_hex($at), 12, '0') || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid,
        id, user_id, 'free', id::text, 'completed', 1, now() from conversations, generate_series(1, 2);
insert into messages (id, conversation_id, request_id, turn, role, content)
    select gen_random_uuid(), conversation_id, id, position, role, repeat('words ', 30)
    from requests r, unnest(array['user', 'assistant']) role where not exists (select from messages m where m.request_id = r.id);
"""

MEASURED = """
select substring(query from 'prepare (\\w+)'), round(min_exec_time::numeric, 2),
    round((shared_blks_hit + shared_blks_read)::numeric / calls) from pg_stat_statements where query like 'prepare %' order by 1
"""


def filled(template, **values):
    return re.sub(r"\$(\w+)", lambda found: str(values[found[1]]), template)


def first_id(at):
    return uuid.UUID(int=int(at) << 80)


def measure(partitions):
    postgres, now = Postgres(), time.time() * 1000
    try:
        postgres.migrate()
        postgres.psql("alter system set shared_preload_libraries = 'pg_stat_statements'")
        postgres.run("pg_ctl", "-D", postgres.place / "data", "-l", postgres.place / "log", "-w", "restart")
        postgres.psql("create extension pg_stat_statements")
        postgres.psql(storage.HISTORY.replace("$n", "10000").replace("generate_series(1, 4)", "generate_series(1, 2)"))
        if partitions > 1:
            bound = now + 86_400_000
            postgres.psql(filled(PREPARE, bound=first_id(bound)))
            began = time.monotonic()
            postgres.psql(filled(SWITCH, bound=first_id(bound)))
            print(f"the switch took {(time.monotonic() - began) * 1000:.0f} ms", file=sys.stderr)
            postgres.psql(AFTER)
            for month in range(partitions - 1):
                at = bound + month * MONTH
                postgres.psql(filled(MONTHLY, name=month, **{"from": first_id(at), "to": first_id(at + MONTH)}))
                postgres.psql(filled(HISTORY, at=int(at) + 1000))
                storage.CLOCK[0] = at + 2000
        postgres.psql("vacuum analyze")
        lines = postgres.psql(f"select id, user_id from conversations order by random() limit {MESSAGES + 50}").split()
        conversations, sentences = [tuple(map(uuid.UUID, line.split("|"))) for line in lines], storage.prose()
        batches = [storage.batch([conversation], sentences, 60) for conversation in conversations]
        warm, counted = "".join(batches[:50]), "".join(batches[50:])
        postgres.psql(f"{storage.prepared()}\\o /dev/null\n{warm}select pg_stat_statements_reset();\n{counted}")
        rows = [line.split("|") for line in postgres.psql(MEASURED).split()]
        claim = re.search(r"execute claim.*", batches[0])[0]
        locks = postgres.psql(f"{storage.prepared()}begin; {claim} select count(*) from pg_locks where pid = pg_backend_pid(); rollback;")
        cells = [cell for _, least, blocks in rows for cell in (least, blocks)]
        print(f"| {partitions} | {' | '.join(cells)} | {locks.split()[-1]} |")
        if partitions > 1:
            postgres.psql(filled(DROP, name=0, **{"from": first_id(bound), "to": first_id(bound + MONTH)}))
    finally:
        postgres.stop()


class Writers:
    """Accept, claim and finish a message, again and again, each writer by a connection of its own."""

    def __init__(self, postgres, conversations, sentences):
        self.times, self.failures, self.over = [], [], threading.Event()
        self.threads = [
            threading.Thread(target=self.write, args=(postgres, conversations[number::WRITERS], sentences), daemon=True)
            for number in range(WRITERS)
        ]
        for thread in self.threads:
            thread.start()

    def write(self, postgres, conversations, sentences):
        command = [*postgres.as_user, str(postgres.programs / "psql"), "-h", str(postgres.place), "-U", "postgres", "-qAtX"]
        psql = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/tmp", bufsize=1
        )
        psql.stdin.write(storage.prepared())
        for conversation in itertools.cycle(conversations):
            if self.over.is_set():
                break
            began = time.monotonic()
            psql.stdin.write(storage.batch([conversation], sentences, 60) + "\\echo done\n")
            while (line := psql.stdout.readline().strip()) != "done":
                if "ERROR" in line:
                    self.failures.append(line)
            self.times.append((began, time.monotonic() - began))
        psql.communicate()

    def longest(self, since):
        """Of the messages that ended since then, in milliseconds, and how many there were."""
        took = [took for began, took in list(self.times) if began + took >= since]
        return max(took, default=0) * 1000, len(took)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def attempt(postgres, statements):
    """`None`, or why it was in vain."""
    try:
        postgres.psql(statements)
    except subprocess.CalledProcessError as error:
        return error.stderr


def rehearse(conversations):
    postgres, bound = Postgres(), time.time() * 1000 + 86_400_000
    try:
        postgres.migrate()
        postgres.psql(storage.HISTORY.replace("$n", str(conversations)).replace("generate_series(1, 4)", "generate_series(1, 2)"))
        postgres.psql("vacuum analyze")
        for table in ("requests", "messages"):
            rows, size = postgres.number(f"select count(*) from {table}"), postgres.number(f"select pg_total_relation_size('{table}')")
            print(f"{table}: {rows:,.0f} rows, {size / 1024 ** 2:,.0f} MiB with their indexes", file=sys.stderr)
        lines = postgres.psql("select id, user_id from conversations order by random() limit 2000").split()
        writers = Writers(postgres, [tuple(map(uuid.UUID, line.split("|"))) for line in lines], storage.prose())
        month = {"name": "next", "from": first_id(bound), "to": first_id(bound + MONTH)}
        steps = [("nothing", "select pg_sleep(10)"), ("prepare", PREPARE), ("switch", SWITCH), ("a month ahead", MONTHLY), ("after", AFTER)]
        print("| step | tries | s | messages meanwhile | the longest, ms |\n| --- | ---: | ---: | ---: | ---: |")
        for name, statements in steps:
            began, tries = time.monotonic(), 1
            while (error := attempt(postgres, filled(statements, bound=first_id(bound), **month))) and tries < MAX_TRIES:
                tries += 1
            if error:
                sys.exit(f"{name}: {error}")
            took = time.monotonic() - began
            longest, count = writers.longest(began)
            print(f"| {name} | {tries} | {took:.2f} | {count} | {longest:.0f} |", flush=True)
        writers.stop()
        print(f"{len(writers.times)} messages, {len(writers.failures)} statements failed: {writers.failures[:3]}", file=sys.stderr)
        print(f"{postgres.number('select count(*) from messages_first'):,.0f} messages in the first partition", file=sys.stderr)
    finally:
        postgres.stop()


if __name__ == "__main__" and sys.argv[1:2] == ["--rehearse"]:
    sys.exit(rehearse(int(sys.argv[2])))
if __name__ == "__main__":
    print("| partitions | accept, least ms | blocks | claim, least ms | blocks | finish, least ms | blocks | locks of a claim |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for partitions in map(int, sys.argv[1:] or [1, 4, 12, 24]):
        measure(partitions)
