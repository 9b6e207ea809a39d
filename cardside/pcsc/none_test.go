//go:build !windows && !cgo

package pcsc_test

import (
	"context"
	"errors"
	"testing"

	"cpsgate/cardside/pcsc"
)

// A build without PC/SC compiles, and says what it lacks.
func TestWithoutPCSC(t *testing.T) {
	if _, err := pcsc.Establish(context.Background()); !errors.Is(err, pcsc.ErrNotBuilt) {
		t.Errorf("Establish: %v", err)
	}
	if err := pcsc.Watch(context.Background(), nil); !errors.Is(err, pcsc.ErrNotBuilt) {
		t.Errorf("Watch: %v", err)
	}
}
