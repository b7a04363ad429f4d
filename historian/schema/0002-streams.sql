-- Readings also come without an edge agent: from gateways of others, and from old files.
-- A stream of kind edge is one spool; a gateway's stream counts what it sent; an import's, the
-- blocks of one file. Only edges are waited for after a restart.
alter table stream add column kind text not null default 'edge'
    check (kind in ('edge', 'gateway', 'import'));
