package main

import (
	"context"
	"encoding/json"
	"errors"

	"cpsgate/cardside"
)

type watchCommand struct{}

// Run writes insertions and removals as JSON lines until it is interrupted,
// which is how it ends well.
func (watchCommand) Run(a *act) error {
	lines := json.NewEncoder(a.stdout)
	lines.SetEscapeHTML(false)
	err := cardside.Watch(a.ctx, a.now, func(e cardside.WatchEvent) error { return lines.Encode(e) })
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
