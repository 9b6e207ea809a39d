package rp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// The JSON of a ceremony comes from a browser, and is read more strictly than
// encoding/json reads: member names match exactly, a name stands once in an
// object, nothing follows the text (RFC 8259 §4 leaves duplicates to the
// reader; two readers that differ are a hole).
const (
	maxJSONDepth   = 16
	maxJSONMembers = 64
)

var errJSON = errors.New("not the JSON expected")

// readObject checks that data is one JSON object and calls visit for each
// member, with its decoded name and the raw text of its value.
func readObject(data []byte, visit func(name, value []byte) error) error {
	if !utf8.Valid(data) {
		return fmt.Errorf("%w: not UTF-8", errJSON)
	}
	s := scanner{data: data}
	s.space()
	if err := s.object(visit); err != nil {
		return err
	}
	s.space()
	if s.pos != len(data) {
		return s.fail("bytes after the object")
	}
	return nil
}

// readArray is readObject for an array's elements.
func readArray(data []byte, visit func(value []byte) error) error {
	s := scanner{data: data}
	s.space()
	if err := s.array(visit); err != nil {
		return err
	}
	s.space()
	if s.pos != len(data) {
		return s.fail("bytes after the array")
	}
	return nil
}

// readString decodes a JSON string.
func readString(value []byte) (string, error) {
	if len(value) < 2 || value[0] != '"' {
		return "", fmt.Errorf("%w: a string is missing", errJSON)
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), nil
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return "", fmt.Errorf("%w: %w", errJSON, err)
	}
	return s, nil
}

// base64url is RFC 4648 §5 without padding, and with no stray bits in the last
// character, as WebAuthn L3 §3 has it.
var base64url = base64.RawURLEncoding.Strict()

// readBytes decodes a JSON string of base64url.
func readBytes(value []byte) ([]byte, error) {
	s, err := readString(value)
	if err != nil {
		return nil, err
	}
	b, err := base64url.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w: base64url: %w", errJSON, err)
	}
	return b, nil
}

func readBool(value []byte) (bool, error) {
	switch string(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%w: a boolean is missing", errJSON)
}

func isNull(value []byte) bool { return string(value) == "null" }
