package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Checkpoint is a signed word on one place of the chain: up to there it was
// whole when events before it were pruned by the retention policy. What is
// left begins after the last checkpoint.
type Checkpoint struct {
	Tail             // the last event that was pruned
	At     time.Time // when
	Pruned uint64    // how many events, since the checkpoint before
	From   Tail      // the checkpoint before; zero: the beginning
	Key    ed25519.PublicKey
	Sign   []byte // Ed25519 over message
}

// ErrCheckpoint marks bytes that are no checkpoint as this package encodes one.
var ErrCheckpoint = errors.New("not an encoded checkpoint")

// message is what is signed: a context that no other signature of ours has,
// and the fields in text.
func (c Checkpoint) message() []byte {
	return fmt.Appendf(nil, "cpsgate audit checkpoint v1\n%s\n%s\n%d\n%s\n",
		c.Tail, c.From, c.Pruned, c.At.UTC().Format(time.RFC3339Nano))
}

// sign completes the checkpoint.
func (c Checkpoint) sign(key ed25519.PrivateKey) Checkpoint {
	c.At = c.At.UTC().Truncate(time.Microsecond)
	c.Key = key.Public().(ed25519.PublicKey) //nolint:forcetypeassert // documented of ed25519
	c.Sign = ed25519.Sign(key, c.message())
	return c
}

// Signed reports whether the signature is good, by the key that the
// checkpoint itself names.
func (c Checkpoint) Signed() bool {
	return len(c.Key) == ed25519.PublicKeySize && ed25519.Verify(c.Key, c.message(), c.Sign)
}

// Fingerprint is how people compare keys: SHA-256 of the 32 bytes, in hex.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}

type encodedCheckpoint struct {
	Version int    `json:"v"`
	Tail    string `json:"tail"`
	From    string `json:"from"`
	Pruned  uint64 `json:"pruned"`
	At      string `json:"at"`
	Key     string `json:"key"`
	Sign    string `json:"signature"`
}

// Encode gives the checkpoint as JSON.
func (c Checkpoint) Encode() ([]byte, error) {
	return json.Marshal(encodedCheckpoint{
		encodingVersion, c.Tail.String(), c.From.String(), c.Pruned, c.At.UTC().Format(time.RFC3339Nano),
		hex.EncodeToString(c.Key), hex.EncodeToString(c.Sign),
	})
}

// DecodeCheckpoint reads what Encode wrote, and nothing else. It does not
// verify the signature.
func DecodeCheckpoint(b []byte) (c Checkpoint, err error) {
	if len(b) > maxEncoded {
		return c, fmt.Errorf("%w: %d bytes", ErrCheckpoint, len(b))
	}
	var said encodedCheckpoint
	r := json.NewDecoder(bytes.NewReader(b))
	r.DisallowUnknownFields()
	if err := r.Decode(&said); err != nil {
		return c, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	c.Pruned = said.Pruned
	var errs [5]error
	c.Tail, errs[0] = ParseTail(said.Tail)
	c.From, errs[1] = ParseTail(said.From)
	c.At, errs[2] = time.Parse(time.RFC3339Nano, said.At)
	c.Key, errs[3] = hex.DecodeString(said.Key)
	c.Sign, errs[4] = hex.DecodeString(said.Sign)
	if err := errors.Join(errs[:]...); err != nil {
		return c, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	if again, err := c.Encode(); err != nil || !bytes.Equal(again, b) {
		return c, fmt.Errorf("%w: another spelling of it", ErrCheckpoint)
	}
	return c, nil
}
