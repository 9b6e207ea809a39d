// Package softkey is an authenticator in software with its browser around it:
// it answers WebAuthn options with responses signed by real keys.
//
// Specification: Web Authentication Level 3, §5.1.3 and §5.1.4 (what a client
// does), §6.1 (authenticator data), §6.3.2 and §6.3.3 (what an authenticator
// does), §8.2, §8.6, §8.7 (attestation); CTAP 2.2 §12 for the extensions
// credProtect and minPinLength. CBOR and COSE keys are written here by hand.
//
// It exists to test relying parties, so it shares no WebAuthn, CTAP or CBOR
// code with package rp or with the library behind it: two readings of one
// specification. It tells the truth unless a test gives it lies; each Lie bends
// one step and everything after it follows, signatures included.
//
//	device := softkey.New(softkey.Options{AAGUID: aaguid, Attestation: softkey.Self})
//	registration, err := device.Create("https://sso.example", creationOptions)
//	assertion, err := device.Get("https://sso.example", requestOptions, softkey.SignCount(1))
//
// Not for production: keys are kept in memory and nobody is asked for consent.
package softkey
