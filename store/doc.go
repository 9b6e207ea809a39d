// Package store keeps people, cards, certificates, passkeys, the desk's tickets
// and requests, machine clients, the audit and the records of sessions in one
// SQLite file.
//
// It implements enroll.Records, audit.Ledger and the methods of
// sessions.Keeper (which it need not import). The SQL is written once, in the
// part of the language that SQLite and PostgreSQL share.
//
// Guaranteed: one writer at a time (BEGIN IMMEDIATE on a single connection), so
// units of work are serialisable; what is committed survives a crash and a
// power cut (WAL, synchronous=FULL); the file is for its owner only (0600), and
// one that others can reach is refused, as is one made by a newer cpsgate.
//
// Not guaranteed: nothing in the file is encrypted. It holds no secret that
// signs anyone in (tokens and codes are hashed, passkeys are public keys), but it does
// hold who works here; and whoever can write to it can forge records. The
// audit chain shows some of that afterwards, see package audit. SQLite's WAL
// wants a local file system, not NFS.
package store
