-- Back-tests that somebody has asked for over the API: what is to be tested, how far it is, and what
-- it found. Files are kept until the test has ended. One runs at a time in a database: whoever holds
-- the session lock of `historian/back_tests.py` runs it.
create table back_test (
    back_test_id bigint generated always as identity primary key,
    site_id      integer not null references site,
    asked_at     timestamptz not null default clock_timestamp(),
    asked_by     text not null,
    request      jsonb not null,
    files        jsonb,
    state        text not null default 'queued'
                 check (state in ('queued', 'running', 'finished', 'failed', 'cancelled')),
    begun_at     timestamptz,
    ended_at     timestamptz,
    doing        text,
    progress     double precision not null default 0,
    reason       text,
    report       text,
    page         text
);

create index back_test_of_site on back_test (site_id, back_test_id);
create index back_test_to_come on back_test (back_test_id) where state in ('queued', 'running');
