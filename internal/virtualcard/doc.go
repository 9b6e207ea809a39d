// Package virtualcard is a CPS4 in software, for a reader that is software
// too: it connects to vpcd, the reader driver of Debian's package
// vsmartcard-vpcd, so that everything between it and a program is the real
// PC/SC service.
//
//	card, err := virtualcard.New(virtualcard.Options{})
//	err = card.Insert(ctx, "127.0.0.1:35963") // until ctx ends
//
// Three layers, each usable by itself: the transport (vpcd.go), the ISO 7816-4
// shell with its applets (command.go, shell.go; Transmit takes an APDU and
// gives the answer), and the FIDO2 authenticator (package authenticator, whose
// Handle takes a CTAP message).
//
// Specifications: ISO/IEC 7816-3:2006 for the ATR, ISO/IEC 7816-4:2020 for
// APDUs, chaining and status words; CTAP 2.1 §11.3 for the FIDO applet over
// them; vpcd's own protocol (a length in two bytes, then an APDU or a control
// byte). What is known of the cards themselves is cited as "facts §4".
//
// Guarantees: it powers up with a CPS4's ATR and as a CPS3; it answers whatever
// it is sent and never panics; its FIDO2 applet is delivered blank and reached
// by contact only. Options make it any of the difficult cards that were seen in
// the field.
//
// Non-guarantees: of the CPS3, the CPS2ter emulation and the CPS4's crypto
// applet there is the answer to SELECT and nothing more. What the real FIDO2
// applet says of itself is not publicly known. Nothing here protects a secret.
//
// It shares no APDU or CTAP code with the programs it serves to test.
package virtualcard
