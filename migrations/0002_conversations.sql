-- Personas, the threads held with them, and the requests that produce their replies.

create table personas (
    id            uuid primary key,
    slug          text not null constraint personas_slug_key unique check (slug ~ '^[a-z0-9][a-z0-9-]{1,62}$'),
    name          text not null check (length(name) between 1 and 100),
    description   text not null default '' check (length(description) <= 1000),
    system_prompt text not null check (length(system_prompt) <= 32768),
    temperature   real not null default 0.7 check (temperature between 0 and 2),
    -- The model that speaks for it; null means the configured default.
    model         text check (length(model) between 1 and 200),
    languages     text[] not null default '{en}',
    -- Nobody's: it came with the product.
    owner_id      uuid references users (id) on delete cascade,
    visibility    text not null default 'private' check (visibility in ('private', 'link', 'public')),
    version       integer not null default 1,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);
create index personas_owner_id_idx on personas (owner_id, id desc);
create index personas_public_idx on personas (id desc) where visibility = 'public';

create table conversations (
    id         uuid primary key,
    user_id    uuid not null references users (id) on delete cascade,
    persona_id uuid not null references personas (id) on delete cascade,
    title      text check (length(title) between 1 and 200),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index conversations_user_id_idx on conversations (user_id, id desc);
create index conversations_persona_id_idx on conversations (persona_id);

create table messages (
    id              uuid primary key,
    -- The order of coming. Ids carry the clock of the machine that made them, and clocks disagree.
    position        bigint generated always as identity,
    -- The request's conversation, kept here for the index; the request's foreign key vouches for it.
    conversation_id uuid not null,
    request_id      uuid not null,
    -- Its request's position: a reply that comes after the next question still belongs to the one before.
    turn            bigint not null,
    role            text not null check (role in ('user', 'assistant')),
    content         text not null,
    created_at      timestamptz not null default now()
);
create index messages_conversation_id_idx on messages (conversation_id, position desc);
-- Exactly one question and at most one reply for each request.
create unique index messages_request_id_role_key on messages (request_id, role);

create table requests (
    id              uuid primary key,
    position        bigint generated always as identity,
    conversation_id uuid not null references conversations (id) on delete cascade,
    -- The conversation's user and that user's tier when it was sent. No foreign keys: each would lock a row that every
    -- message of the user, or of the whole tier, wants at the same moment.
    user_id         uuid not null,
    tier            text not null,
    status          text not null default 'queued'
                    check (status in ('queued', 'in_progress', 'completed', 'failed', 'cancelled')),
    -- The number of the running attempt is its fencing token.
    attempt         integer not null default 0 check (attempt >= 0),
    worker          text,
    -- When it was handed to the queue; null while it waits its turn in the conversation, or a pause before a retry.
    dispatched_at   timestamptz,
    -- How many times it was decided to hand it over: names its job, see shared::jobs.
    dispatches      integer not null default 0,
    not_before      timestamptz not null default now(),
    -- While it is open: when the sweeper looks at it, unless it has moved on by then. Of a running one this is its lease; of
    -- a queued one the end of a pause, or a time after which its job or its turn must have got lost.
    due_at          timestamptz,
    -- Whether clients may have seen text of an attempt that is over: the next attempt takes it back first.
    shown           boolean not null default false,
    started_at      timestamptz,
    finished_at     timestamptz,
    error           jsonb,
    usage           jsonb,
    provider        text,
    model           text,
    correlation_id  text not null,
    created_at      timestamptz not null default now(),
    constraint requests_due_check check ((status in ('queued', 'in_progress')) = (due_at is not null)),
    constraint requests_finished_check check ((status in ('completed', 'failed', 'cancelled')) = (finished_at is not null)),
    constraint requests_error_check check ((status = 'failed') = (error is not null))
) with (fillfactor = 80);
-- At most one running request per conversation.
create unique index requests_running_key on requests (conversation_id) where status = 'in_progress';
-- What is open: what a user's sockets are told, and the order within a conversation. Few indexes: each is written at every
-- step of every message.
create index requests_open_idx on requests (user_id, conversation_id, position) where status in ('queued', 'in_progress');
create index requests_due_idx on requests (due_at) where status in ('queued', 'in_progress');

alter table messages add constraint messages_request_id_fkey
    foreign key (request_id) references requests (id) on delete cascade;

create table attempts (
    request_id  uuid not null references requests (id) on delete cascade,
    number      integer not null check (number > 0),
    worker      text not null,
    started_at  timestamptz not null,
    finished_at timestamptz not null default now(),
    outcome     text not null check (outcome in ('completed', 'retried', 'failed', 'cancelled', 'lost')),
    -- Why it did not complete, for operators; what the user is told is in the request.
    cause       text,
    usage       jsonb,
    provider    text,
    model       text,
    primary key (request_id, number)
);

insert into personas (id, slug, name, description, system_prompt, visibility) values (
    '00000000-0000-7000-8000-000000000001',
    'demo',
    'Ada',
    'A lighthouse keeper''s daughter who answers letters from the sea.',
    'You are Ada, who grew up in a lighthouse where her father kept the lamp. You are warm, curious and concrete: you '
    'answer with small things seen and heard, never with slogans. You ask a question back when you wonder about one. '
    'You keep to a few short paragraphs. If you do not know, you say so.',
    'public'
);
