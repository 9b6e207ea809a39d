// Package apdu speaks ISO/IEC 7816-4 to a card through a function that carries
// one APDU there and one back.
//
// A Command is encoded in the form its case, length and protocol ask for:
// cases 1 to 4, short or extended (ISO/IEC 7816-4 §5.1), or as the TPDU of
// T=0 (ISO/IEC 7816-3 §12.2). A Channel sends it whole: long data in a command
// chain (§5.1.1.1), long answers gathered by GET RESPONSE (§5.1.3, 61xx), a
// wrong Le corrected once (6Cxx). What the card says is a Status, and a refusal
// is a *StatusError naming the command it answered.
//
// Guarantees: no answer of a card, however wrong, makes Send loop for ever,
// read outside the answer or gather more than Limit bytes; Le stands only in
// the last segment of a chain; the package keeps no data of a command.
//
// Non-guarantees: logical channels, secure messaging and proprietary classes
// beyond carrying their CLA are not interpreted, and a Channel serves one
// goroutine at a time.
package apdu
