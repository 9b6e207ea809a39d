package softkey

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// Map is a CBOR map; keys are int or string.
type Map map[any]any

// Raw is CBOR already encoded.
type Raw []byte

// The major types of RFC 8949 §3.1.
const (
	majorUnsigned = iota << 5
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
)

// Encode writes v in CTAP2 canonical CBOR (CTAP 2.2 §8): shortest lengths, map
// keys sorted by major type, then length, then bytes. It panics on a type it
// does not know, a mistake in the test that asks for it.
func Encode(v any) []byte {
	switch v := v.(type) {
	case Raw:
		return v
	case int:
		if v < 0 {
			return head(majorNegative, uint64(-1-v))
		}
		return head(majorUnsigned, uint64(v))
	case []byte:
		return append(head(majorBytes, uint64(len(v))), v...)
	case string:
		return append(head(majorText, uint64(len(v))), v...)
	case bool:
		if v {
			return []byte{0xF5}
		}
		return []byte{0xF4}
	case []any:
		out := head(majorArray, uint64(len(v)))
		for _, e := range v {
			out = append(out, Encode(e)...)
		}
		return out
	case Map:
		return encodeMap(v)
	}
	panic(fmt.Sprintf("softkey: no CBOR for %T", v))
}

func encodeMap(m Map) []byte {
	type pair struct{ key, value []byte }
	pairs := make([]pair, 0, len(m))
	for k, v := range m {
		pairs = append(pairs, pair{Encode(k), Encode(v)})
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.key[0]>>5, b.key[0]>>5), cmp.Compare(len(a.key), len(b.key)), bytes.Compare(a.key, b.key))
	})
	out := head(majorMap, uint64(len(m)))
	for _, p := range pairs {
		out = append(append(out, p.key...), p.value...)
	}
	return out
}

// head is an item's first bytes: major type and argument, as short as can be.
func head(major byte, n uint64) []byte {
	switch {
	case n < 24:
		return []byte{major | byte(n)}
	case n < 1<<8:
		return []byte{major | 24, byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{major | 25}, uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32([]byte{major | 26}, uint32(n))
	}
	return binary.BigEndian.AppendUint64([]byte{major | 27}, n)
}
