-- Invitations are removed some time after they were used, or have expired without that: the housekeeping finds them by
-- this index, which takes the place of the one by expiry alone.
drop index invitations_expires_at_idx;
create index invitations_ended_at_idx on invitations (coalesce(used_at, expires_at));
