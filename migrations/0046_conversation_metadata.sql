-- What a program notes with a conversation over /v1; null for most.
alter table conversations add column metadata jsonb;
