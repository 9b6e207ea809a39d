package audit

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Tail names one place of the chain: an event's sequence and hash. The zero
// Tail is the beginning. A ledger keeps the tail of the last event apart from
// the events; noted outside, a tail is a checkpoint.
type Tail struct {
	Sequence uint64
	Hash     [32]byte
}

// String is "<sequence>:<hash in hex>", as ParseTail reads it.
func (t Tail) String() string {
	return strconv.FormatUint(t.Sequence, 10) + ":" + hex.EncodeToString(t.Hash[:])
}

// ErrNotATail is ParseTail's error.
var ErrNotATail = errors.New("not a checkpoint: <sequence>:<64 hex digits>")

// ParseTail reads what String writes.
func ParseTail(s string) (Tail, error) {
	number, digits, _ := strings.Cut(strings.TrimSpace(s), ":")
	sequence, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return Tail{}, fmt.Errorf("%w: %w", ErrNotATail, err)
	}
	hash, err := hex.DecodeString(digits)
	if err != nil || len(hash) != len(Tail{}.Hash) {
		return Tail{}, ErrNotATail
	}
	return Tail{sequence, [32]byte(hash)}, nil
}
