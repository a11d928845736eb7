-- What the trace of a request goes on from, in the worker that writes its reply: the `traceparent` of W3C Trace Context.
-- Absent where nothing is traced.
alter table requests add column traceparent text;
