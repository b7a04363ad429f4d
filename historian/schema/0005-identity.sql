-- Who edges are: one-time codes, certificates, open lines, and a record of all that was done.
-- All instants are real time of the database's machine: what is secret ends by no scenario's clock.

-- A one-time code by which an edge gets a token of its own, and perhaps a certificate.
create table enrolment_code (
    code_id    text primary key,         -- the visible beginning
    sha256     bytea not null,
    site       text not null,
    edge       text not null,
    keeps      boolean not null,         -- the edge's older tokens stay valid
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    used_at    timestamptz
);

-- Certificates of edges: those that were signed at an enrolment, and others that were shown.
create table edge_certificate (
    issuer     text not null,
    serial     text not null,            -- hexadecimal
    site       text not null,
    edge       text not null,
    token_id   text references token,    -- that it was enrolled with; null: made by hand
    ends_at    timestamptz not null,
    issued_at  timestamptz,
    seen_at    timestamptz,              -- at the newest connection
    revoked_at timestamptz,
    primary key (issuer, serial)
);

create index edge_certificate_edge on edge_certificate (site, edge);
create index edge_certificate_token on edge_certificate (token_id);

-- The certificates that the centre itself goes by; a place is where one is served.
create table server_certificate (
    role    text not null check (role in ('line', 'page', 'authority')),
    place   text not null,
    subject text not null,
    serial  text not null,
    ends_at timestamptz not null,
    pem     text,                        -- of an authority
    seen_at timestamptz not null default clock_timestamp(),
    primary key (role, place)
);

-- The newest line of each edge. One that was not heard for a minute is not open any more.
create table edge_line (
    site         text not null,
    edge         text not null,
    line_id      uuid not null,          -- one connection
    token_id     text not null,
    serial       text,                   -- of the certificate that was shown
    address      text not null,
    connected_at timestamptz not null default clock_timestamp(),
    heard_at     timestamptz not null default clock_timestamp(),
    left_at      timestamptz,
    primary key (site, edge)
);

-- What was done about who may come in; rows are added, never changed.
create table identity_record (
    number   bigint generated always as identity primary key,
    at       timestamptz not null default clock_timestamp(),
    what     text not null check (what in ('code_made', 'enrolled', 'revoked')),
    site     text,
    edge     text,
    token_id text,
    who      text not null,              -- the user at the centre, the token, or the address
    detail   text not null default ''
);

create index identity_record_edge on identity_record (site, edge, number desc);
