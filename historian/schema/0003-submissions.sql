-- What gateways send to the API, until the ingest that owns the site has taken it in. Numbers name
-- submissions in the gateway's stream; once one is decided its content is not needed any more.
create table submission (
    site_id     integer not null references site,
    number      bigint generated always as identity,
    gateway     text not null,
    received_at timestamptz not null,
    content     bytea[] not null,        -- blocks, as telemetry.wire writes them
    asked_at    timestamptz not null default clock_timestamp(),  -- real time of the machine
    outcome     jsonb,                   -- null: not decided yet
    flush_id    bigint,
    primary key (site_id, number)
);

create index submission_undecided on submission (site_id, number) where outcome is null;
