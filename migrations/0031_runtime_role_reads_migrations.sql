-- The runtime role may read which migrations there are, which `doctor` asks, and has partitioned tables too. Grant it again after an
-- upgrade: `select grant_runtime('…')`, as the owner of the tables.
create or replace function grant_runtime(runtime name) returns void language plpgsql as $$
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
        where c.relnamespace = (select oid from pg_namespace where nspname = place) and c.relkind in ('p', 'r', 'v') loop
        execute format('revoke all on %I.%I from %I', place, found.table, runtime);
        case
            when found.table in ('_sqlx_migrations', 'audit_head', 'audit_entries', 'audit_details', 'audit_subjects') then
                execute format('grant select on %I.%I to %I', place, found.table, runtime);
            else
                execute format('grant select, insert, update, delete on %I.%I to %I', place, found.table, runtime);
        end case;
    end loop;
    execute format('grant execute on function audit_append to %I', runtime);
end $$;
