-- The encoded text is the event: its hash covers it. The columns beside it are
-- for searching, and compared with it whenever the chain is read. The one row
-- of audit_tail is the tail kept apart; it is locked to append.

-- +goose Up
CREATE TABLE audit_events (
    sequence BIGINT PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    previous TEXT NOT NULL,
    hash     TEXT NOT NULL,
    at       BIGINT NOT NULL,
    kind     TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    actor    TEXT NOT NULL,
    subject  TEXT NOT NULL,
    card     TEXT NOT NULL,
    encoded  TEXT NOT NULL
);
CREATE INDEX audit_events_at ON audit_events (at);
CREATE INDEX audit_events_subject ON audit_events (subject, at);

CREATE TABLE audit_tail (
    one      BIGINT PRIMARY KEY CHECK (one = 1),
    sequence BIGINT NOT NULL,
    hash     TEXT NOT NULL
);
INSERT INTO audit_tail (one, sequence, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
