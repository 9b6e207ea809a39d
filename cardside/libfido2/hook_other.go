//go:build cgo && !linux

package libfido2

import (
	"context"
	"fmt"

	"cpsgate/cardside/pcsc"
)

// noU2F has nothing to do for security keys alone.
func noU2F() {}

// withCard: cards are reached through libfido2 on Linux only.
func withCard(context.Context, *request, func(path string) error) error {
	return fmt.Errorf("%w: reaching cards in readers on this system", ErrUnsupported)
}

func linkFailure(err error) error { return fmt.Errorf("%w: %w", pcsc.ErrTransmission, err) }
