-- What admins see and do: dead letters that are settled one way or the other, and the workers that there are.

-- No foreign keys between requests: each may be removed when its own time is over.
alter table requests
    -- The dead letter that this request tries again.
    add column redrive_of uuid,
    -- Of a dead letter: when an admin has settled it, and the request that tries it again unless it was discarded.
    add column settled_at timestamptz,
    add column redriven_as uuid,
    -- Of one that was tried again: its question. The message itself belongs to the newer request then.
    add column question_id uuid,
    add constraint requests_settled_check check (settled_at is null or status = 'failed');

-- The list of dead letters. A predicate that nobody else says: no other statement must take it for a way to its rows.
create index requests_dead_idx on requests (id) where status = 'failed' and settled_at is null;
-- How many failed lately. Here and not at the requests: those are written at every step of every message.
create index attempts_failed_idx on attempts (finished_at) where outcome = 'failed';

-- Failed requests as admins see them: who, why, and what another try would cost; never what was said. The cost is that of the
-- last attempt whose usage is known, else a guess: four bytes to a token in what a prompt holds and in the replies so far, and
-- a thousand bytes for a first reply.
create view failed_requests as
select r.id, r.conversation_id, r.user_id, r.tier, r.attempt, r.error, r.correlation_id, r.created_at, r.finished_at, r.status,
    r.settled_at, r.redriven_as, r.redrive_of, p.slug as persona, a.cause, q.length as question_length,
    coalesce(u.prompt_tokens, (octet_length(p.system_prompt) + h.bytes) / 4) as prompt_tokens,
    coalesce(u.completion_tokens, coalesce(h.reply_bytes, 1000) / 4) as completion_tokens
from requests r
cross join lateral (
    select s.slug, s.system_prompt from conversations c join personas s on s.id = c.persona_id
    where c.id = r.conversation_id offset 0) p
left join lateral (
    select cause from attempts where request_id = r.id and number = r.attempt offset 0) a on true
left join lateral (
    select (usage->>'prompt_tokens')::bigint as prompt_tokens, (usage->>'completion_tokens')::bigint as completion_tokens
    from attempts where request_id = r.id and usage is not null order by number desc limit 1) u on true
left join lateral (
    select length(content) from messages where id = r.question_id or (request_id = r.id and role = 'user') limit 1) q on true
cross join lateral (
    select coalesce(sum(octet_length(content)), 0)::bigint as bytes,
        avg(octet_length(content)) filter (where role = 'assistant')::bigint as reply_bytes
    from (select role, content from messages where conversation_id = r.conversation_id and turn <= r.position
          order by position desc limit 20) newest) h;

-- Each worker says that it is there; one that died without a word is known by its silence.
create table workers (
    name        text primary key,
    version     text not null,
    -- How many replies it writes at the same time.
    slots       integer not null check (slots > 0),
    started_at  timestamptz not null default now(),
    seen_at     timestamptz not null default now(),
    -- Silent for longer, it is taken for gone.
    alive_until timestamptz not null
);
