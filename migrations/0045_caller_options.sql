-- What a program has brought to a request over /v1, beside its message: instructions, the turns before it, and how the
-- model is to sample (`CallerOptions`). Null for all that comes from the pages and from our own API.
alter table requests add column caller_options jsonb;
