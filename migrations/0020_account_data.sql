-- A person's data: taken away as a file, and deleted with the account.

-- From then on nobody signs in with it, and a worker deletes what there is; the row itself goes last.
alter table users add column closed_at timestamptz;

-- An export of somebody's data, or the deletion of it. A worker takes it for a while; the number of the attempt is its token.
create table account_jobs (
    id          uuid primary key,
    kind        text not null check (kind in ('export', 'deletion')),
    -- Null once the account is gone.
    user_id     uuid references users (id) on delete set null,
    status      text not null default 'waiting' check (status in ('waiting', 'running', 'done', 'failed')),
    attempt     integer not null default 0,
    -- What it is at, how many of how many steps are behind it, and how many things it has written or deleted.
    step        text,
    steps_done  integer not null default 0,
    steps       integer not null,
    items       bigint not null default 0,
    created_at  timestamptz not null default now(),
    finished_at timestamptz,
    -- While it is open: when it is taken up; once it is taken, when it is given to another.
    due_at      timestamptz default now(),
    -- Of one that is over: when it is forgotten, an export with its file.
    expires_at  timestamptz,
    constraint account_jobs_due_check check ((finished_at is null) = (due_at is not null)),
    constraint account_jobs_finished_check check ((status in ('done', 'failed')) = (finished_at is not null))
);
create index account_jobs_due_at_idx on account_jobs (due_at) where due_at is not null;
create index account_jobs_expires_at_idx on account_jobs (expires_at) where expires_at is not null;
create index account_jobs_user_id_idx on account_jobs (user_id, kind, id desc);
-- One at a time.
create unique index account_jobs_open_key on account_jobs (user_id, kind) where finished_at is null;

-- The file of an export, in pieces of the size of a megabyte.
create table export_parts (
    job_id  uuid not null references account_jobs (id) on delete cascade,
    -- What an attempt wrote that did not come to its end is of no use.
    attempt integer not null,
    number  integer not null,
    content bytea not null,
    primary key (job_id, attempt, number)
);
alter table export_parts alter column content set storage external;
