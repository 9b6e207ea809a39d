package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/store"
)

// record is the card record as one command works on it, beside a running server
// or not. What it changes a running server learns of within a second
// (enroll.Registry.Run), and then ends sessions.
type record struct {
	*enroll.Registry
	store *store.Store
	log   *audit.Log
	ctx   context.Context //nolint:containedctx // of the one command
}

// open opens the record for one act of the console, and closes it after.
func (f dataFlag) open(env *environment, act func(*record) error) (err error) {
	s, err := openStore(env, f.Data)
	if err != nil {
		return unusable(err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	log := audit.New(s, audit.Options{Now: env.now})
	r, err := enroll.New(s, enroll.Options{Audit: log, Now: env.now})
	if err != nil {
		return err
	}
	return act(&record{r, s, log, env.ctx})
}

// reasonIdentifier is why the console is refused what is about nobody.
const reasonIdentifier = "identifier"

// refused puts what is refused to the console in the audit, and gives the error
// back; one that is no refusal, and names no reason, is none of the audit's.
func (r *record) refused(event audit.Event, err error) error {
	var refusal *enroll.Refusal
	if errors.As(err, &refusal) {
		event.Reason = string(refusal.Reason)
		if event.Subject == "" {
			event.Subject = refusal.Holder
		}
	}
	if event.Reason == "" {
		return err
	}
	event.Outcome, event.Actor = audit.Refused, act("").Actor()
	if event.Detail != "" {
		event.Detail += ": "
	}
	event.Detail += err.Error()
	if failed := r.log.Record(r.ctx, &event); failed != nil {
		return fmt.Errorf("%w; recording it: %w", err, failed)
	}
	return err
}

// wrongRows refuses a file for its rows, which were told.
func (r *record) wrongRows(kind, file string, wrong, rows int) error {
	event := audit.Event{Kind: kind, Reason: "rows", Detail: filepath.Base(file)}
	return r.refused(event, fmt.Errorf("nothing was imported: %d of %d rows are wrong", wrong, rows))
}
