package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// auditShowCommand looks up one event, for the help desk.
type auditShowCommand struct {
	Number string `arg:"" help:"The event's number, as on the page: 7K3M-9QXD."`
	auditPlace
	JSON bool `help:"Print the event on one line, exactly as the chain holds it."`
}

// Run prints the event as JSON. Exit 1: there is no such event, or it was
// edited since.
func (c auditShowCommand) Run(env *environment) (err error) {
	id, err := audit.ParseID(c.Number)
	if err != nil {
		return unusable(fmt.Errorf("%q: %w", c.Number, err))
	}
	s, err := c.open(env)
	if err != nil {
		return unusable(err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	e, err := s.Event(env.ctx, id)
	var fault *audit.Fault
	switch {
	case errors.Is(err, enroll.ErrNotFound):
		return fmt.Errorf("no event %s", id)
	case errors.As(err, &fault):
		return err
	case err != nil:
		return unusable(err)
	case !e.Sealed():
		return fmt.Errorf("event %s was edited: its content does not give its hash", id)
	}
	encoded, err := e.Encode()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if c.JSON {
		out.Write(encoded)
	} else if err := json.Indent(&out, encoded, "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.stdout, out.String())
	return err
}
