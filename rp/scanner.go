package rp

import (
	"bytes"
	"fmt"
)

// scanner walks one JSON text (RFC 8259).
type scanner struct {
	data  []byte
	pos   int
	depth int
}

func (s *scanner) fail(what string) error {
	return fmt.Errorf("%w: %s at byte %d", errJSON, what, s.pos)
}

// peek is the next byte, 0 at the end: no JSON token begins with 0.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

func (s *scanner) enter() error {
	if s.depth++; s.depth > maxJSONDepth {
		return s.fail("nested too deep")
	}
	return nil
}

func (s *scanner) object(visit func(name, value []byte) error) error {
	if !s.take('{') {
		return s.fail("an object is missing")
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer func() { s.depth-- }()
	var room [12][]byte
	names := room[:0]
	s.space()
	if s.take('}') {
		return nil
	}
	for {
		name, value, err := s.member(names)
		if err != nil {
			return err
		}
		if names = append(names, name); len(names) > maxJSONMembers {
			return s.fail("too many members")
		}
		if visit != nil {
			if err := visit(name, value); err != nil {
				return err
			}
		}
		if s.take(',') {
			continue
		}
		if s.take('}') {
			return nil
		}
		return s.fail("comma or brace missing")
	}
}

// member reads `"name": value` and the space after it; before holds the names
// that the object has had.
func (s *scanner) member(before [][]byte) (name, value []byte, err error) {
	s.space()
	start := s.pos
	if err := s.string(); err != nil {
		return nil, nil, err
	}
	name = s.data[start+1 : s.pos-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		decoded, err := readString(s.data[start:s.pos])
		if err != nil {
			return nil, nil, err
		}
		name = []byte(decoded)
	}
	for _, b := range before {
		if bytes.Equal(b, name) {
			return nil, nil, s.fail("a member stands twice")
		}
	}
	if s.space(); !s.take(':') {
		return nil, nil, s.fail("colon missing")
	}
	value, err = s.spacedValue()
	return name, value, err
}

func (s *scanner) array(visit func(value []byte) error) error {
	if !s.take('[') {
		return s.fail("an array is missing")
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer func() { s.depth-- }()
	s.space()
	if s.take(']') {
		return nil
	}
	for {
		value, err := s.spacedValue()
		if err != nil {
			return err
		}
		if visit != nil {
			if err := visit(value); err != nil {
				return err
			}
		}
		if s.take(',') {
			continue
		}
		if s.take(']') {
			return nil
		}
		return s.fail("comma or bracket missing")
	}
}

// spacedValue reads a value and the space on both sides of it.
func (s *scanner) spacedValue() ([]byte, error) {
	s.space()
	start := s.pos
	if err := s.value(); err != nil {
		return nil, err
	}
	value := s.data[start:s.pos]
	s.space()
	return value, nil
}

func (s *scanner) value() error {
	switch c := s.peek(); {
	case c == '{':
		return s.object(nil)
	case c == '[':
		return s.array(nil)
	case c == '"':
		return s.string()
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
			s.pos += len(word)
			return nil
		}
	}
	return s.fail("a value is missing")
}

func (s *scanner) string() error {
	if !s.take('"') {
		return s.fail("a string is missing")
	}
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		s.pos++
		switch {
		case c == '"':
			return nil
		case c < ' ':
			return s.fail("control character in a string")
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		}
	}
	return s.fail("a string has no end")
}

func (s *scanner) escape() error {
	c := s.peek()
	s.pos++
	if c != 'u' {
		if c == 0 || bytes.IndexByte([]byte(`"\/bfnrt`), c) < 0 {
			return s.fail("unknown escape")
		}
		return nil
	}
	for range 4 {
		c := s.peek()
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return s.fail("unknown escape")
		}
		s.pos++
	}
	return nil
}

func (s *scanner) number() error {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return s.fail("a digit is missing")
	}
	if s.take('.') && !s.digits() {
		return s.fail("a digit is missing")
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		if !s.digits() {
			return s.fail("a digit is missing")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.peek() >= '0' && s.peek() <= '9' {
		s.pos++
	}
	return s.pos > start
}
