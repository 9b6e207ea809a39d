package sessions

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Errors of Once.
var (
	ErrNoSuch   = errors.New("nothing to take: unknown, of another kind, or too old")
	ErrTaken    = errors.New("taken already")
	ErrOnceFull = errors.New("too much waits to be taken")
)

// OnceOptions of a Once or a SharedOnce; the zero value is useful.
type OnceOptions struct {
	MaxPerKind int            // things of one kind that wait; 0: 50,000
	MaxOf      map[string]int // of kinds that are bounded otherwise
	MaxBytes   int            // of one value's JSON; 0: 16 KiB
	Now        func() time.Time
}

// Once keeps what may be taken once: ceremonies, one-time codes. It is memory
// only: a restart loses it, and its holders start again. A flood of one kind
// fills that kind only; kinds are the caller's constants. It is safe for concurrent use.
type Once struct {
	o OnceOptions

	mu    sync.Mutex // guards kinds and what they hold
	kinds map[string]*waiting
}

// waiting is what is kept of one kind, by the SHA-256 of its keys.
type waiting struct {
	things map[key]thing
	swept  time.Time
}

// thing is one value; value is nil once taken, and until is kept so that a
// second taker learns that it comes second.
type thing struct {
	value []byte
	until time.Time
}

func (o OnceOptions) withDefaults() OnceOptions {
	if o.MaxPerKind == 0 {
		o.MaxPerKind = 50_000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 16 << 10
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// most is how many things of a kind may wait.
func (o OnceOptions) most(kind string) int {
	if n, bounded := o.MaxOf[kind]; bounded {
		return n
	}
	return o.MaxPerKind
}

// write gives a value's JSON, within bounds. It stands in no page: nothing in it
// is escaped for HTML.
func (o OnceOptions) write(kind string, value any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, fmt.Errorf("putting %s: %w", kind, err)
	}
	b := bytes.TrimSuffix(out.Bytes(), []byte{'\n'})
	if len(b) > o.MaxBytes {
		return nil, fmt.Errorf("putting %s: %d bytes", kind, len(b))
	}
	return b, nil
}

// NewOnce returns an empty Once.
func NewOnce(o OnceOptions) *Once {
	return &Once{o: o.withDefaults(), kinds: map[string]*waiting{}}
}

// Put keeps value, as JSON, for ttl and gives the key that takes it: 256
// random bits, base64url.
func (o *Once) Put(_ context.Context, kind string, value any, ttl time.Duration) (string, error) {
	b, err := o.o.write(kind, value)
	if err != nil {
		return "", err
	}
	token, k := newToken()
	now := o.o.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	w := o.kinds[kind]
	if w == nil {
		w = &waiting{things: map[key]thing{}, swept: now}
		o.kinds[kind] = w
	}
	full := func() bool { return len(w.things) >= o.o.most(kind) }
	w.sweep(now, full())
	if full() {
		return "", fmt.Errorf("putting %s: %w", kind, ErrOnceFull)
	}
	w.things[k] = thing{b, now.Add(ttl)}
	return token, nil
}

// Take reads into what was put under that key as that kind, to one taker only.
// ErrTaken: somebody came first. ErrNoSuch: never put, of another kind (which
// stays where it is), or its time is over. What cannot be read into is gone.
func (o *Once) Take(_ context.Context, kind, token string, into any) error {
	k, ok := keyOf(token)
	if !ok {
		return ErrNoSuch
	}
	b, err := o.take(kind, k)
	if err != nil {
		return err
	}
	return readOnce(kind, b, into)
}

func readOnce(kind string, b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("taking %s: %w", kind, err)
	}
	return nil
}

func (o *Once) take(kind string, k [sha256.Size]byte) ([]byte, error) {
	now := o.o.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	w := o.kinds[kind]
	if w == nil {
		return nil, ErrNoSuch
	}
	t, found := w.things[k]
	switch {
	case !found:
		return nil, ErrNoSuch
	case !now.Before(t.until):
		delete(w.things, k)
		return nil, ErrNoSuch
	case t.value == nil:
		return nil, ErrTaken
	}
	w.things[k] = thing{nil, t.until}
	return t.value, nil
}

// sweep drops what is too old: once a minute, or at once when there is no room
// (then at most once a second, so that a full kind is not walked by every Put).
func (w *waiting) sweep(now time.Time, full bool) {
	since := now.Sub(w.swept)
	if since < time.Second || (!full && since < time.Minute) {
		return
	}
	w.swept = now
	for k, t := range w.things {
		if !now.Before(t.until) {
			delete(w.things, k)
		}
	}
}
