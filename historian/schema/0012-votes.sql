-- The newest vote of each structure that votes, point by point (alarms/tally.py). What was voted before
-- stands in the scans of the structure's votes; this is about now, and names its points, so that a
-- new site file can't make it mean something else.
create table vote (
    site_id   integer not null references site,
    structure text not null,
    time      timestamptz not null,
    flush_id  bigint not null,
    document  jsonb not null,
    primary key (site_id, structure)
) with (fillfactor = 50);                -- a row is written over and over: leave room beside it
