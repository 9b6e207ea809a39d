-- A card that holds a passkey is a CPS4: no other has the applet.

-- +goose Up
UPDATE cards SET generation = 'cps4' WHERE generation = '' AND token_id IN (SELECT card FROM passkeys WHERE card IS NOT NULL);
