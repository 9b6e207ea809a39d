-- Keys are SHA-256 of tokens, in hex. Records are opaque here.

-- +goose Up
CREATE TABLE session_records (
    token_hash TEXT PRIMARY KEY,
    record     TEXT NOT NULL,
    until      BIGINT NOT NULL
);
