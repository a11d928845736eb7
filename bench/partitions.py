#!/usr/bin/env python3
"""Makes `requests` and `messages` partitioned while they are in use, and measures what partitions cost each message.

    partitions.py [1 4 12 24]      a row of Markdown for each number of partitions

bench/capacity.py puts the statements into docs/SCALING.md, which says when each is run. Conversations have messages in all partitions, as
those have that go on for months. Each of accept, claim and finish is run for one message at a time.
"""

import re
import sys
import time
import uuid

import storage
from storage import Postgres

MONTH = 30 * 86_400_000
MESSAGES = 350

# Before: nothing is locked for longer than a moment. $bound is an id of tomorrow.
PREPARE = """
alter table requests add constraint requests_bound check (id < '$bound') not valid;
alter table requests validate constraint requests_bound;
alter table messages add constraint messages_bound check (request_id < '$bound') not valid;
alter table messages validate constraint messages_bound;
create unique index concurrently messages_id_request_id_key on messages (id, request_id);
"""

# The switch: what is there becomes the first partition, as it is. Locks both tables for as long as the catalogue takes.
SWITCH = """
begin;
set local lock_timeout = '2s';
lock table requests, messages, attempts, feedback, memories in access exclusive mode;

alter table messages drop constraint messages_request_id_fkey;
alter table attempts drop constraint attempts_request_id_fkey;
alter table feedback drop constraint feedback_request_id_fkey;
alter table memories drop constraint memories_request_id_fkey;

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
"""

# A month that has had its time.
DROP = """
begin;
set local lock_timeout = '2s';
delete from attempts where request_id >= '$from' and request_id < '$to';
delete from feedback where request_id >= '$from' and request_id < '$to';
update memories set request_id = null where request_id >= '$from' and request_id < '$to';
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


if __name__ == "__main__":
    print("| partitions | accept, least ms | blocks | claim, least ms | blocks | finish, least ms | blocks | locks of a claim |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for partitions in map(int, sys.argv[1:] or [1, 4, 12, 24]):
        measure(partitions)
