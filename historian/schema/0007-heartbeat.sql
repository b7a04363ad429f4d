-- The ingest that owns a site says every few seconds that it does its work. Nobody else can tell
-- whether a site is quiet or nobody looks after it. In real time of the database's machine.
create table heartbeat (
    site_id integer primary key references site,
    beat_at timestamptz not null
) with (fillfactor = 50);                -- a row is written over and over: leave room beside it

-- Whether a site of before is looked after will be seen soon.
insert into heartbeat (site_id, beat_at)
select site_id, clock_timestamp() from site where term > 0;
