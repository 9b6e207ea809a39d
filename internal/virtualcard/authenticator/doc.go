// Package authenticator is a FIDO2 authenticator in software, the one inside
// the virtual CPS4: a message of CTAP goes in, its answer comes out.
//
// Specification: Client to Authenticator Protocol (CTAP) 2.1, Proposed
// Standard of 15 June 2021, cited as "CTAP 2.1 §"; WebAuthn level 3 for the
// attestation statement. It has no transport of its own: package virtualcard
// puts it behind ISO 7816.
//
//	engine, err := authenticator.New(authenticator.Options{})
//	answer := engine.Handle([]byte{0x04}) // authenticatorGetInfo
//
// Guarantees: Handle never panics whatever it is given, answers each message
// with a status byte, and keeps the specification's rules on PINs, retries,
// power cycles, permissions and canonical CBOR, so that a client's faults show.
// It shares no code with the client it serves to test.
//
// Non-guarantees: it protects nothing. Keys lie in memory and, if asked, in a
// file; no comparison of it hides its duration. User presence is the power: a
// card in a contact reader counts as touched. What the real CPS4 says of itself
// (AAGUID, PIN rules, number of keys) is not publicly known: the values here
// are stand-ins, each an option.
package authenticator
