-- against is what was found against a suspended card, beside its reason.

-- +goose Up
ALTER TABLE cards ADD COLUMN against TEXT NOT NULL DEFAULT '';
