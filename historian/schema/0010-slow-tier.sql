-- The slow tier: what it believes on its way to the engine, what it says now, and its state.

alter table input drop constraint input_kind_check;
alter table input add constraint input_kind_check check (kind in
    ('configuration', 'acknowledgement', 'silence', 'happening', 'belief', 'tick', 'unstored_scans'));

-- A belief is an input of the flush that takes it; a repeat of the same is no second one.
create table belief (
    site_id        integer not null references site,
    number         bigint generated always as identity,
    channel        text not null,
    rule           text not null,
    at             timestamptz not null,     -- event time
    body           jsonb not null,
    taken_flush_id bigint,                   -- null: waits for the next flush
    primary key (site_id, channel, rule, at)
);

create index belief_waiting on belief (site_id, number) where taken_flush_id is null;

-- The newest answer of each slow rule, also where it is that nothing can be said.
create table trend (
    site_id   integer not null references site,
    channel   text not null,
    rule      text not null,
    asked_at  timestamptz not null,          -- event time: the end of the newest bin
    figure    double precision,              -- null: nothing can be said
    unit      text not null,
    level     smallint not null,
    primary key (site_id, channel, rule)
) with (fillfactor = 50);

create table slow_checkpoint (
    site_id   integer primary key references site,
    flush_id  bigint not null,               -- all scans up to it are in the state
    version   integer not null,              -- of the configuration it belongs to
    state     bytea not null,
    stored_at timestamptz not null
);
