-- proved lists what of a person a certificate said last: imports leave it. Of those
-- whose certificate was seen before there was this column, all counts as said.

-- +goose Up
ALTER TABLE people ADD COLUMN proved TEXT NOT NULL DEFAULT '[]';
UPDATE people
SET proved = '["family_name","given_name","title","profession","training","specialties","structure","employer"]'
WHERE id_nat IN (SELECT holder FROM certificates);
