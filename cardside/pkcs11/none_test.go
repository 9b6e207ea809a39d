//go:build !cgo

package pkcs11_test

import (
	"errors"
	"testing"

	"cpsgate/cardside/pkcs11"
)

// A build without cgo compiles, and says what it lacks.
func TestWithoutPKCS11(t *testing.T) {
	if _, err := pkcs11.Open(""); !errors.Is(err, pkcs11.ErrNotBuilt) {
		t.Fatalf("got %v", err)
	}
}
