-- Keys of programs. A person's keys act for that person; a service is an account of its own, without a password.

alter table users add column kind text not null default 'person' check (kind in ('person', 'service'));
create index users_services_idx on users (id) where kind = 'service';

create table api_keys (
    id           uuid primary key,
    user_id      uuid not null references users (id) on delete cascade,
    name         text not null check (length(name) between 1 and 100),
    -- The key's beginning: shown, and found by.
    prefix       text not null unique,
    -- SHA-256 of the whole key: whoever reads this table cannot call with it.
    digest       bytea not null,
    scopes       text[] not null check (cardinality(scopes) > 0),
    -- Counts only for calls that are signed with it.
    signs        boolean not null default false,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz,
    last_used_at timestamptz
);
create index api_keys_user_id_idx on api_keys (user_id, id);

-- Signed calls that have been made: none counts twice. Kept until its time is too long ago to be taken anyway.
create table signed_calls (
    digest     bytea primary key,
    expires_at timestamptz not null
);
create index signed_calls_expires_at_idx on signed_calls (expires_at);
