// Package audit records one wide event per decision, chained by hashes.
//
// Each event says who was let in or refused, or who did what to which card or
// passkey, on what evidence. A Log seals an event onto the tail of a Ledger:
//
//	hash(n) = SHA-256( hash(n-1) ‖ encoding(n) )
//
// where hash(0) is 32 zero bytes and encoding(n) is the event as JSON with
// the fields of Event in their written order, empty ones left out, the version
// first ({"v":1,"seq":…}), times in UTC to the microsecond, no HTML escapes and
// no spaces. Texts hold printable characters only, so the only escapes are \"
// and \\. An event whose encoding is not exactly this is reported as edited.
//
// Old events go by a Retention, which leaves a signed Checkpoint in their place:
// the chain that is left begins there.
//
// Guaranteed: Verify finds, and says where, any edited, removed, moved or
// inserted event, and a tail cut off, by comparing the events with each other
// and with the tail the ledger keeps apart. An event that cannot be appended is
// an error of Record, and of the act that it would have recorded.
//
// Not guaranteed: whoever can rewrite the whole ledger, its tail included, can
// make another chain that is whole. Only a checkpoint (a Tail noted outside, on
// paper or another machine) shows that; pass those to Verify. Nor does a chain
// show what was never recorded, or that the clock was right: the order of
// events is their sequence, not their times. See docs/decisions/0003.
package audit
