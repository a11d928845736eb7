-- What personas remember of what their users told them of themselves.

-- Whether a persona remembers anything.
alter table personas add column remembers boolean not null default false;

create table memories (
    id         uuid primary key,
    user_id    uuid not null references users (id) on delete cascade,
    persona_id uuid not null references personas (id) on delete cascade,
    -- In the user's own words.
    fact       text not null check (length(fact) between 1 and 500),
    -- In the message of which it stood; null where the user wrote it down, or the request is gone.
    request_id uuid references requests (id) on delete set null,
    created_at timestamptz not null default now()
);
create unique index memories_fact_key on memories (user_id, persona_id, lower(fact));
create index memories_newest_idx on memories (user_id, persona_id, id desc);
-- For what goes with a persona or a request.
create index memories_persona_id_idx on memories (persona_id);
create index memories_request_id_idx on memories (request_id) where request_id is not null;
