// Package pkcs11 uses the authentication key of a CPS card through a PKCS#11
// module (OASIS PKCS#11 2.40), the Cryptolib CPS above all, over
// github.com/miekg/pkcs11.
//
// A Module is a library in use; its Tokens are the cards it sees. Authentication
// finds on one of them the certificate that fits the CPS authentication profile
// and returns its Key: a crypto.Signer for mutual TLS, once Unlock has presented
// the PIN or let the reader's keypad ask for it.
//
// Guarantees: a module is loaded by its absolute path; a certificate is chosen
// by its profile, never by a label; the last PIN try is kept unless
// Choice.SpendLastTry is set; the key signs only what Go's crypto.Signer asks
// it to, and the public key of each signature's certificate has been found to be
// the key's own.
//
// Non-guarantees: trust in the certificate is the server's matter; go-between
// libraries keep copies of PINs that nobody can clear. Without cgo every call
// answers ErrNotBuilt.
package pkcs11
