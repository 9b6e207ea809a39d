// Package libfido2 speaks to authenticators through Yubico's libfido2, over
// github.com/keys-pub/go-libfido2: to USB security keys, and on Linux to cards
// in PC/SC readers too, as a second opinion on package ctap2.
//
// go-libfido2 copies PINs into memory of C that it never frees. So each
// conversation runs in a process of its own: a Client starts this same program
// again with ChildArgument, hands it one Request, reads one reply, and the
// process ends, its core dumps off. The program's main function calls Main
// when it finds ChildArgument.
//
// Distributions build libfido2 without PC/SC, and before 1.16 its own contact
// handling fails on T=0 and on chained answers. So on Linux this package
// defines fido_dev_open, which ELF lets an executable do, gives devices whose
// path begins with "cardside:" an input and output made of our packages pcsc and
// ctap2, and calls the library's own.
//
// Guarantees: a PIN travels to the child by a pipe only; the retry counter is
// read, in a child of its own, before any PIN is sent; one conversation with a
// card is one transaction; a failure is one of ctap2's or pcsc's error values.
//
// Non-guarantees: go-libfido2 reads less of getInfo than ctap2 does; it knows
// neither the minPinLength extension nor enterprise attestation (ErrUnsupported),
// takes one algorithm, answers with the first assertion alone and with the first
// certificate of an attestation's chain. It reads non-canonical answers without
// a word. Without cgo every call answers ErrNotBuilt.
package libfido2
