package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
)

// encodingVersion is written first into every encoded event.
const encodingVersion = 1

// maxEncoded bounds an encoded event: all fields at their limits, every byte
// escaped, stay under it.
const maxEncoded = 16 << 10

// ErrEncoding marks bytes that are no event as this package encodes them.
var ErrEncoding = errors.New("not an encoded audit event")

type encoded struct {
	Version int `json:"v"`
	*Event
}

// Encode gives the canonical encoding that the hash covers; see the package
// comment. Previous and Hash are not part of it.
func (e Event) Encode() ([]byte, error) {
	var b bytes.Buffer
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(false)
	if err := w.Encode(encoded{encodingVersion, &e}); err != nil {
		return nil, fmt.Errorf("encoding audit event: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Decode reads what Encode wrote, and nothing else: what does not encode to
// the very same bytes is refused. Previous and Hash stay zero.
func Decode(b []byte) (Event, error) {
	if len(b) > maxEncoded {
		return Event{}, fmt.Errorf("%w: %d bytes", ErrEncoding, len(b))
	}
	var e Event
	into := encoded{Event: &e}
	r := json.NewDecoder(bytes.NewReader(b))
	r.DisallowUnknownFields()
	if err := r.Decode(&into); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	if into.Version != encodingVersion {
		return Event{}, fmt.Errorf("%w: version %d", ErrEncoding, into.Version)
	}
	again, err := e.Encode()
	if err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	if !bytes.Equal(again, b) {
		return Event{}, fmt.Errorf("%w: another spelling of it", ErrEncoding)
	}
	return e, nil
}

// Sealed reports whether the event's hash is that of its content and of the
// hash before it: false for one that was edited since.
func (e Event) Sealed() bool {
	b, err := e.Encode()
	return err == nil && digest(e.Previous, b) == e.Hash
}

// digest is the hash of an event that follows the one whose hash is previous.
func digest(previous [32]byte, encoded []byte) [32]byte {
	h := sha256.New()
	h.Write(previous[:])
	h.Write(encoded)
	return [32]byte(h.Sum(nil))
}
