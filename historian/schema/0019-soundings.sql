-- What became of a sounder of an edge (a siren, a lamp): told as events of its own kind, source = its id.
alter table event drop constraint event_kind_check;
alter table event add constraint event_kind_check
    check (kind in ('seismic', 'blast', 'observation', 'sounding'));
