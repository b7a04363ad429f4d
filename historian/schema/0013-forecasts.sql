-- What was answered when a channel was asked when it fails. Of a channel that does not accelerate
-- there is one row, the newest; of one that does, every answer, thinned out as it ages
-- (historian/forecasts.py). Instants in answers are hours after asked_at.
create table forecast (
    site_id     integer not null references site,
    channel     text not null,
    asked_at    timestamptz not null,      -- the middle of the newest bin
    verdict     text not null,             -- alarms/forecast/verdict.py, in small letters
    fails_at    timestamptz,               -- these three only with the verdict forecast
    earliest_at timestamptz,
    latest_at   timestamptz,
    level       double precision not null, -- of the interval
    answers     jsonb not null,
    inputs      jsonb not null,
    value       double precision[],        -- means of the bins it was made from; null: does not accelerate
    stored_at   timestamptz not null,
    primary key (site_id, channel, asked_at)
);
