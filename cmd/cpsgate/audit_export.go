package main

import (
	"bufio"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
	"cpsgate/store"
)

// auditExportCommand writes events for another system, or for an archive. The
// whole audit goes in the order of its chain; a choice of it from the latest
// backwards. Each line holds the event's canonical encoding and both hashes.
type auditExportCommand struct {
	auditPlace
	Out     string           `help:"Write to this new file instead of standard output." type:"path" placeholder:"FILE"`
	Person  identity.PSIdNat `help:"Who acted, whom it is about, or who approved." placeholder:"PS_IDNAT"`
	Card    string           `help:"The card's number or token id."`
	Kind    []string         `help:"Kinds of event, as card.state; may be repeated."`
	Outcome string           `help:"accepted, refused, done or failed." enum:",accepted,refused,done,failed" default:""`
	From    time.Time        `help:"From then on." placeholder:"RFC3339" format:"2006-01-02T15:04:05Z07:00"`
	To      time.Time        `help:"Before then." placeholder:"RFC3339" format:"2006-01-02T15:04:05Z07:00"`
}

// Run exports. An event that was edited stops it: exit 1, and the line before
// is the last good one.
func (c auditExportCommand) Run(env *environment) (err error) {
	query, all, err := c.query()
	if err != nil {
		return unusable(err)
	}
	s, err := c.open(env)
	if err != nil {
		return unusable(err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	out, closeOut, err := output(env, c.Out)
	if err != nil {
		return unusable(err)
	}
	defer func() { err = errors.Join(err, closeOut()) }()
	if !all {
		return exportEvents(env, out, audit.Found(env.ctx, s, query))
	}
	return s.Chain(env.ctx, func(chain audit.Chain) error { return exportEvents(env, out, chain.Events) })
}

func exportEvents(env *environment, out io.Writer, events iter.Seq2[audit.Event, error]) error {
	n, err := audit.Export(out, events)
	if err == nil {
		fmt.Fprintf(env.stderr, "%d events\n", n)
	}
	return err
}

func (c auditExportCommand) query() (q audit.Query, all bool, err error) {
	q = audit.Query{Person: c.Person, Kinds: c.Kind, Outcome: audit.Outcome(c.Outcome), From: c.From, To: c.To}
	if c.Card != "" {
		if q.Card, err = tokenID(c.Card); err != nil {
			return q, false, err
		}
	}
	all = q.Person == "" && q.Card == "" && len(q.Kinds) == 0 && q.Outcome == "" && q.From.IsZero() && q.To.IsZero()
	return q, all, nil
}

// output is a new file, for its owner only, or standard output for "". Only
// finish tells whether all of it was written.
func output(env *environment, path string) (out io.Writer, finish func() error, err error) {
	if path == "" {
		w := bufio.NewWriter(env.stdout)
		return w, w.Flush, nil
	}
	return newFile(path)
}

func newFile(path string) (io.Writer, func() error, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, err
	}
	w := bufio.NewWriter(f)
	return w, func() error { return errors.Join(w.Flush(), f.Sync(), f.Close()) }, nil
}

// auditPruneCommand applies the retention policy by hand.
type auditPruneCommand struct {
	Data    string        `help:"The server's data directory; its key signs the checkpoint." type:"path" placeholder:"DIR" required:""`
	Keep    time.Duration `help:"Keep events younger than this; 720h (30 days) at least." required:""`
	Archive string        `help:"Write the events that go to this new file first, as export does." type:"path" placeholder:"FILE"`
	Reason  string        `help:"Why, for the audit." default:"retention"`
}

// Run prunes in one transaction: archive, signed checkpoint, removal and the
// event of it, or nothing.
func (c auditPruneCommand) Run(env *environment) (err error) {
	s, err := openStore(env, c.Data)
	if err != nil {
		return unusable(err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	key, err := audit.LoadOrMakeKey(filepath.Join(c.Data, audit.KeyFileName))
	if err != nil {
		return unusable(err)
	}
	retention := &audit.Retention{Log: audit.New(s, audit.Options{Now: env.now}), Ledger: s, Key: key, Keep: c.Keep}
	if c.Archive != "" {
		out, finish, err := newFile(c.Archive)
		if err != nil {
			return unusable(err)
		}
		retention.Archive, retention.Archived = archiveTo(out), finish
	}
	checkpoint, err := retention.Prune(env.ctx, audit.Event{Actor: "console", Reason: c.Reason})
	if c.Archive != "" && checkpoint.Pruned == 0 { // nothing went, so nothing is archived
		err = errors.Join(err, os.Remove(c.Archive))
	}
	switch {
	case errors.Is(err, audit.ErrRetention):
		return unusable(err)
	case err != nil:
		return err
	case checkpoint.Pruned == 0:
		fmt.Fprintln(env.stdout, "nothing is that old")
		return nil
	}
	fmt.Fprintf(env.stdout, "%d events pruned\ncheckpoint to note elsewhere: %s\nsigned by %s\n",
		checkpoint.Pruned, checkpoint.Tail, audit.Fingerprint(key.Public().(ed25519.PublicKey))) //nolint:forcetypeassert // documented of ed25519
	return nil
}

func archiveTo(w io.Writer) func(audit.Event) error {
	return func(e audit.Event) error {
		_, err := audit.Export(w, func(yield func(audit.Event, error) bool) { yield(e, nil) })
		return err
	}
}

// openStore opens the store of a data directory for an act, beside a running
// server or not. It makes none: a wrong directory is no empty one.
func openStore(env *environment, data string) (*store.Store, error) {
	path := filepath.Join(data, store.FileName)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	return store.Open(env.ctx, path)
}
