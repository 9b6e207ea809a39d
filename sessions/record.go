package sessions

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"cpsgate/identity"
)

// Kept is one session as a Keeper holds it. It is an alias of an unnamed type
// so that a store can implement Keeper without importing this package.
type Kept = struct {
	Key    [32]byte  // SHA-256 of the token
	Record []byte    // opaque to the keeper
	Until  time.Time // may be thrown away afterwards
}

// Keeper holds records across restarts. Keep puts or replaces all of its
// records or none; Forget of an unknown key is no error.
type Keeper interface {
	Keep(ctx context.Context, records ...Kept) error
	Forget(ctx context.Context, keys ...[32]byte) error
	Kept(ctx context.Context) iter.Seq2[Kept, error]
}

// recordVersion begins every record. Version 1 was JSON, of twice the size.
const recordVersion = 2

// maxRecord bounds a record read back.
const maxRecord = 4 << 10

// errRecord marks bytes that are no record of the key they were kept under.
var errRecord = errors.New("not a session record")

// What one byte of a record stands for: the place in these lists.
var (
	recordMethods = []identity.Method{"", identity.MethodCPS, identity.MethodFIDO2}
	recordStates  = []State{"", StateActive, StateLocked}
	recordProofs  = []identity.ProofKind{"", identity.ProofSameCard, identity.ProofCertificate, identity.ProofDesk}
)

// recordInCard is added to the method of a passkey that lives in a card.
const recordInCard = 0x80

// encodeRecord writes the kept form of a session, one form for one session:
// version, key, method, state, proof; six texts, each after its length; the
// times in milliseconds, all but the first counted from it.
func encodeRecord(k key, s *Session) ([]byte, error) {
	method, state, proof := slices.Index(recordMethods, s.Method), slices.Index(recordStates, s.State), slices.Index(recordProofs, s.Proof)
	if method < 1 || state < 1 || proof < 0 {
		return nil, fmt.Errorf("encoding a session record: method %q, state %q, proof %q", s.Method, s.State, s.Proof)
	}
	b := make([]byte, 0, 192)
	b = append(b, recordVersion)
	b = append(b, k[:]...)
	if s.InCard {
		method |= recordInCard
	}
	b = append(b, byte(method), byte(state), byte(proof))
	for _, text := range []string{s.ID, string(s.Holder), s.CardTokenID, string(s.PasskeyID), s.Address, s.Workstation} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	created := s.CreatedAt.UnixMilli()
	b = binary.AppendVarint(b, created)
	for _, t := range []time.Time{s.AuthenticatedAt, s.LastSeenAt, s.IdleUntil, s.ExpiresAt} {
		b = binary.AppendVarint(b, t.UnixMilli()-created)
	}
	if len(b) > maxRecord {
		return nil, fmt.Errorf("encoding a session record: %d bytes", len(b))
	}
	return b, nil
}

// decodeRecord reads a record and makes sure that it is the one of the key: a
// store that hands out another's record signs nobody in.
func decodeRecord(k key, b []byte) (Session, error) {
	r := reader{rest: b}
	if len(b) > maxRecord {
		return Session{}, fmt.Errorf("%w: %d bytes", errRecord, len(b))
	}
	if version := r.byte(); version != recordVersion {
		return Session{}, fmt.Errorf("%w: version %d", errRecord, version)
	}
	if !bytes.Equal(r.bytes(uint64(len(k))), k[:]) {
		return Session{}, fmt.Errorf("%w: kept under another key", errRecord)
	}
	method := r.byte()
	s := Session{
		Method: oneOf(&r, recordMethods, method&^recordInCard), InCard: method&recordInCard != 0,
		State: oneOf(&r, recordStates, r.byte()), Proof: oneOf(&r, recordProofs, r.byte()),
		ID: r.text(), Holder: identity.PSIdNat(r.text()), CardTokenID: r.text(),
	}
	if passkey := r.text(); passkey != "" {
		s.PasskeyID = []byte(passkey)
	}
	s.Address, s.Workstation = r.text(), r.text()
	created := r.varint()
	at := func(since int64) time.Time { return time.UnixMilli(created + since).UTC() }
	s.CreatedAt, s.AuthenticatedAt, s.LastSeenAt, s.IdleUntil, s.ExpiresAt = at(0), at(r.varint()), at(r.varint()), at(r.varint()), at(r.varint())
	if r.broken || s.ID == "" || s.Holder == "" || s.Method == "" || s.State == "" {
		return Session{}, fmt.Errorf("%w: incomplete", errRecord)
	}
	if again, err := encodeRecord(k, &s); err != nil || !bytes.Equal(again, b) {
		return Session{}, fmt.Errorf("%w: not as it would be written", errRecord)
	}
	return s, nil
}

// reader reads a record's parts; once broken it gives nothing more.
type reader struct {
	rest   []byte
	broken bool
}

func (r *reader) bytes(n uint64) []byte {
	if r.broken || n > uint64(len(r.rest)) {
		r.broken = true
		return nil
	}
	part := r.rest[:n]
	r.rest = r.rest[n:]
	return part
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) text() string {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.broken = true
		return ""
	}
	r.bytes(uint64(size))
	return string(r.bytes(n))
}

func (r *reader) varint() int64 {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.broken = true
		return 0
	}
	r.bytes(uint64(size))
	return n
}

func oneOf[T ~string](r *reader, list []T, at byte) T {
	if int(at) < len(list) {
		return list[at]
	}
	r.broken = true
	return ""
}
