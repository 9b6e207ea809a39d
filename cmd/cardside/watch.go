package main

import (
	"context"
	"errors"

	"cpsgate/cardside"
)

type watchCommand struct{}

// Run writes insertions and removals as JSON lines until it is interrupted,
// which is how it ends well.
func (watchCommand) Run(a *act) error {
	lines := jsonLines(a.stdout)
	return interrupted(cardside.Watch(a.ctx, a.now, func(e cardside.WatchEvent) error { return lines.Encode(e) }))
}

// interrupted takes an interruption for the good end that it is of commands
// that would go on for ever.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
