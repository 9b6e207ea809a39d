// Package identity names the people, cards and credentials that cpsgate knows.
//
// It holds the trade's nouns (Professional, Card, Certificate, Passkey, Proof)
// and the rules of their identifiers: PS_IdNat, RPPS, structure identifiers,
// professions. It imports the standard library only, performs no I/O and reads
// no clock, so that every other package may depend on it.
//
// Identifiers of an unknown form are kept as they were read and flagged by
// their Check method; whether they may be used is a policy of the caller.
package identity
