-- The audit log: who did what, on what, from where. It is only added to, and each entry vouches for the one before it.
--
-- Entries know people by a random id only, and hold of everything personal a salted digest. What the ids and digests stand for is
-- beside them, and goes with the account: then nobody can say any more who was meant, and every entry still is what it was.

create table audit_subjects (
    id      uuid primary key default gen_random_uuid(),
    user_id uuid not null constraint audit_subjects_user_id_key unique references users (id) on delete cascade
);

create table audit_entries (
    -- Without gaps: an entry that was taken out is missed.
    position       bigint primary key check (position > 0),
    -- Never before that of the entry before.
    at             timestamptz not null,
    actor_kind     text not null check (actor_kind in ('user', 'api_key', 'service', 'operator', 'system', 'anonymous')),
    actor_subject  uuid,
    -- Of what the actor acted by: an API key, a service.
    actor_id       text check (length(actor_id) between 1 and 200),
    verb           text not null check (verb ~ '^[a-z_]{1,40}([.][a-z_]{1,40})?$'),
    target_kind    text check (target_kind ~ '^[a-z_]{1,40}$'),
    -- Whose it is, or who it is.
    target_subject uuid,
    target_id      text check (length(target_id) between 1 and 500),
    correlation_id text check (length(correlation_id) between 1 and 200),
    -- Of the salts and texts in `audit_details`.
    origin_digest  bytea,
    change_digest  bytea,
    -- SHA-256 of the hash before, followed by `audit_canonical` of this entry.
    hash           bytea not null check (length(hash) = 32)
);
-- What the log is asked by.
create index audit_entries_actor_subject_idx on audit_entries (actor_subject, position) where actor_subject is not null;
create index audit_entries_target_subject_idx on audit_entries (target_subject, position) where target_subject is not null;
create index audit_entries_target_idx on audit_entries (target_kind, target_id, position);
create index audit_entries_verb_idx on audit_entries (verb, position);
create index audit_entries_correlation_id_idx on audit_entries (correlation_id, position);
create index audit_entries_at_idx on audit_entries (at, position);

create table audit_details (
    position bigint not null references audit_entries (position),
    -- 'origin' is where the actor was; 'change' what there was before and after.
    part     text not null check (part in ('origin', 'change')),
    -- With whose account it goes; null where it is nobody's.
    subject  uuid references audit_subjects (id) on delete cascade,
    -- Without it the digest would tell an address to whoever tries them all.
    salt     bytea not null check (length(salt) = 16),
    details  jsonb not null,
    primary key (position, part)
);
create index audit_details_subject_idx on audit_details (subject) where subject is not null;

-- The newest entry. Whoever appends locks it, so that there is one chain however many do.
create table audit_head (
    the_only boolean primary key default true check (the_only),
    position bigint not null,
    at       timestamptz not null,
    hash     bytea not null
);
insert into audit_head (position, at, hash) values (0, '-infinity', sha256('troupe audit log'));

-- The bytes of an entry, each field with its length before it. The same in server/src/usecase/audit/chain.rs, which does not
-- take PostgreSQL's word for it.
create function audit_canonical(entry audit_entries) returns bytea language sql stable as $$
    select convert_to(string_agg(coalesce(octet_length(field) || ':' || field, '-'), '' order by place), 'UTF8')
    from unnest(array[
        entry.position::text, (extract(epoch from entry.at) * 1000000)::bigint::text, entry.actor_kind, entry.actor_subject::text,
        entry.actor_id, entry.verb, entry.target_kind, entry.target_subject::text, entry.target_id, entry.correlation_id,
        encode(entry.origin_digest, 'hex'), encode(entry.change_digest, 'hex')
    ]) with ordinality as fields (field, place)
$$;

-- By which name the log means somebody; null where there is no such account (any more).
create function audit_subject(who uuid) returns uuid language plpgsql as $$
declare
    known uuid;
begin
    select id into known from audit_subjects where user_id = who;
    if known is null and who is not null then
        insert into audit_subjects (user_id) select id from users where id = who on conflict do nothing returning id into known;
        if known is null then
            select id into known from audit_subjects where user_id = who;
        end if;
    end if;
    return known;
end $$;

-- The only way into the log, also for those who may not write its tables. Others who append wait until the transaction is over:
-- it belongs at its end.
create function audit_append(
    by_kind text, by_user uuid, by_id text, did text, on_kind text, on_user uuid, on_id text, origin jsonb, change jsonb, correlation text
) returns bigint language plpgsql security definer as $$
declare
    head audit_head;
    entry audit_entries;
    origin_salt constant bytea := uuid_send(gen_random_uuid());
    change_salt constant bytea := uuid_send(gen_random_uuid());
begin
    entry.actor_kind := by_kind;
    entry.actor_subject := audit_subject(by_user);
    entry.actor_id := by_id;
    entry.verb := did;
    entry.target_kind := on_kind;
    entry.target_subject := audit_subject(on_user);
    entry.target_id := on_id;
    entry.correlation_id := correlation;
    entry.origin_digest := sha256(origin_salt || convert_to(origin::text, 'UTF8'));
    entry.change_digest := sha256(change_salt || convert_to(change::text, 'UTF8'));
    select * into strict head from audit_head for update;
    entry.position := head.position + 1;
    entry.at := greatest(clock_timestamp(), head.at);
    entry.hash := sha256(head.hash || audit_canonical(entry));
    insert into audit_entries select entry.*;
    insert into audit_details (position, part, subject, salt, details)
        select entry.position, d.part, d.subject, d.salt, d.details
        from (values ('origin', entry.actor_subject, origin_salt, origin), ('change', entry.target_subject, change_salt, change))
            as d (part, subject, salt, details)
        where d.details is not null;
    update audit_head set position = entry.position, at = entry.at, hash = entry.hash;
    return entry.position;
end $$;
revoke execute on function audit_append from public;
-- Whoever calls it must not be able to put other tables in the place of these.
do $$ begin execute format('alter function audit_append set search_path = %I, pg_temp', current_schema()); end $$;

-- Also for those who may do everything, so that nobody does it by mistake.
create function refuse_to_change_the_log() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is only added to: no % of %', lower(tg_op), tg_table_name using errcode = 'insufficient_privilege';
end $$;
create trigger audit_entries_only_added_to before update or delete or truncate on audit_entries
    for each statement execute function refuse_to_change_the_log();
-- Details go with accounts, and in no other way change.
create trigger audit_details_unchanged before update or truncate on audit_details
    for each statement execute function refuse_to_change_the_log();
create trigger audit_head_stays before delete or truncate on audit_head
    for each statement execute function refuse_to_change_the_log();

-- Gives a role what servers and workers need, and no more: all rows of all tables, but of the log only reading and appending. To
-- be called again after each migration (`troupe-server --grant-runtime ROLE` migrates, and calls it).
create function grant_runtime(runtime name) returns void language plpgsql as $$
declare
    found record;
    owner constant oid := (select relowner from pg_class where oid = 'audit_entries'::regclass);
    place constant name := current_schema();
begin
    if (select rolsuper from pg_roles where rolname = runtime) then
        raise exception 'the role % is a superuser: nothing can be kept from it', runtime;
    end if;
    if pg_has_role(runtime, owner, 'member') then
        raise exception 'the role % owns the tables, or is a member of the role that does: nothing can be kept from it', runtime;
    end if;
    execute format('grant usage on schema %I to %I', place, runtime);
    for found in select c.relname as table from pg_class c
        where c.relnamespace = (select oid from pg_namespace where nspname = place) and c.relkind in ('r', 'v') loop
        execute format('revoke all on %I.%I from %I', place, found.table, runtime);
        case
            when found.table = '_sqlx_migrations' then null;
            when found.table in ('audit_head', 'audit_entries', 'audit_details', 'audit_subjects') then
                execute format('grant select on %I.%I to %I', place, found.table, runtime);
            else
                execute format('grant select, insert, update, delete on %I.%I to %I', place, found.table, runtime);
        end case;
    end loop;
    execute format('grant execute on function audit_append to %I', runtime);
end $$;
revoke execute on function grant_runtime from public;
