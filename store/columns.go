package store

import (
	"database/sql/driver"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The column types below read and write Go values in types that SQLite and
// PostgreSQL share.

var errColumn = errors.New("column holds what cannot be there")

// micros is a time as microseconds since 1970; the zero time is 0.
type micros struct{ t *time.Time }

// at is the value to write for a time.
func at(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func (m micros) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("%w: %T for a time", errColumn, src)
	}
	*m.t = time.Time{}
	if n != 0 {
		*m.t = time.UnixMicro(n).UTC()
	}
	return nil
}

// base64url is bytes as text.
type base64url struct{ b *[]byte }

var encoding = base64.RawURLEncoding.Strict()

func (b base64url) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("%w: %T for bytes", errColumn, src)
	}
	decoded, err := encoding.DecodeString(s)
	if err != nil {
		return fmt.Errorf("%w: %w", errColumn, err)
	}
	*b.b = decoded
	return nil
}

// hexadecimal fills a fixed number of bytes from lower-case hex.
type hexadecimal []byte

func (h hexadecimal) Scan(src any) error {
	s, ok := src.(string)
	if !ok || hex.DecodedLen(len(s)) != len(h) {
		return fmt.Errorf("%w: not %d bytes in hex", errColumn, len(h))
	}
	if _, err := hex.Decode(h, []byte(s)); err != nil {
		return fmt.Errorf("%w: %w", errColumn, err)
	}
	return nil
}

// optional is a text where "" is NULL.
type optional struct{ s *string }

func orNull(s string) driver.Value {
	if s == "" {
		return nil
	}
	return s
}

func (o optional) Scan(src any) error {
	switch s := src.(type) {
	case nil:
		*o.s = ""
	case string:
		*o.s = s
	default:
		return fmt.Errorf("%w: %T for a text", errColumn, src)
	}
	return nil
}

// list is texts as a JSON array.
type list[T ~string] struct{ l *[]T }

func (l list[T]) Value() (driver.Value, error) {
	if len(*l.l) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(*l.l)
	return string(b), err
}

func (l list[T]) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("%w: %T for a list", errColumn, src)
	}
	var decoded []T
	if err := json.Unmarshal([]byte(s), &decoded); err != nil {
		return fmt.Errorf("%w: %w", errColumn, err)
	}
	if len(decoded) == 0 {
		decoded = nil
	}
	*l.l = decoded
	return nil
}

// optionalBytes is bytes where none is NULL.
type optionalBytes struct{ b *[]byte }

func (o optionalBytes) Scan(src any) error {
	*o.b = nil
	if src == nil {
		return nil
	}
	return base64url(o).Scan(src)
}

// inJSON is a value as JSON.
type inJSON struct{ v any }

func (j inJSON) Value() (driver.Value, error) {
	b, err := json.Marshal(j.v)
	return string(b), err
}

func (j inJSON) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("%w: %T for JSON", errColumn, src)
	}
	if err := json.Unmarshal([]byte(s), j.v); err != nil {
		return fmt.Errorf("%w: %w", errColumn, err)
	}
	return nil
}
