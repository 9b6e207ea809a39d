-- Searches go from the latest event backwards; the order is (at, sequence).
-- Old events get their reason and approver by the migration after this one.

-- +goose Up
ALTER TABLE audit_events ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_events ADD COLUMN approver TEXT NOT NULL DEFAULT '';
DROP INDEX audit_events_at;
DROP INDEX audit_events_subject;
CREATE INDEX audit_events_at ON audit_events (at, sequence);
CREATE INDEX audit_events_subject ON audit_events (subject, at, sequence) WHERE subject <> '';
CREATE INDEX audit_events_actor ON audit_events (actor, at, sequence) WHERE actor <> '';
CREATE INDEX audit_events_approver ON audit_events (approver, at, sequence) WHERE approver <> '';
CREATE INDEX audit_events_card ON audit_events (card, at, sequence) WHERE card <> '';
CREATE INDEX audit_events_kind ON audit_events (kind, at, sequence, outcome, reason);
CREATE INDEX audit_events_refused ON audit_events (at, sequence, kind, reason) WHERE outcome = 'refused';

CREATE TABLE audit_checkpoints (
    sequence   BIGINT PRIMARY KEY,
    checkpoint TEXT NOT NULL
);
