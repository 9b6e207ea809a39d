package demo

import (
	"path/filepath"
	"testing"
	"time"
)

// DER is the certificate of a sample card.
func DER(t *testing.T, p Places, s Sample) []byte {
	t.Helper()
	c, err := readCertificate(filepath.Join(p.Public, cardsFolder, s.File+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	return c.Raw
}

// Shelf is a shelf of words.
type Shelf struct{ shelf[string] }

func (s *Shelf) Put(v string, until time.Time) string { return s.put(v, until) }
func (s *Shelf) See(key string) (string, bool)        { return s.see(key) }
func (s *Shelf) Take(key string) (string, bool)       { return s.take(key) }
func (s *Shelf) Drop(condition func(string) bool) int { return s.drop(condition) }
