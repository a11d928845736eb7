-- What is done at intervals, once however many workers there are: when it was begun last, and by whom.

create table schedules (
    name     text primary key,
    last_run timestamptz not null,
    worker   text not null
);
