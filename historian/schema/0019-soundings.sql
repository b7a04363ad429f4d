-- What became of a sounder of an edge (a siren, a lamp): told as events of its own kind, source = its id.
alter table event drop constraint event_kind_check;
alter table event add constraint event_kind_check
    check (kind in ('seismic', 'blast', 'observation', 'sounding'));

-- An alarm is shown with what sounded because of it.
create index event_sounding on event (site_id, (attributes ->> 'alarm')) where kind = 'sounding';

-- Somebody asks an edge to measure now; what became of it is kept for ever.
alter table action drop constraint action_kind_check;
alter table action add constraint action_kind_check
    check (kind in ('acknowledgement', 'release', 'measure'));
create index action_measure on action (site_id, asked_at) where kind = 'measure';
