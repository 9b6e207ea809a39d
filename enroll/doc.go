// Package enroll holds the card record and the desk that fills it: one account
// over both ways in.
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
// At the desk an operator opens a Ticket; its code, typed at a workstation,
// begins a Sitting, which proves the card, registers its passkey and has it
// sign in once. Only then is the passkey active. What a sitting has done is in
// the store: a server that starts again goes on where it was, and however a
// sitting ends before its time, what was half enrolled is revoked. Deeds that
// weigh more go by the Policy: alone, by four eyes, or never.
//
// Guaranteed: whatever Registry changes, it records in the audit in the same
// transaction: an act that cannot be recorded does not happen. Who may act is
// read in that transaction. A ticket is one workstation's, a ceremony is taken
// once, a request is approved by another than who asked and whom it is about.
// A card never changes hands, a user handle is made once, revoked is final.
// Codes, sittings' secrets and clients' tokens are kept as hashes.
//
// Not guaranteed: Registry does not record refusals, which its caller knows
// more about, nor sign-ins; nor does it ask who may read. It believes the
// Cardholder and the Passkey given to it: mtls and rp have verified them. That
// reader and card never changed between the card's proof and its passkey is the
// workstation's word. OnCardState runs after the transaction, which stands whether
// or not it is heard: what is not, WatchChanges tells again (Untold). A process that
// dies in between leaves sessions in memory to sessions.Manager.Restore, which
// asks Standing of each; those in Redis, and other processes, hear of a change by
// WatchSince, at the start of what happened before it. Wrong codes are counted in memory, by one process.
package enroll
