-- In what activity each card's holder comes, as its certificate said last.

-- +goose Up
CREATE TABLE sso_activities (
    card       TEXT PRIMARY KEY,
    holder     TEXT NOT NULL,
    profession BIGINT NOT NULL,
    training   BOOLEAN NOT NULL,
    structure  TEXT NOT NULL,
    employer   TEXT NOT NULL,
    seen_at    BIGINT NOT NULL
);
CREATE INDEX sso_activities_holder ON sso_activities (holder, seen_at);
