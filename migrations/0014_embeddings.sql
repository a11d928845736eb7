-- Vectors of passages, and what the vector store must still be told of them.

-- By content, not by passage: an edit moves the passages behind it, and what they say need not be embedded again.
create function content_digest(content text) returns bytea
    language sql immutable strict parallel safe
    return sha256(convert_to(content, 'UTF8'));

alter table passages add column digest bytea not null generated always as (content_digest(content)) stored;
create index passages_digest_idx on passages (digest);

create table embeddings (
    digest     bytea not null,
    -- With its dimension, like 'text-embedding-3-small@1536': vectors of one model can be compared with each other only.
    model      text not null collate "C" check (length(model) between 1 and 200),
    -- Numbers of four bytes, the lowest first; of length 1.
    vector     bytea not null check (length(vector) % 4 = 0),
    -- Raised by each passage that comes with this content, so that nobody removes it as unused at that moment.
    uses       integer not null default 0,
    created_at timestamptz not null default now(),
    primary key (digest, model)
);
-- Such numbers do not get smaller by trying.
alter table embeddings alter column vector set storage external;

-- A row for each passage that came or went, and each persona that went, until the vector store has been told. It says that
-- something has changed, not what: whoever takes it up looks how things stand by then.
create table vector_work (
    kind       text not null collate "C" check (kind in ('passage', 'persona')),
    -- The passage's, or the persona's.
    subject_id uuid not null,
    persona_id uuid not null,
    -- What the passage said: its vector may have no other use.
    digest     bytea,
    changes    integer not null default 0,
    due_at     timestamptz not null default now(),
    attempts   integer not null default 0,
    primary key (kind, subject_id)
) with (fillfactor = 70);
create index vector_work_due_at_idx on vector_work (due_at);

-- Raised whenever what is searched of a persona has changed: by it the processes know that their copies are old.
create table vector_versions (
    persona_id uuid primary key,
    version    bigint not null default 1
);

-- Which index has been made whole for a model, and how far one got that is being made.
create table vector_rebuilds (
    -- The index's name in the vector store.
    name        text primary key collate "C",
    -- The last passage that is in it.
    reached     uuid,
    passages    bigint not null default 0,
    started_at  timestamptz not null default now(),
    finished_at timestamptz
);

create function passages_came() returns trigger language plpgsql as $$
begin
    insert into vector_work (kind, subject_id, persona_id, digest)
        select 'passage', id, persona_id, digest from came order by id
        on conflict (kind, subject_id) do update
            set changes = vector_work.changes + 1, due_at = now(), attempts = 0, digest = excluded.digest;
    -- In one order, so that no two who do so wait for each other.
    with used as (
        select digest, model from embeddings where digest in (select digest from came) order by digest, model for update
    )
    update embeddings e set uses = e.uses + 1 from used u where e.digest = u.digest and e.model = u.model;
    return null;
end $$;

create function passages_went() returns trigger language plpgsql as $$
begin
    -- Also for those whose persona went with them: their vectors must go too.
    insert into vector_work (kind, subject_id, persona_id, digest)
        select 'passage', id, persona_id, digest from went order by id
        on conflict (kind, subject_id) do update
            set changes = vector_work.changes + 1, due_at = now(), attempts = 0, digest = excluded.digest;
    return null;
end $$;

create function persona_went() returns trigger language plpgsql as $$
begin
    insert into vector_work (kind, subject_id, persona_id) values ('persona', old.id, old.id)
        on conflict (kind, subject_id) do update set changes = vector_work.changes + 1, due_at = now(), attempts = 0;
    return null;
end $$;

create trigger passages_came after insert on passages
    referencing new table as came for each statement execute function passages_came();
create trigger passages_went after delete on passages
    referencing old table as went for each statement execute function passages_went();
create trigger persona_went after delete on personas for each row execute function persona_went();
