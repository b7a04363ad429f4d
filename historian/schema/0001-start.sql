-- The store, first version. Every key starts with site_id, so that a fleet can be divided by site.
-- All instants are timestamptz in UTC; in a demonstration they are scenario time.

create table site (
    site_id  integer generated always as identity primary key,
    key      text not null unique,
    term     bigint not null default 0,   -- who owns the site: raised by each ingest that takes it over
    flush_id bigint not null default 0    -- the newest committed flush
);

-- What the site file said, version by version; the newest is in force.
create table configuration (
    site_id   integer not null references site,
    version   integer not null,
    document  text not null,
    sha256    bytea not null,
    loaded_at timestamptz not null,
    primary key (site_id, version)
);

create table scan_group (
    site_id    integer not null references site,
    group_id   integer not null,
    key        text not null,
    structure  text not null,
    station    text not null,
    calculated boolean not null,
    period_s   double precision not null,
    primary key (site_id, group_id),
    unique (site_id, key)
);

-- A slot belongs to one channel for ever.
create table channel (
    site_id    integer not null,
    group_id   integer not null,
    slot       smallint not null,
    key        text not null,
    quantity   text not null,
    unit       text not null,
    primary key (site_id, group_id, slot),
    unique (site_id, key),
    foreign key (site_id, group_id) references scan_group
);

-- Every layout the centre has known: an edge may still send an old one.
create table layout (
    site_id  integer not null,
    group_id integer not null,
    layout   bigint not null,
    slots    smallint not null,
    known_at timestamptz not null,
    primary key (site_id, group_id, layout),
    foreign key (site_id, group_id) references scan_group
);

-- One row a scan. value is null where it equals raw, raw is null in calculated groups,
-- quality is null where all is good; a missing slot is NaN. Partitioned by time.
create table scan (
    site_id   integer not null,
    group_id  integer not null,
    time      timestamptz not null,      -- sampled at
    revision  smallint not null default 0,
    raw       double precision[],
    value     double precision[],
    quality   smallint[],
    flush_id  bigint not null,
    stream_id integer,                   -- null: calculated
    seq       bigint,
    ordinal   smallint not null default 0,  -- row within the block
    judged_at timestamptz,               -- null: judged at its own time
    primary key (site_id, group_id, time, revision)
) partition by range (time);

create index scan_flush on scan (site_id, flush_id);

-- A stream is one spool of one edge. delivered holds the block numbers that are committed.
create table stream (
    stream_id     integer generated always as identity primary key,
    site_id       integer not null references site,
    edge          text not null,
    epoch         uuid not null,
    delivered     int8multirange not null default '{}',
    declared_lost int8multirange not null default '{}',
    unique (site_id, edge, epoch)
);

-- Blocks of the last day or so: a repeated number with other content is refused.
create table block (
    stream_id   integer not null references stream,
    seq         bigint not null,
    hash        bytea not null,
    group_id    integer,                 -- null: quarantined before its group was known
    flush_id    bigint not null,
    received_at timestamptz not null,
    primary key (stream_id, seq)
);

-- What cannot be stored as scans, with the bytes as they came.
create table quarantine (
    site_id     integer not null references site,
    number      bigint generated always as identity,
    received_at timestamptz not null,
    edge        text not null,
    stream_id   integer,
    seq         bigint,
    reason      text not null,           -- a short word, as counted in the metrics
    message     text not null,           -- a sentence with the remedy
    content     bytea not null,
    primary key (site_id, number)
);

-- Inputs that are not scans, in their recorded order: see decision record 0002.
create table input (
    site_id  integer not null references site,
    flush_id bigint not null,
    ordinal  integer not null,
    kind     text not null check (kind in
             ('configuration', 'acknowledgement', 'silence', 'happening', 'tick', 'unstored_scans')),
    body     jsonb not null,
    primary key (site_id, flush_id, ordinal)
);

create table latest (
    site_id    integer not null,
    group_id   integer not null,
    time       timestamptz not null,
    raw        double precision[],
    value      double precision[] not null,
    quality    smallint[],
    silent     boolean not null default false,  -- no scan for longer than three periods
    flush_id   bigint not null,
    -- The clocks at that scan, by which the next one is judged if its stamp is wrong.
    stream_id    integer,                -- null: calculated
    monotonic_us bigint,                 -- of the edge
    received_at  timestamptz,
    primary key (site_id, group_id),
    foreign key (site_id, group_id) references scan_group
) with (fillfactor = 50);

create table checkpoint (
    site_id   integer primary key references site,
    flush_id  bigint not null,
    version   integer not null,          -- of the configuration it belongs to
    state     bytea not null,
    stored_at timestamptz not null
);

-- Append-only record of every transition, hash-chained per site.
create table journal (
    site_id    integer not null references site,
    number     bigint not null,
    key        text not null,
    flush_id   bigint not null,
    occurrence text not null,
    sampled_at timestamptz not null,
    stored_at  timestamptz not null,
    body       text not null,            -- canonical JSON, exactly as hashed
    hash       bytea not null,
    primary key (site_id, number),
    unique (site_id, key)
);

create index journal_occurrence on journal (site_id, occurrence);

create table journal_head (
    site_id integer primary key references site,
    number  bigint not null,
    hash    bytea not null
);

-- When a journal entry first reached whom; kept beside the append-only journal.
create table journal_instant (
    site_id      integer not null,
    number       bigint not null,
    pushed_at    timestamptz,            -- handed to a websocket
    told_at      timestamptz,            -- first hand-over to any way of telling
    delivered_at timestamptz,            -- confirmed by it
    primary key (site_id, number),
    foreign key (site_id, number) references journal
);

-- Each alarm as it stands now; follows from the journal.
create table alarm (
    site_id         integer not null references site,
    occurrence      text not null,
    kind            text not null check (kind in ('process', 'technical')),
    structure       text,
    channel         text not null,
    rule            text not null,
    state           text not null,
    level           smallint not null,   -- 0 once it has cleared
    worst_level     smallint not null,
    raised_at       timestamptz not null,
    changed_at      timestamptz not null,
    cleared_at      timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    comment         text,
    evidence        jsonb not null,      -- of the newest raise, rise or fall
    number          bigint not null,     -- newest journal number
    primary key (site_id, occurrence)
);

create index alarm_open on alarm (site_id, state) where state <> 'normal';
create index alarm_raised on alarm (site_id, raised_at desc);

-- What operators ask for; decided by the ingest that owns the site.
create table action (
    action_id  uuid primary key,
    site_id    integer not null references site,
    kind       text not null check (kind in ('acknowledgement')),
    body       jsonb not null,
    asked_at   timestamptz not null,
    expires_at timestamptz not null,     -- real time of the machine
    accepted   boolean,                  -- null: not decided yet
    reason     text,
    flush_id   bigint
);

create index action_undecided on action (site_id) where accepted is null;

-- What must be told, written in the transaction of the transition.
create table outbox (
    message_id  text primary key,        -- the same on every try
    site_id     integer not null references site,
    number      bigint not null,         -- of the journal
    destination text not null,
    level       smallint not null,
    enqueued_at timestamptz not null default clock_timestamp(),  -- real time of the machine
    tries       integer not null default 0,
    next_try_at timestamptz not null default clock_timestamp(),  -- real time of the machine
    leased_until timestamptz,
    delivered_at timestamptz,
    given_up_at timestamptz,
    last_error  text
);

create index outbox_waiting on outbox (destination, level desc, next_try_at)
    where delivered_at is null and given_up_at is null;

-- Only hashes of tokens are stored.
create table token (
    token_id   text primary key,         -- the visible beginning
    sha256     bytea not null,
    scope      text not null check (scope in ('edge', 'operator', 'viewer')),
    site       text,                     -- null: all sites
    edge       text,
    label      text not null,
    created_at timestamptz not null,
    expires_at timestamptz,              -- real time of the machine, as is revoked_at
    revoked_at timestamptz,
    parent     text references token     -- a session ends with the token it was made from
);

-- A one-time code that a browser exchanges for a session.
create table sign_in_code (
    sha256     bytea primary key,
    scope      text not null check (scope in ('operator', 'viewer')),
    expires_at timestamptz not null,
    used_at    timestamptz
);

-- The plain table that SQL users and dashboards expect.
create view reading as
select site.key as site, channel.key as channel, scan.time,
       nullif((coalesce(scan.value, scan.raw))[channel.slot + 1], 'NaN') as value,
       coalesce(scan.quality[channel.slot + 1], 0) as quality,
       channel.unit
from scan
join channel using (site_id, group_id)
join site using (site_id)
where coalesce(array_length(scan.value, 1), array_length(scan.raw, 1)) > channel.slot;
