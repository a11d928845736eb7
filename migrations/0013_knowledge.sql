-- Knowledge: documents, what is still to be indexed, and the passages that searches find.

-- The text search configuration for a language tag such as en or pt-BR. What PostgreSQL has no rules for is searched word by word.
create function search_configuration(tag text) returns regconfig language sql stable parallel safe as $$
    select coalesce((
        select oid from pg_ts_config
        where cfgnamespace = 'pg_catalog'::regnamespace and cfgname = case split_part(lower(tag), '-', 1)
            when 'ar' then 'arabic' when 'hy' then 'armenian' when 'eu' then 'basque' when 'ca' then 'catalan'
            when 'da' then 'danish' when 'nl' then 'dutch' when 'en' then 'english' when 'fi' then 'finnish'
            when 'fr' then 'french' when 'de' then 'german' when 'el' then 'greek' when 'hi' then 'hindi'
            when 'hu' then 'hungarian' when 'id' then 'indonesian' when 'ga' then 'irish' when 'it' then 'italian'
            when 'lt' then 'lithuanian' when 'ne' then 'nepali' when 'no' then 'norwegian' when 'nb' then 'norwegian'
            when 'nn' then 'norwegian' when 'pt' then 'portuguese' when 'ro' then 'romanian' when 'ru' then 'russian'
            when 'sr' then 'serbian' when 'es' then 'spanish' when 'sv' then 'swedish' when 'ta' then 'tamil'
            when 'tr' then 'turkish' when 'yi' then 'yiddish' end
    ), 'simple'::regconfig::oid)::regconfig
$$;

create table documents (
    id         uuid primary key,
    persona_id uuid not null references personas (id) on delete cascade,
    -- Its owner's name for it, else the one that was found in it.
    title      text check (length(title) between 1 and 200),
    -- As it was found to be, not as it was said to be.
    media_type text not null check (media_type in ('text/plain', 'text/markdown', 'text/html', 'application/pdf')),
    -- Of what was uploaded, in bytes, and its SHA-256.
    size       integer not null check (size > 0),
    digest     bytea not null check (length(digest) = 32),
    status     text not null default 'pending' check (status in ('pending', 'ready', 'failed')),
    reason     text,
    -- What was uploaded, until its text has been taken out.
    original   bytea,
    -- The text, and where its headings and pages begin: passages are cut from these, as often as need be.
    content    text,
    outline    jsonb,
    created_at timestamptz not null default now(),
    constraint documents_original_check check ((status = 'pending') = (original is not null)),
    constraint documents_content_check check ((content is null) = (outline is null) and (status <> 'ready' or content is not null)),
    constraint documents_reason_check check ((status = 'failed') = (reason is not null))
);
-- Compressing again what is compressed costs time and saves nothing.
alter table documents alter column original set storage external;
-- The same content is one document.
create unique index documents_digest_key on documents (persona_id, digest);
create index documents_persona_id_idx on documents (persona_id, id desc);

comment on table index_work is
    'Sources (documents, or answers of the interview) whose passages are not known to be what the source says.';
comment on column index_work.due_at is 'When it is taken up; for one that is taken, when it is given to another.';
-- Nobody has taken any of it up before, or looked whether the persona is still there.
delete from index_work w where not exists (select from personas p where p.id = w.persona_id);
alter table index_work
    add constraint index_work_persona_id_fkey foreign key (persona_id) references personas (id) on delete cascade;
create index index_work_due_at_idx on index_work (due_at);
create index index_work_persona_id_idx on index_work (persona_id);

create table passages (
    -- Made from source, ordinal and content: the same passage keeps its id.
    id          uuid primary key,
    persona_id  uuid not null references personas (id) on delete cascade,
    source_kind text not null check (source_kind in ('response', 'document')),
    source_id   uuid not null,
    ordinal     integer not null check (ordinal >= 0),
    -- Where in the source: headings, page, characters from and to.
    place       jsonb not null,
    content     text not null,
    -- The configuration by which `search` was made.
    language    text not null,
    search      tsvector not null,
    created_at  timestamptz not null default now(),
    constraint passages_source_key unique (source_kind, source_id, ordinal)
);
create index passages_persona_id_idx on passages (persona_id);
create index passages_search_idx on passages using gin (search);

-- Whatever removes a source, or has it count no longer, removes what was made of it. In triggers, because their statements see
-- what was committed while the change waited for a worker that was making passages.
create function forget_passages() returns trigger language plpgsql as $$
begin
    delete from passages where source_kind = tg_argv[0] and source_id = old.id;
    if tg_op = 'DELETE' then
        delete from index_work where source_kind = tg_argv[0] and source_id = old.id;
    end if;
    return null;
end
$$;
create trigger documents_forgotten after delete on documents for each row execute function forget_passages('document');
create trigger responses_forgotten after delete on responses for each row execute function forget_passages('response');
create trigger responses_count_no_longer after update of status, deleted_at on responses for each row
    when (new.status <> 'final' or new.deleted_at is not null) execute function forget_passages('response');

-- Another language: the same words are searched by other rules.
create function index_again() returns trigger language plpgsql as $$
begin
    insert into index_work (source_kind, source_id, persona_id)
        select distinct source_kind, source_id, persona_id from passages where persona_id = new.id
        order by source_kind, source_id
        on conflict (source_kind, source_id) do update set changes = index_work.changes + 1, due_at = now(), attempts = 0;
    return null;
end
$$;
create trigger personas_language_changed after update of languages on personas for each row
    when (search_configuration(old.languages[1]) is distinct from search_configuration(new.languages[1]))
    execute function index_again();
