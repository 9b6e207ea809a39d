// Package ctap2 is a client of CTAP 2.1 (FIDO Alliance, Client to Authenticator
// Protocol, proposed standard of 15 June 2021) for authenticators behind ISO
// 7816 APDUs (§11.3), contact cards above all.
//
// A Client works in exchanges: stretches of APDUs during which no other program
// reaches the card. Each one begins with SELECT, since another program may have
// selected another application in between, and a PIN token is obtained and used
// within one, since a card may forget it at SELECT. Together joins several
// operations in one exchange.
//
// Guarantees: the retry counter is read before any PIN is sent, and the last
// try is kept unless Options.SpendLastTry is set; a PIN leaves this package
// only encrypted by the PIN protocol; answers are decoded strictly (definite
// lengths, no tags, no duplicate key, nothing after the end) and an answer out
// of CTAP2 canonical form is ErrNotCanonical; a failure is a Status or one of
// this package's errors, never a text to compare.
//
// Non-guarantees: unknown members of an answer are ignored, as §8 asks of
// platforms; attestation is not judged against any root (the server does);
// a Client serves one goroutine at a time.
package ctap2
