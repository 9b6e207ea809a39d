-- What single sign-on keeps: clients, what was granted, and who is to be told of a
-- session's end. Records are opaque here; tokens are SHA-256, in hex.

-- +goose Up
CREATE TABLE sso_clients (
    id     TEXT PRIMARY KEY,
    record TEXT NOT NULL
);

CREATE TABLE sso_grants (
    id      TEXT PRIMARY KEY,
    client  TEXT NOT NULL,
    holder  TEXT NOT NULL,
    session TEXT NOT NULL,
    record  TEXT NOT NULL,
    until   BIGINT NOT NULL,
    ended   TEXT NOT NULL -- why; '' = in force
);
CREATE INDEX sso_grants_session ON sso_grants (session);
CREATE INDEX sso_grants_until ON sso_grants (until);

CREATE TABLE sso_tokens (
    hash     TEXT PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES sso_grants (id) ON DELETE CASCADE,
    refresh  BOOLEAN NOT NULL,
    used     BOOLEAN NOT NULL,
    until    BIGINT NOT NULL
);
CREATE INDEX sso_tokens_grant ON sso_tokens (grant_id);
CREATE INDEX sso_tokens_until ON sso_tokens (until);

CREATE TABLE sso_seen (
    hash  TEXT PRIMARY KEY,
    until BIGINT NOT NULL
);
CREATE INDEX sso_seen_until ON sso_seen (until);

CREATE TABLE sso_consents (
    holder TEXT NOT NULL,
    client TEXT NOT NULL,
    scopes TEXT NOT NULL,
    PRIMARY KEY (holder, client)
);

CREATE TABLE sso_logouts (
    client   TEXT NOT NULL,
    session  TEXT NOT NULL,
    holder   TEXT NOT NULL,
    ended_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next     BIGINT NOT NULL,
    PRIMARY KEY (client, session)
);
CREATE INDEX sso_logouts_next ON sso_logouts (next);
