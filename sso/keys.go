package sso

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Algorithm is how a token is signed (RFC 7518 §3.1).
type Algorithm string

// The algorithms offered; "none" and the symmetric ones are not among them.
const (
	ES256 Algorithm = "ES256"
	RS256 Algorithm = "RS256"
)

// algorithms are those that keys are held for, the default first.
func algorithms() []Algorithm { return []Algorithm{ES256, RS256} }

// KeyRecord is one secret of the provider as a KeyShelf holds it. It is an
// alias of an unnamed type so that a store need not import this package.
type KeyRecord = struct {
	ID        string    // kid
	Algorithm string    // an Algorithm, or "pairwise"
	Sealed    []byte    // opaque to the shelf
	From      time.Time // when it begins to sign
}

// KeyShelf keeps the provider's secrets for all nodes.
//
// ChangeSigningKeys gives change what is kept and keeps what it adds, drops what it
// names, all or nothing; changes of several nodes take turns, so that each sees
// what those before it did.
type KeyShelf interface {
	SigningKeys(ctx context.Context) ([]KeyRecord, error)
	ChangeSigningKeys(ctx context.Context, change func(kept []KeyRecord) (add []KeyRecord, drop []string, err error)) error
}

// The default schedule of signing keys.
const (
	DefaultRotation = 90 * 24 * time.Hour
	DefaultNotice   = 24 * time.Hour
	DefaultGrace    = 24 * time.Hour
)

// KeysOptions of Keys; Shelf and Seal are needed.
type KeysOptions struct {
	Shelf KeyShelf
	Seal  SealingKey

	Rotation time.Duration // how long a key signs; 0: DefaultRotation
	Notice   time.Duration // how long a key is published before it signs; 0: DefaultNotice
	Grace    time.Duration // how long one is published after its last signature: the longest life of a token; 0: DefaultGrace

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: slog.Default
}

// Keys are the provider's signing keys, shared by all nodes of a shelf. A key
// is published before it signs and after, so that no application meets a
// signature by a key it cannot have seen. It is safe for concurrent use.
type Keys struct {
	o    KeysOptions
	ring atomic.Pointer[ring]
	load sync.Mutex // one loader at a time
}

// Errors of Keys.
var (
	ErrNoKey    = errors.New("no key to sign with")
	ErrNotOurs  = errors.New("not signed by a key of this provider")
	errSchedule = errors.New("keys must sign for longer than their notice, and all three times be positive")
)

// How old a node's picture of the shelf may be, and how soon at the earliest it
// looks again for a key it does not know.
const (
	ringAge   = time.Minute
	ringPause = time.Second
)

// OpenKeys makes what keys are missing or due, and reads all of them.
func OpenKeys(ctx context.Context, o KeysOptions) (*Keys, error) {
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{{&o.Rotation, DefaultRotation}, {&o.Notice, DefaultNotice}, {&o.Grace, DefaultGrace}} {
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	if o.Notice <= 0 || o.Grace <= 0 || o.Rotation <= o.Notice {
		return nil, errSchedule
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	k := &Keys{o: o}
	if err := k.Rotate(ctx); err != nil {
		return nil, err
	}
	return k, nil
}

// Rotate makes the keys that are due and drops those whose grace is over. Of
// several nodes that do so at once, one makes them.
func (k *Keys) Rotate(ctx context.Context) error {
	kept, err := k.o.Shelf.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	now := k.o.Now()
	due, over := k.due(kept, now)
	if len(due) == 0 && len(over) == 0 {
		return k.reload(ctx)
	}
	made := map[string]KeyRecord{}
	for _, d := range due { // before the shelf is held: RSA keys take their time
		if made[d.Algorithm], err = k.o.Seal.newKey(d); err != nil {
			return fmt.Errorf("making a signing key: %w", err)
		}
	}
	err = k.o.Shelf.ChangeSigningKeys(ctx, func(kept []KeyRecord) (add []KeyRecord, drop []string, err error) {
		due, over := k.due(kept, now)
		for _, d := range due {
			fresh, ok := made[d.Algorithm]
			if !ok {
				return nil, nil, errors.New("keys changed meanwhile")
			}
			fresh.From = d.From
			add = append(add, fresh)
		}
		return add, over, nil
	})
	if err != nil {
		return fmt.Errorf("rotating signing keys: %w", err)
	}
	return k.reload(ctx)
}

// due tells which keys are to be made, by algorithm and time, and which to be
// dropped.
func (k *Keys) due(kept []KeyRecord, now time.Time) (due []KeyRecord, over []string) {
	for _, algorithm := range algorithms() {
		line := lineOf(kept, string(algorithm))
		for i := range line[:max(len(line)-1, 0)] {
			if now.After(line[i+1].From.Add(k.o.Grace)) {
				over = append(over, line[i].ID)
			}
		}
		if len(line) == 0 {
			due = append(due, KeyRecord{Algorithm: string(algorithm), From: now})
			continue
		}
		next := line[len(line)-1].From.Add(k.o.Rotation)
		if now.Before(next.Add(-k.o.Notice)) {
			continue
		}
		if earliest := now.Add(k.o.Notice); next.Before(earliest) {
			next = earliest // after a long standstill: the notice is kept
		}
		due = append(due, KeyRecord{Algorithm: string(algorithm), From: next})
	}
	if len(lineOf(kept, pairwise)) == 0 {
		due = append(due, KeyRecord{Algorithm: pairwise, From: now})
	}
	return due, over
}

// lineOf gives the keys of one algorithm in the order in which they sign.
func lineOf(kept []KeyRecord, algorithm string) []KeyRecord {
	var line []KeyRecord
	for _, r := range kept {
		if r.Algorithm == algorithm {
			line = append(line, r)
		}
	}
	slices.SortFunc(line, func(a, b KeyRecord) int { return a.From.Compare(b.From) })
	return line
}

// Run rotates on schedule until ctx ends.
func (k *Keys) Run(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := k.Rotate(ctx); err != nil {
				k.o.Log.ErrorContext(ctx, "signing keys not rotated", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// now gives the ring, at most a minute old unless the shelf cannot be read:
// then the last one serves on, since its keys are as good as they were.
func (k *Keys) now(ctx context.Context) *ring {
	if r := k.ring.Load(); k.o.Now().Sub(r.read) < ringAge {
		return r
	}
	k.refresh(ctx, ringAge)
	return k.ring.Load()
}

// refresh reads the shelf again unless somebody did within age.
func (k *Keys) refresh(ctx context.Context, age time.Duration) {
	k.load.Lock()
	defer k.load.Unlock()
	if k.o.Now().Sub(k.ring.Load().read) < age {
		return
	}
	if err := k.read(ctx); err != nil {
		k.o.Log.ErrorContext(ctx, "signing keys not read again", "error", err)
	}
}

func (k *Keys) reload(ctx context.Context) error {
	k.load.Lock()
	defer k.load.Unlock()
	return k.read(ctx)
}

// read replaces the ring. The caller holds load.
func (k *Keys) read(ctx context.Context) error {
	now := k.o.Now()
	kept, err := k.o.Shelf.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	r, err := k.o.Seal.newRing(kept, now)
	if err != nil {
		return err
	}
	k.ring.Store(r)
	return nil
}

// Sign makes a JWT in compact form of claims, with the header typ, by the key
// in force.
func (k *Keys) Sign(ctx context.Context, algorithm Algorithm, typ string, claims any) (string, error) {
	key := k.now(ctx).signing(algorithm, k.o.Now())
	if key == nil {
		return "", fmt.Errorf("%w: %s", ErrNoKey, algorithm)
	}
	return key.sign(typ, claims)
}

// Verify gives the payload of a JWT that a key of this provider signed and that
// has the header typ. It judges no claim: an expired token's payload is given
// too.
func (k *Keys) Verify(ctx context.Context, token, typ string) ([]byte, error) {
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotOurs, err)
	}
	header := parsed.Signatures[0].Protected
	if header.ExtraHeaders[jose.HeaderType] != typ {
		return nil, fmt.Errorf("%w: of another type", ErrNotOurs)
	}
	key := k.now(ctx).keys[header.KeyID]
	if key == nil {
		k.refresh(ctx, ringPause)
		key = k.ring.Load().keys[header.KeyID]
	}
	if key == nil || string(key.algorithm) != header.Algorithm { // RFC 8725 §3.1
		return nil, fmt.Errorf("%w: unknown key", ErrNotOurs)
	}
	payload, err := parsed.Verify(key.public.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotOurs, err)
	}
	return payload, nil
}

// JWKS is the public half of all keys, those to come and those of the grace
// time included (RFC 7517 §5).
func (k *Keys) JWKS(ctx context.Context) []byte { return k.now(ctx).jwks }

// Pairwise is the subject identifier of a person towards one sector (OpenID
// Connect Core §8.1): the same for ever, and saying nothing to another sector.
func (k *Keys) Pairwise(ctx context.Context, sector, person string) string {
	return k.now(ctx).pairwise(sector, person)
}
