-- Acts that failed are few, as refusals are among sign-ins.

-- +goose Up
CREATE INDEX audit_events_failed ON audit_events (at, sequence) WHERE outcome = 'failed';
