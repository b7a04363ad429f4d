-- What an edge says it took: the highest number that its spool had given out when it last said
-- hello, and when that was. The delivered numbers say what came of it.
alter table stream add column announced bigint not null default 0;
alter table stream add column announced_at timestamptz;

-- Why numbers will never come, as the edge said when it declared them lost.
create table loss (
    stream_id   integer not null references stream on delete cascade,
    first       bigint not null,
    last        bigint not null,
    reason      text not null,
    declared_at timestamptz not null,
    primary key (stream_id, first, last)
);
