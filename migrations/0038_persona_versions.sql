-- Earlier versions of personas, for their owners: the settings as they were before each change. The newest hundred of each
-- are kept, and of large ones no more than 4 MiB. What is no setting (its address, its owner, its lorebook, whether an admin has hidden it) has no versions.
create table persona_versions (
    persona_id uuid not null references personas (id) on delete cascade,
    version    integer not null,
    -- The columns of the persona by their names.
    settings   jsonb not null,
    -- When the persona became so.
    created_at timestamptz not null,
    primary key (persona_id, version)
);

create function persona_settings(persona personas) returns jsonb language sql stable as $$
    select to_jsonb(persona)
        - '{id, slug, owner_id, version, created_at, updated_at, hidden_at, hidden_reason, from_card, has_lorebook}'::text[]
$$;

create function keep_persona_version() returns trigger language plpgsql as $$
begin
    if persona_settings(old) <> persona_settings(new) then
        insert into persona_versions (persona_id, version, settings, created_at)
        values (old.id, old.version, persona_settings(old), old.updated_at);
        delete from persona_versions v using (
            select version, row_number() over newest as number, sum(octet_length(settings::text)) over newest as bytes
            from persona_versions where persona_id = old.id window newest as (order by version desc)) kept
        where v.persona_id = old.id and v.version = kept.version
          and (kept.number > 100 or kept.number > 1 and kept.bytes > 4 * 1024 * 1024);
    end if;
    return null;
end
$$;
create trigger personas_keep_version after update of version on personas
    for each row when (old.version <> new.version) execute function keep_persona_version();
