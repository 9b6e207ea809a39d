package cardside_test

import (
	"bytes"
	"errors"
	"testing"

	"cpsgate/cardside"
)

// TestCeremonyBindsTheOrigin: client data are made for the site spoken with, or
// not at all.
func TestCeremonyBindsTheOrigin(t *testing.T) {
	challenge := bytes.Repeat([]byte{1}, 32)
	for _, tt := range []struct {
		name, origin, rpID string
		good               bool
	}{
		{"the host", "https://sso.hopital.example", "sso.hopital.example", true},
		{"the host, on a port", "https://sso.hopital.example:8443", "sso.hopital.example", true},
		{"a domain above it", "https://sso.hopital.example", "hopital.example", true},
		{"a host of one label", "https://localhost", "localhost", true},
		{"a single label above it", "https://sso.hopital.example", "example", false},
		{"no domain above it", "https://sso.hopital.example", "pital.example", false},
		{"a domain below it", "https://hopital.example", "sso.hopital.example", false},
		{"another site", "https://sso.hopital.example", "clinique.example", false},
		{"nothing", "https://sso.hopital.example", "", false},
		{"an origin without TLS", "http://sso.hopital.example", "sso.hopital.example", false},
		{"an origin with a path", "https://sso.hopital.example/", "sso.hopital.example", false},
		{"an origin with somebody's name", "https://me@sso.hopital.example", "sso.hopital.example", false},
		{"no origin", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := cardside.NewCeremony(cardside.TypeCreate, tt.origin, tt.rpID, challenge)
			if (err == nil) != tt.good || err != nil && !errors.Is(err, cardside.ErrOrigin) {
				t.Fatalf("%v", err)
			}
			if tt.good && (len(c.Hash()) != 32 || c.Origin != tt.origin) {
				t.Errorf("%+v", c)
			}
		})
	}
}
