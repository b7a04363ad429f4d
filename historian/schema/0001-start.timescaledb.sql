-- Where TimescaleDB is installed, the extension divides `scan`, not we.
-- The table is still empty here: this runs in the transaction that made it.
do $$
declare
    reading_says text := pg_get_viewdef('reading'::regclass);
begin
    drop view reading;
    alter table scan rename to scan_divided;
    create table scan (like scan_divided including all);
    drop table scan_divided;
    perform create_hypertable(
        'scan'::regclass, 'time'::name,
        chunk_time_interval => interval '7 days', create_default_indexes => false
    );
    execute 'create view reading as ' || reading_says;
end
$$;
