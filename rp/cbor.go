package rp

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// cborMap is a CBOR map with text keys, its values not yet decoded.
type cborMap map[string]webauthncbor.RawMessage

// readCBORMap decodes exactly one map.
func readCBORMap(data []byte) (m cborMap, err error) {
	if len(data) == 0 || data[0]&majorMask != majorMap {
		return nil, errors.New("not a map")
	}
	err = unmarshalCBOR(data, &m)
	return m, err
}

// only refuses keys beyond those named.
func (m cborMap) only(keys ...string) error {
	for k := range m {
		if !slices.Contains(keys, k) {
			return fmt.Errorf("unexpected member %s", printable(k))
		}
	}
	return nil
}

// The major types of RFC 8949 §3.1, as the top bits of an item's first byte.
const (
	majorUnsigned = 0 << 5
	majorNegative = 1 << 5
	majorBytes    = 2 << 5
	majorText     = 3 << 5
	majorArray    = 4 << 5
	majorMap      = 5 << 5
	majorMask     = 7 << 5
)

// member is the undecoded value of key, which must be there and of one of the
// major types: a decoder alone would take null for empty, and an array of
// numbers for bytes.
func (m cborMap) member(key string, majors ...byte) ([]byte, error) {
	raw, ok := m[key]
	if !ok {
		return nil, fmt.Errorf("%s: %w", key, errMember)
	}
	if len(raw) == 0 || !slices.Contains(majors, raw[0]&majorMask) {
		return nil, fmt.Errorf("%s: of another type", key)
	}
	return raw, nil
}

func (m cborMap) text(key string) (s string, err error) {
	raw, err := m.member(key, majorText)
	if err != nil {
		return "", err
	}
	if err := unmarshalCBOR(raw, &s); err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	return s, nil
}

func (m cborMap) bytes(key string) (b []byte, err error) {
	raw, err := m.member(key, majorBytes)
	if err != nil {
		return nil, err
	}
	if err := unmarshalCBOR(raw, &b); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return b, nil
}

func (m cborMap) integer(key string) (i int64, err error) {
	raw, err := m.member(key, majorUnsigned, majorNegative)
	if err != nil {
		return 0, err
	}
	if err := unmarshalCBOR(raw, &i); err != nil {
		return 0, fmt.Errorf("%s: %w", key, err)
	}
	return i, nil
}

// array is the undecoded elements of an array.
func (m cborMap) array(key string) (elements []webauthncbor.RawMessage, err error) {
	raw, err := m.member(key, majorArray)
	if err != nil {
		return nil, err
	}
	if err := unmarshalCBOR(raw, &elements); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return elements, nil
}
