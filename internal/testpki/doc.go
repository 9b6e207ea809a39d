// Package testpki is a small IGC-Santé for tests and for the demo: the three
// ranges with their roots and intermediates, the certificates of every kind of
// card with the shapes of the real ones, CRLs, delta CRLs, an OCSP responder,
// and beside it a TLS server root and an attestation root.
//
// Shapes follow RFC 5280 and the real certificates of the IGC-Santé, extension
// by extension and in their order; a test of this package compares them.
//
//	pki, err := testpki.New(testpki.Options{Test: true})
//	card, err := pki.Card(testpki.CardSpec{Type: identity.CardCPS, Profession: 60})
//	pki.Issuer(testpki.Fort, testpki.Persons).Revoke(card.Authentication.Certificate.SerialNumber, at, 1)
//	server := httptest.NewServer(pki.Handler())
//
// Guarantees: New generates no key and signs nothing; the private keys are
// embedded, authorities are signed on first use. For a given clock and order of
// calls, what an RSA key signs comes out the same each time.
//
// Non-guarantees: it protects nothing, its keys are public (see keys/README.md).
// Names of authorities are true; whether an authority is the real one is decided
// by its key alone. The contactless technical certificate's profile is not
// publicly known: what Technical makes is a stand-in.
//
// It shares no parsing code with package mtls, which it serves to test.
package testpki
