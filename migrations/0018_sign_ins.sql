-- Who is signed in with tokens, and what has ended before its time. Browsers' sessions are in Redis.

create table sign_ins (
    id           uuid primary key,
    user_id      uuid not null references users (id) on delete cascade,
    created_at   timestamptz not null default now(),
    last_used_at timestamptz not null default now(),
    -- However often it is used, it ends then.
    expires_at   timestamptz not null,
    -- What the client called itself, and where it was: for its user, who may not recognise it.
    agent        text check (length(agent) <= 300),
    address      inet
);
create index sign_ins_user_id_idx on sign_ins (user_id);
create index sign_ins_expires_at_idx on sign_ins (expires_at);

-- Each is used once, for the next one. Used ones are kept for a while: one that comes again was copied.
create table refresh_tokens (
    -- SHA-256 of the token: whoever reads this table cannot use it.
    digest     bytea primary key,
    sign_in_id uuid not null references sign_ins (id) on delete cascade,
    created_at timestamptz not null default now(),
    used_at    timestamptz
);
create index refresh_tokens_sign_in_id_idx on refresh_tokens (sign_in_id, created_at);
create index refresh_tokens_used_at_idx on refresh_tokens (used_at) where used_at is not null;

-- Credentials that ended before they expired. Every server reads what is new: access tokens of an ended sign-in are refused, and
-- its sockets closed. Kept for as long as anything of them could still be valid.
create table ended_credentials (
    id       uuid primary key,
    ended_at timestamptz not null default now()
);
create index ended_credentials_ended_at_idx on ended_credentials (ended_at);

-- A ticket opens a socket in the name of the credential that asked for it, and the socket ends with it.
delete from socket_tickets;
alter table socket_tickets add column identity jsonb not null;
