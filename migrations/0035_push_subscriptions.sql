-- Web Push: the devices that are told of a reply while nobody looks, and the key that this installation signs with.
create table push_subscriptions (
    endpoint   text primary key check (length(endpoint) between 1 and 2000),
    user_id    uuid not null references users (id) on delete cascade,
    -- Of the browser: what is sent to it is encrypted for this key.
    p256dh     bytea not null check (length(p256dh) = 65),
    auth       bytea not null check (length(auth) = 16),
    language   text check (length(language) between 1 and 35),
    created_at timestamptz not null default now()
);
create index push_subscriptions_user_id_idx on push_subscriptions (user_id);

-- Made by the first server that is asked for it, and the same for all: browsers bind their subscriptions to it.
create table push_key (
    single     boolean primary key default true check (single),
    pkcs8      bytea not null,
    created_at timestamptz not null default now()
);
