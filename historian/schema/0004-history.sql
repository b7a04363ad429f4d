-- Imported history: which files it came from, and what has not been calculated from it yet.

-- A file is known by its content and by how it was read. Its stream is of the kind import; the
-- stream's delivered numbers are those of the file's blocks that are stored.
create table imported_file (
    stream_id   integer primary key references stream,
    site_id     integer not null references site,
    name        text not null,
    sha256      bytea not null,
    bytes       bigint not null,
    began_at    timestamptz not null,
    finished_at timestamptz              -- null: interrupted, or still running
);

-- Weeks of measured groups whose history has changed since calculated channels were computed
-- over them. Written with the scans, so that no interruption forgets it.
create table uncalculated (
    site_id  integer not null references site,
    group_id integer not null,
    week_at  timestamptz not null,       -- its Monday
    flush_id bigint not null,            -- of the newest change
    primary key (site_id, group_id, week_at)
);
