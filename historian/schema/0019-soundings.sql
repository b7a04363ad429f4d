-- What became of a sounder of an edge (a siren, a lamp): told as events of its own kind, source = its id.
alter table event drop constraint event_kind_check;
alter table event add constraint event_kind_check
    check (kind in ('seismic', 'blast', 'observation', 'sounding'));

-- An alarm is shown with what sounded because of it.
create index event_sounding on event (site_id, (attributes ->> 'alarm')) where kind = 'sounding';
