-- Keys of the OpenID provider. sealed is encrypted with a key outside this file, base64url.

-- +goose Up
CREATE TABLE sso_keys (
    id         TEXT PRIMARY KEY,
    algorithm  TEXT NOT NULL,
    sealed     TEXT NOT NULL,
    signs_from BIGINT NOT NULL
);
