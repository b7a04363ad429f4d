-- What is kept in quarantine may be asked for again: the ingest that owns the site takes it
-- through a flush, as it takes acknowledgements.
alter table action drop constraint action_kind_check;
alter table action add constraint action_kind_check check (kind in ('acknowledgement', 'release'));
