-- Who may talk: accounts, what they are allowed (tiers are rows, not code), and the keys that sign their tokens.

create table tiers (
    name         text primary key check (name ~ '^[a-z][a-z0-9_]{0,30}$'),
    -- How many of this tier's jobs start for each one of a tier with weight 1.
    queue_weight integer not null check (queue_weight > 0)
);
insert into tiers (name, queue_weight) values ('free', 1), ('pro', 4);

create table users (
    id            uuid primary key,
    email         text not null check (length(email) between 3 and 320),
    name          text not null check (length(name) between 1 and 100),
    password_hash text not null,
    role          text not null default 'user' check (role in ('user', 'admin')),
    tier          text not null default 'free' references tiers (name),
    created_at    timestamptz not null default now()
);
create unique index users_email_key on users (lower(email));

create table signing_keys (
    id         text primary key,
    secret     bytea not null check (length(secret) >= 32),
    created_at timestamptz not null default now(),
    -- A retired key signs nothing more, and verifies until what it signed has expired.
    retired_at timestamptz
);

-- One-time credentials for browsers, which cannot send a header with a WebSocket upgrade.
create table socket_tickets (
    -- SHA-256 of the ticket: whoever reads this table cannot use it.
    digest     bytea primary key,
    user_id    uuid not null references users (id) on delete cascade,
    expires_at timestamptz not null
);
create index socket_tickets_expires_at_idx on socket_tickets (expires_at);
