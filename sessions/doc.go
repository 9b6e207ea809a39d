// Package sessions keeps who is signed in, and what may be taken once.
//
// A session is named towards the browser by an opaque token of 256 random
// bits. The token is nowhere kept: sessions lie under its SHA-256, which also
// stands inside each record and is compared when it is read back. A Session's
// ID is another random value, a handle for pages, the audit and applications,
// which opens nothing.
//
// One set of rules, the Manager's, stands over two places to keep sessions in:
// the memory of this process, with a Keeper so that a restart signs nobody
// out, or a Redis that all nodes share. They end by idleness, at an absolute
// age, or by one of the End methods, at once; a locked session (active →
// locked → ended) is known but lets nobody do anything until Unlock.
//
// Guaranteed: an ended, rotated or expired token is never accepted again,
// however calls interleave, with Redis on every node with its next request;
// two rotations of one token cannot both succeed; a session that its card or
// passkey no longer carries does not survive Open, Rotate or Restore
// (Options.Standing); what ends is told to OnEnded. A Once gives each value to
// exactly one taker. While Redis cannot be asked, every call is ErrAway: nobody
// is let in, except within RedisOptions.TrustMemory, which is 0 unless somebody
// sets it.
//
// Not guaranteed: touches of the last seconds (in memory: of the last minute)
// may be lost by a crash, so that an idle end comes up to two minutes early,
// never late. A crash between an end and OnEnded leaves it untold, and so do an
// answer of Redis that is lost and a session that runs out while no node runs
// for an hour: HandlesOf tells what is there still (package sso asks). In
// memory, when the Keeper cannot forget a record the End method says so and Run
// tries again; a crash before it succeeds brings the session back for what is
// left of its time. So it is with Lock: a crash before the lock could be kept
// brings the session back open. A Redis that loses its memory signs everybody
// out, and one that fails over to a replica may bring back what was ended in
// the moment before: Standing is not asked again until then.
package sessions
