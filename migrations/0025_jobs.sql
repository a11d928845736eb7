-- Leased work: whatever is done later and is no reply (docs/adr/0018).

-- A version 7 UUID for rows that statements of the database itself make: new rows lie together, and ids are in the order of time.
create function uuid_v7() returns uuid language sql volatile parallel safe as $$
    select (lpad(to_hex(floor(extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
            || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid
$$;

create table jobs (
    id          uuid primary key default uuid_v7(),
    kind        text not null collate "C" check (length(kind) between 1 and 100),
    -- What the job is about, where at most one of the kind may be open for it.
    key         text collate "C" check (length(key) between 1 and 200),
    -- Whose it is; null where it is nobody's, or the account is gone.
    user_id     uuid references users (id) on delete set null,
    -- What the kind needs to know. Never a secret.
    payload     jsonb not null default '{}',
    status      text not null collate "C" default 'waiting'
        check (status in ('waiting', 'running', 'done', 'failed', 'discarded')),
    -- When it may be taken.
    due_at      timestamptz not null default now(),
    -- Of a running one: when it may be given to another worker.
    lease_until timestamptz,
    -- The fencing token: each lease has another, and every statement of a worker names its own.
    attempt     integer not null default 0,
    -- Attempts that ended with an error, and attempts that ended without a word, since somebody asked for the job.
    failures    integer not null default 0,
    lapses      integer not null default 0,
    worker      text,
    progress    jsonb,
    result      jsonb,
    -- Why the last attempt ended without success.
    error       text,
    cost        double precision not null default 0,
    created_at  timestamptz not null default now(),
    started_at  timestamptz,
    finished_at timestamptz,
    -- Of a finished one: when it is removed; null keeps a dead letter until somebody settles it.
    expires_at  timestamptz,
    constraint jobs_finished_check check ((status in ('waiting', 'running')) = (finished_at is null)),
    constraint jobs_lease_check check ((status = 'running') = (lease_until is not null))
) with (autovacuum_vacuum_scale_factor = 0.02);

-- What may be taken, by kind: a job whose lease is over is due like one that waits.
create index jobs_due_idx on jobs (kind, coalesce(lease_until, due_at)) where finished_at is null;
create unique index jobs_open_key on jobs (kind, key) where finished_at is null and key is not null;
-- Lists and counts for admins.
create index jobs_status_idx on jobs (kind, status, id);
create index jobs_user_id_idx on jobs (user_id, kind, id) where user_id is not null;
create index jobs_expires_at_idx on jobs (expires_at) where expires_at is not null;

-- Workers listen. PostgreSQL tells them when the transaction is committed, once however many jobs are in it.
create function jobs_came() returns trigger language plpgsql as $$
begin
    if exists (select from came) then
        perform pg_notify('troupe_jobs', '');
    end if;
    return null;
end
$$;
create trigger jobs_came after insert on jobs referencing new table as came
    for each statement execute function jobs_came();

create function jobs_came_again() returns trigger language plpgsql as $$
begin
    perform pg_notify('troupe_jobs', '');
    return null;
end
$$;
create trigger jobs_came_again after update on jobs for each row
    when (new.status = 'waiting' and new.attempt > old.attempt) execute function jobs_came_again();

-- Exports and deletions are kinds of job from now on. Finished ones come along, because they are still shown.
insert into jobs (id, kind, key, user_id, status, attempt, progress, created_at, finished_at, expires_at)
    select id, kind, case when finished_at is null then user_id::text end, user_id,
        case when status = 'running' then 'waiting' else status end, attempt,
        jsonb_build_object('step', step, 'steps_done', steps_done, 'steps', steps, 'items', items),
        created_at, finished_at, expires_at
    from account_jobs;
-- Workers of the version before must not go on with what has moved: their attempt is over, and nothing is ever due.
update account_jobs set attempt = attempt + 1, status = 'waiting', due_at = 'infinity' where finished_at is null;
alter table export_parts drop constraint export_parts_job_id_fkey;
alter table export_parts
    add constraint export_parts_job_id_fkey foreign key (job_id) references jobs (id) on delete cascade;

-- While servers of the version before still run, what they ask for goes the new way. The table is dropped in a later version.
create function account_jobs_moved() returns trigger language plpgsql as $$
begin
    insert into jobs (id, kind, key, user_id, progress)
        values (new.id, new.kind, new.user_id::text, new.user_id,
            jsonb_build_object('step', null, 'steps_done', 0, 'steps', 0, 'items', 0));
    new.due_at := 'infinity';
    return new;
end
$$;
create trigger account_jobs_moved before insert on account_jobs for each row execute function account_jobs_moved();

-- So is indexing: a job for each source that has changed. Marked again while a worker has it, it goes to another attempt, and
-- what the worker makes of the source's earlier state is refused.
create function index_source(source_kind text, source_id uuid, persona_id uuid) returns void language sql as $$
    insert into jobs (kind, key, payload)
        values ('index', source_kind || ':' || source_id,
            jsonb_build_object('source_kind', source_kind, 'source_id', source_id, 'persona_id', persona_id))
        on conflict (kind, key) where finished_at is null and key is not null do update
            set attempt = jobs.attempt + 1, failures = 0, lapses = 0, status = 'waiting', due_at = now(),
                lease_until = null, payload = excluded.payload
$$;
select index_source(source_kind, source_id, persona_id) from index_work order by source_kind, source_id;
delete from index_work;

-- The same for marks of the version before; its workers find none. The table is dropped in a later version.
create function index_work_moved() returns trigger language plpgsql as $$
begin
    perform index_source(new.source_kind, new.source_id, new.persona_id);
    return null;
end
$$;
create trigger index_work_moved before insert on index_work for each row execute function index_work_moved();

create or replace function forget_passages() returns trigger language plpgsql as $$
begin
    delete from passages where source_kind = tg_argv[0] and source_id = old.id;
    if tg_op = 'DELETE' then
        delete from jobs where kind = 'index' and key = tg_argv[0] || ':' || old.id and finished_at is null;
    end if;
    return null;
end
$$;

create or replace function index_again() returns trigger language plpgsql as $$
begin
    perform index_source(source_kind, source_id, new.id)
        from (select distinct source_kind, source_id from passages where persona_id = new.id
              order by source_kind, source_id) source;
    return null;
end
$$;

-- A schedule is named as the kind of its jobs.
update schedules set name = 'check_providers' where name = 'check providers';
update schedules set name = 'fill_vectors' where name = 'vectors';

-- The kinds that there are, without reading all of their jobs.
create view job_kinds as
with recursive known as (
    (select kind from jobs order by kind limit 1)
    union all
    select (select j.kind from jobs j where j.kind > k.kind order by j.kind limit 1) from known k where k.kind is not null
)
select kind from known where kind is not null;

-- What admins want of a worker, which follows it. The row goes with the worker.
alter table workers
    add column state text not null default 'active' check (state in ('active', 'paused', 'draining')),
    -- Replies at the same time, where that is not what the worker was started with.
    add column concurrency integer check (concurrency > 0),
    -- Why it is not as it was started.
    add column reason text,
    -- The kinds of jobs that it runs.
    add column kinds text[] not null default '{}';
create function worker_ordered() returns trigger language plpgsql as $$
begin
    perform pg_notify('troupe_workers', new.name);
    return null;
end
$$;
create trigger worker_ordered after update of state, concurrency on workers for each row
    when (new.state <> old.state or new.concurrency is distinct from old.concurrency) execute function worker_ordered();
