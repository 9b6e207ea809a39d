// Package pcsc reaches smart cards through the computer's PC/SC service
// (PC/SC Workgroup, Interoperability Specification parts 5 and 10; winscard on
// Windows, pcsc-lite elsewhere), over github.com/ebfe/scard.
//
// Three thin layers: a Context is a session with the service, a Card a shared
// connection to one card, an Exchange a stretch of APDUs during which no other
// program reaches that card. Watch follows insertions and removals.
//
// Guarantees: connections are shared and never exclusive, for other middleware
// lives on the same cards; each exchange is a transaction, ended by leaving
// the card as it stands; each call has a time limit, after which the Context
// is given up; every failure is an *Error of one of this package's kinds.
//
// Non-guarantees: a call that outlives its limit goes on in the service until
// it returns; leaving the card as it stands does not select again what another
// program had selected. Without cgo on Linux and macOS there is no PC/SC: every
// call answers ErrNotBuilt.
package pcsc
