// Package enroll holds the card record: one account over both ways in.
//
// A professional is known by PS_IdNat, a card by its token id, a certificate
// by issuer and serial, a passkey by its credential id. Accounts hang on the
// first, never on a certificate: a renewed certificate joins the card whose
// token id it bears.
//
// A passkey stands on a card: the one it lives in or, for a key that is no
// card, the one whose certificate vouched for it. A card that is suspended or
// revoked takes them along in the same transaction, and its sessions by
// OnCardState right after.
//
// Guaranteed: whatever Registry changes, it records in the audit in the same
// transaction: an act that cannot be recorded does not happen. A card never
// changes hands, a user handle is made once, revoked is final.
//
// Not guaranteed: Registry does not record refusals, which its caller knows
// more about, nor sign-ins. It believes the Cardholder and the Passkey given to
// it: mtls and rp have verified them. OnCardState runs after the transaction;
// a process that dies in between leaves sessions to sessions.Manager.Restore,
// which asks Standing of each.
package enroll
