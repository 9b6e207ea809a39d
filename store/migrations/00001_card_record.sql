-- One SQL text for SQLite and PostgreSQL: times are microseconds since 1970 in
-- BIGINT (0 = never), bytes are base64url TEXT without padding, lists are JSON
-- TEXT, and only equality is asked of texts. See docs/decisions/0002.

-- +goose Up
CREATE TABLE people (
    id_nat      TEXT PRIMARY KEY,
    user_handle TEXT NOT NULL UNIQUE,
    family_name TEXT NOT NULL,
    given_name  TEXT NOT NULL,
    title       TEXT NOT NULL,
    profession  BIGINT NOT NULL,
    training    BOOLEAN NOT NULL,
    specialties TEXT NOT NULL,
    structure   TEXT NOT NULL,
    employer    TEXT NOT NULL,
    roles       TEXT NOT NULL
);

CREATE TABLE cards (
    token_id     TEXT PRIMARY KEY,
    holder       TEXT NOT NULL REFERENCES people (id_nat),
    type         BIGINT NOT NULL,
    test         BOOLEAN NOT NULL,
    generation   TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'revoked')),
    state_reason TEXT NOT NULL,
    first_seen   BIGINT NOT NULL,
    last_seen    BIGINT NOT NULL
);
CREATE INDEX cards_holder ON cards (holder);

CREATE TABLE certificates (
    issuer_key  TEXT NOT NULL,
    serial      TEXT NOT NULL,
    issuer      TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    token_id    TEXT NOT NULL REFERENCES cards (token_id),
    holder      TEXT NOT NULL REFERENCES people (id_nat),
    not_before  BIGINT NOT NULL,
    not_after   BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    PRIMARY KEY (issuer_key, serial)
);
CREATE INDEX certificates_card ON certificates (token_id);

CREATE TABLE passkeys (
    credential_id       TEXT PRIMARY KEY,
    holder              TEXT NOT NULL REFERENCES people (id_nat),
    user_handle         TEXT NOT NULL,
    name                TEXT NOT NULL,
    public_key          TEXT NOT NULL,
    aaguid              TEXT NOT NULL,
    attestation_format  TEXT NOT NULL,
    attestation_type    TEXT NOT NULL,
    attestation_verdict TEXT NOT NULL,
    sign_count          BIGINT NOT NULL,
    transports          TEXT NOT NULL,
    backup_eligible     BOOLEAN NOT NULL,
    backup_state        BOOLEAN NOT NULL,
    min_pin_length      BIGINT NOT NULL,
    card                TEXT REFERENCES cards (token_id), -- NULL: lives in no card
    proof_kind          TEXT NOT NULL,
    proof_at            BIGINT NOT NULL,
    proof_card          TEXT REFERENCES cards (token_id), -- NULL: no card vouched
    proof_operator      TEXT NOT NULL,
    proof_approver      TEXT NOT NULL,
    stands_on           TEXT REFERENCES cards (token_id), -- card, else proof_card
    state               TEXT NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'revoked')),
    state_reason        TEXT NOT NULL,
    created_at          BIGINT NOT NULL,
    last_used_at        BIGINT NOT NULL
);
CREATE INDEX passkeys_holder ON passkeys (holder);
CREATE INDEX passkeys_stands_on ON passkeys (stands_on);
