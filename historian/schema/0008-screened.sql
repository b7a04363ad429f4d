-- A reading that a screen did not believe keeps its value beside its raw number, so that a replay can
-- screen it again. Who asks for readings is not shown it: what is bad is no value.
create or replace view reading as
select site.key as site, channel.key as channel, scan.time,
       case when coalesce(scan.quality[channel.slot + 1], 0) < 100
            then nullif((coalesce(scan.value, scan.raw))[channel.slot + 1], 'NaN')
       end as value,
       coalesce(scan.quality[channel.slot + 1], 0) as quality,
       channel.unit
from scan
join channel using (site_id, group_id)
join site using (site_id)
where coalesce(array_length(scan.value, 1), array_length(scan.raw, 1)) > channel.slot;
