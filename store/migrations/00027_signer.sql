-- signer_key tells under which key of its issuer's name a certificate was
-- verified; '' for those seen last before there was this column.

-- +goose Up
ALTER TABLE certificates ADD COLUMN signer_key TEXT NOT NULL DEFAULT '';
