package sessions

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
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

const recordVersion = 1

// maxRecord bounds a record read back.
const maxRecord = 8 << 10

// errRecord marks bytes that are no record of the key they were kept under.
var errRecord = errors.New("not a session record")

// record is the kept form of a session.
type record struct {
	Version         int                `json:"v"`
	Key             string             `json:"k"`
	ID              string             `json:"id"`
	Holder          identity.PSIdNat   `json:"h"`
	Method          identity.Method    `json:"m"`
	State           State              `json:"s"`
	CardTokenID     string             `json:"c,omitempty"`
	PasskeyID       []byte             `json:"p,omitempty"`
	Proof           identity.ProofKind `json:"pf,omitempty"`
	CreatedAt       int64              `json:"tc"` // Unix microseconds, as all below
	AuthenticatedAt int64              `json:"ta"`
	LastSeenAt      int64              `json:"tl"`
	IdleUntil       int64              `json:"ti"`
	ExpiresAt       int64              `json:"te"`
	Address         string             `json:"a,omitempty"`
	UserAgent       string             `json:"u,omitempty"`
	Workstation     string             `json:"w,omitempty"`
}

func encodeRecord(k key, s *Session) (Kept, error) {
	b, err := json.Marshal(record{
		Version: recordVersion, Key: hex.EncodeToString(k[:]), ID: s.ID,
		Holder: s.Holder, Method: s.Method, State: s.State,
		CardTokenID: s.CardTokenID, PasskeyID: s.PasskeyID, Proof: s.Proof,
		CreatedAt: s.CreatedAt.UnixMicro(), AuthenticatedAt: s.AuthenticatedAt.UnixMicro(),
		LastSeenAt: s.LastSeenAt.UnixMicro(), IdleUntil: s.IdleUntil.UnixMicro(), ExpiresAt: s.ExpiresAt.UnixMicro(),
		Address: s.Address, UserAgent: s.UserAgent, Workstation: s.Workstation,
	})
	if err != nil {
		return Kept{}, fmt.Errorf("encoding session record: %w", err)
	}
	return Kept{Key: k, Record: b, Until: s.IdleUntil}, nil
}

// decodeRecord reads a record and makes sure that it is the one of the key: a
// store that hands out another's record signs nobody in.
func decodeRecord(k key, b []byte) (*Session, error) {
	if len(b) > maxRecord {
		return nil, fmt.Errorf("%w: %d bytes", errRecord, len(b))
	}
	var r record
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf("%w: %w", errRecord, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: trailing bytes", errRecord)
	}
	switch {
	case r.Version != recordVersion:
		return nil, fmt.Errorf("%w: version %d", errRecord, r.Version)
	case r.Key != hex.EncodeToString(k[:]):
		return nil, fmt.Errorf("%w: kept under another key", errRecord)
	case r.ID == "" || r.Holder == "" || r.Method == "":
		return nil, fmt.Errorf("%w: incomplete", errRecord)
	case r.State != StateActive && r.State != StateLocked:
		return nil, fmt.Errorf("%w: state %q", errRecord, r.State)
	}
	return &Session{
		ID: r.ID, Holder: r.Holder, Method: r.Method, State: r.State,
		CardTokenID: r.CardTokenID, PasskeyID: r.PasskeyID, Proof: r.Proof,
		CreatedAt: micro(r.CreatedAt), AuthenticatedAt: micro(r.AuthenticatedAt),
		LastSeenAt: micro(r.LastSeenAt), IdleUntil: micro(r.IdleUntil), ExpiresAt: micro(r.ExpiresAt),
		Address: r.Address, UserAgent: r.UserAgent, Workstation: r.Workstation,
	}, nil
}

func micro(t int64) time.Time { return time.UnixMicro(t).UTC() }
