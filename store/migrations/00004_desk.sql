-- search_key and given_key are of a-z, 0-9 and spaces (enroll.Fold); they and the
-- identifiers are ordered by bytes: SQLite's own order, PostgreSQL's collation "C". The
-- lists' pages are found by these indexes (keyset), however long the lists are.

-- +goose Up
ALTER TABLE people ADD COLUMN search_key TEXT NOT NULL DEFAULT '';
ALTER TABLE people ADD COLUMN given_key TEXT NOT NULL DEFAULT '';
CREATE INDEX people_given ON people (given_key, id_nat);
CREATE INDEX people_search ON people (search_key, id_nat);
CREATE INDEX people_staff ON people (search_key, id_nat) WHERE roles <> '[]';

DROP INDEX certificates_card;
CREATE INDEX certificates_latest ON certificates (token_id, not_before, seen_at);
CREATE INDEX certificates_not_after ON certificates (not_after);
CREATE INDEX cards_generation ON cards (generation, state);
CREATE INDEX cards_first_seen ON cards (first_seen, generation);
CREATE INDEX passkeys_card ON passkeys (card, created_at) WHERE last_used_at > 0;

CREATE TABLE tickets (
    id           TEXT PRIMARY KEY,
    state        TEXT NOT NULL CHECK (state IN ('open', 'claimed', 'done', 'cancelled', 'expired', 'abandoned')),
    state_reason TEXT NOT NULL,
    phase        TEXT NOT NULL,
    holder       TEXT REFERENCES people (id_nat), -- NULL: the card will say
    operator     TEXT NOT NULL,
    opened_at    BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    claimed_at   BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL,
    desk_proof   TEXT NOT NULL, -- JSON
    reset        TEXT NOT NULL, -- JSON
    workstation  TEXT NOT NULL, -- JSON
    applet       TEXT NOT NULL, -- JSON
    card         TEXT REFERENCES cards (token_id),
    proved_at    BIGINT NOT NULL,
    passkey      TEXT REFERENCES passkeys (credential_id),
    steps        TEXT NOT NULL, -- JSON
    code_hash    TEXT NOT NULL UNIQUE,
    secret_hash  TEXT UNIQUE, -- NULL: not claimed
    ceremony     TEXT NOT NULL
);
CREATE INDEX tickets_opened ON tickets (opened_at, id);
CREATE INDEX tickets_state ON tickets (state, opened_at, id);
CREATE INDEX tickets_operator ON tickets (operator, opened_at, id);
CREATE INDEX tickets_holder ON tickets (holder, opened_at, id);

CREATE TABLE approvals (
    id           TEXT PRIMARY KEY,
    deed         TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('proposed', 'waiting', 'done', 'declined', 'expired')),
    requester    TEXT NOT NULL,
    subject      TEXT NOT NULL,
    card         TEXT NOT NULL,
    ticket       TEXT NOT NULL,
    role         TEXT NOT NULL,
    reason       TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    decided_by   TEXT NOT NULL,
    decided_at   BIGINT NOT NULL
);
CREATE INDEX approvals_requested ON approvals (requested_at, id);
CREATE INDEX approvals_state ON approvals (state, requested_at, id);
CREATE INDEX approvals_undecided ON approvals (subject, deed) WHERE state IN ('proposed', 'waiting');

CREATE TABLE clients (
    name         TEXT PRIMARY KEY,
    token_hash   TEXT NOT NULL UNIQUE,
    scopes       TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    created_by   TEXT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    revoked_at   BIGINT NOT NULL,
    revoked_by   TEXT NOT NULL
);
