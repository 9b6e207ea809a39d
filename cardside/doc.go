// Package cardside is what a workstation does with cards: it finds readers and
// cards, speaks with the FIDO2 application of a CPS4 by one of two engines,
// diagnoses, and says in words what stands in the way.
//
// An Engine speaks CTAP: package ctap2 over our own PC/SC layer, or libfido2 as
// a second opinion and for security keys on USB. Open waits for the card meant
// and returns it with its engine. Enrol, Reset and Diagnose are the acts that
// take more than one call of an engine. Explain turns any error of this program
// into what a person reads, in French or English.
//
// Guarantees: a PIN given to this package is used and not kept; the reader is
// found again by its name before anything is written; every error has a Reason,
// and every Reason a text in both languages and an exit code.
//
// Non-guarantees: it judges no attestation against a root and no certificate
// against an authority: that is the server's.
package cardside
