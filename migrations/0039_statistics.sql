-- What the control room plots: the queue by minutes and hours, and use by days. Written by one worker at a time, by schedules,
-- from what is stored anyway: no message pays for it.

create table queue_history (
    step        text not null check (step in ('minute', 'hour')),
    at          timestamptz not null,
    tier        text not null,
    -- When it was looked at; in hours the most of their minutes. Null where the queue did not answer.
    depth       bigint,
    oldest_ms   bigint,
    -- Messages of this time, and how many of them failed before it was written down.
    arrivals    integer not null,
    failures    integer not null,
    -- Jobs that ended. Null where the queue did not answer.
    completions bigint,
    -- From message to attempt; null without messages. In hours: the median of the minutes, and the worst of them.
    wait_p50_ms bigint,
    wait_p95_ms bigint,
    -- How many jobs of the tier the queue had seen end.
    finished    bigint,
    primary key (step, at, tier)
);

-- Use by day, tier and persona. Ratings are not here: they come later, and are counted when they are asked for.
create table daily_use (
    day               date not null,
    tier              text not null,
    persona_id        uuid not null,
    messages          bigint not null,
    replies           bigint not null,
    failed            bigint not null,
    prompt_tokens     bigint not null,
    completion_tokens bigint not null,
    cost              double precision not null,
    primary key (day, tier, persona_id)
);
create index daily_use_persona_id_idx on daily_use (persona_id);

-- Who has written on a day, for counting them.
create table daily_users (
    day     date not null,
    user_id uuid not null references users (id) on delete cascade,
    tier    text not null,
    primary key (day, user_id)
);
create index daily_users_user_id_idx on daily_users (user_id);

-- Up to where use has been counted.
create table daily_use_counted (
    single boolean primary key default true check (single),
    until  timestamptz not null
);

-- The least id of a request that can have been made at a time.
create function least_id(at timestamptz) returns uuid language sql immutable strict parallel safe as $$
    select (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;

-- The processes that are there, by their own word, each quarter of a minute.
create table processes (
    id           uuid primary key,
    kind         text not null check (kind in ('server', 'worker')),
    version      text not null,
    host         text not null,
    started_at   timestamptz not null default now(),
    seen_at      timestamptz not null default now(),
    memory_bytes bigint not null,
    cpu_seconds  double precision not null,
    pool_size    integer not null,
    pool_idle    integer not null,
    -- Open connections of users; null of workers.
    sockets      integer
);
