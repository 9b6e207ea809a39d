package authenticator

import (
	"bytes"
	"errors"

	"github.com/fxamacker/cbor/v2"
)

// encoding is CTAP2's canonical CBOR (CTAP 2.1 §8): shortest forms, map keys
// sorted by length first, no tags, no indefinite lengths.
var encoding = func() cbor.EncMode {
	mode, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		panic(err) // constant options
	}
	return mode
}()

// decoding refuses what canonical CBOR cannot hold; canonical checks the rest.
var decoding = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   4, // CTAP 2.1 §8: "nested at most four levels"
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}.DecMode()
	if err != nil {
		panic(err) // constant options
	}
	return mode
}()

// canonical tells whether data is one item in CTAP2's canonical form.
func canonical(data []byte) bool {
	var value any
	if decoding.Unmarshal(data, &value) != nil {
		return false
	}
	again, err := encoding.Marshal(value)
	return err == nil && bytes.Equal(data, again)
}

// params is the map of a command's parameters, each still encoded.
type params map[uint64]cbor.RawMessage

// parseParams reads the CBOR map behind a command byte.
func parseParams(data []byte) (params, error) {
	if len(data) == 0 {
		return nil, statusMissingParameter
	}
	if !canonical(data) {
		return nil, statusInvalidCBOR
	}
	var p params
	if err := decode(data, &p); err != nil {
		return nil, err
	}
	return p, nil
}

// decode reads a well-formed item into value, telling a wrong type from bad CBOR.
func decode(data []byte, value any) error {
	err := decoding.Unmarshal(data, value)
	var wrongType *cbor.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrongType):
		return statusUnexpectedType
	default:
		return statusInvalidCBOR
	}
}

// optional reads a parameter that may be absent.
func optional[T any](p params, key uint64) (value T, present bool, err error) {
	raw, present := p[key]
	if !present {
		return value, false, nil
	}
	if isNull(raw) {
		return value, true, statusUnexpectedType
	}
	return value, true, decode(raw, &value)
}

// required reads a parameter that must be there.
func required[T any](p params, key uint64) (T, error) {
	value, present, err := optional[T](p, key)
	if !present {
		return value, statusMissingParameter
	}
	return value, err
}

// isNull tells null and undefined, which fit no parameter but would decode
// into Go's zero values.
func isNull(raw cbor.RawMessage) bool {
	return len(raw) == 1 && (raw[0] == 0xF6 || raw[0] == 0xF7)
}
