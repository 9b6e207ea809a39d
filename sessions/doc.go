// Package sessions keeps who is signed in, and what may be taken once.
//
// A session is named towards the browser by an opaque token of 256 random
// bits. The token is nowhere kept: sessions lie under its SHA-256, which also
// stands inside each record and is compared when it is read back. A Session's
// ID is another random value, a handle for pages and the audit, which opens
// nothing.
//
// Sessions live in memory; a Keeper holds records of them so that a restart
// signs nobody out. They end by idleness, at an absolute age, or by one of the
// End methods, at once; a locked session (active → locked → ended) is known
// but lets nobody do anything until Unlock.
//
// Guaranteed: an ended, rotated or expired token is never accepted again by
// this Manager, however calls interleave; two rotations of one token cannot
// both succeed; a session that its card or passkey no longer carries does not
// survive Open, Rotate or Restore (Options.Standing). Once gives each value to
// exactly one taker.
//
// Not guaranteed: several processes do not share sessions. The last minute's
// touches may be lost by a crash, so that an idle end comes up to two minutes
// early, never late. When the Keeper cannot forget a record the End method
// says so and Run tries again; a crash before it succeeds brings the session
// back for what is left of its time. So it is with Lock: a crash before the
// lock could be kept brings the session back open.
package sessions
