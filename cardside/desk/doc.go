// Package desk is the workstation's side of the enrolment desk
// (docs/enrolment-protocol.md): it turns a ticket's code and a card in a reader
// into a passkey that signs in.
//
// Enrol does the whole sitting: it reads the card, gives the code to the server,
// proves the card by mutual TLS through PKCS#11, has the PIN chosen, the passkey
// made and used once. It calls out and never listens.
//
// Guarantees: PINs never leave the workstation and are cleared after use; the
// sitting's secret is kept in memory alone; client data name the origin that the
// server was reached at, and no other; a card taken out of the reader ends the
// sitting, and so does an interruption: the server is told, and the error says
// what is left on the card; every message may get lost, or the server be
// restarted in between.
//
// Non-guarantees: whether a certificate, an attestation or an assertion is good
// is the server's to judge; the bond between certificate and passkey is this
// workstation's word that the card never left the reader.
package desk
