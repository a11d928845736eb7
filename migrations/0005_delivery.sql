-- What makes a promise of a 202: keys that make a repeated call harmless.

create table idempotency_keys (
    user_id     uuid not null references users (id) on delete cascade,
    key         text not null check (length(key) between 1 and 255),
    -- SHA-256 of what was asked: the same key with other contents is a mistake of the caller's.
    fingerprint bytea not null,
    -- Of a message: its request, from which the first answer is made again.
    request_id  uuid,
    -- Of anything else: what was answered.
    answer      jsonb,
    created_at  timestamptz not null default now(),
    primary key (user_id, key)
);
create index idempotency_keys_created_at_idx on idempotency_keys (created_at);
