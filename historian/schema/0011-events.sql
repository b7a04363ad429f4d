-- Discrete happenings: microseismic events, blasts, what people saw. They have no period and no slots,
-- so they are no scans. An event that comes again with other content is its next revision; nothing is
-- overwritten, and the newest revision counts.
create table event (
    site_id     integer not null references site,
    event_id    text not null,               -- source/id, as the source names it
    revision    integer not null default 0,
    source      text not null,               -- its id in the site file
    time        timestamptz not null,        -- when it happened
    kind        text not null check (kind in ('seismic', 'blast', 'observation')),
    place       double precision[],          -- east, north, elevation in metres; unknown: NaN, or null for all
    attributes  jsonb not null,              -- numbers and short texts, by the names of the site file
    hash        bytea not null,              -- of all that it says, to know it again
    received_at timestamptz not null,
    flush_id    bigint not null,
    stream_id   integer not null,
    seq         bigint not null,
    ordinal     smallint not null,           -- row within the block
    primary key (site_id, event_id, revision)
);

create index event_time on event (site_id, time, event_id, revision);
-- How far the sources of a site have been judged, and what stands: written with the beliefs that follow
-- from it. The events themselves are read from their table.
create table event_watch (
    site_id   integer primary key references site,
    flush_id  bigint not null,               -- all events up to it have been taken in
    state     jsonb not null,                -- by source: ticks, what stands, the newest answers
    stored_at timestamptz not null
);

create index event_flush on event (site_id, flush_id);
