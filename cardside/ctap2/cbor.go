package ctap2

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// decoder reads what a card sends. CTAP2 canonical form (§8) forbids
// indefinite lengths and tags, and nests at most four levels; attestation
// statements and extensions may add a few.
var decoder = must(decOptions(cbor.UTF8RejectInvalid).DecMode())

// lenient lets cut characters through, for names (User) and for the check of
// the form alone.
var lenient = must(decOptions(cbor.UTF8DecodeInvalid).DecMode())

func decOptions(utf8 cbor.UTF8Mode) cbor.DecOptions {
	return cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   8,
		MaxArrayElements:  1024,
		MaxMapPairs:       1024,
		UTF8:              utf8,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}
}

// encoder writes CTAP2 canonical form.
var encoder = must(cbor.CTAP2EncOptions().EncMode())

func must[T any](mode T, err error) T {
	if err != nil {
		panic(err) //nolint:forbidigo // options are constants of this file
	}
	return mode
}

// encode never fails on this package's own types.
func encode(v any) []byte { return must(encoder.Marshal(v)) }

// decode reads a whole answer into v, then checks its form. On ErrNotCanonical
// v is filled.
func decode(data []byte, v any) error {
	if err := decoder.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !canonical(data) {
		return ErrNotCanonical
	}
	return nil
}

// canonical reports whether well-formed data is what CTAP2's canonical encoder
// would have written (§8: shortest integers and lengths, keys sorted).
func canonical(data []byte) bool {
	var v any
	if err := lenient.Unmarshal(data, &v); err != nil {
		return false
	}
	again, err := encoder.Marshal(v)
	return err == nil && bytes.Equal(data, again)
}
