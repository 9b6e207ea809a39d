package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os/user"
	"path/filepath"
	"slices"
	"time"

	"cpsgate/audit"
	"cpsgate/mtls"
	"cpsgate/store"
)

// crlCommand works on the CRLs of a server's data folder, beside the server: it
// notices by itself what these commands change.
type crlCommand struct {
	Status crlStatusCommand `cmd:"" help:"Tell how it stands with each authority's CRL: exit 0 all fresh, 1 one is expiring, stale or missing, or revocation is bypassed."`
	Fetch  crlFetchCommand  `cmd:"" help:"Fetch CRLs now: exit 0 all are current, 1 one could not be fetched."`
	Import crlImportCommand `cmd:"" help:"Take CRLs from files: exit 0 all are in force, 1 one was refused."`
	Bypass crlBypassCommand `cmd:"" help:"Let certificates in whose revocation cannot be known, until a time (\"débrayage\"); revoked ones stay refused."`
}

// crlHouse is what these commands work on.
type crlHouse struct {
	config    *Config
	refresher *mtls.Refresher
}

func (f configFlag) openCRLs(env *environment) (*crlHouse, error) {
	c, err := f.load(env)
	if err != nil {
		return nil, err
	}
	trust, err := loadTrust(c)
	if err != nil {
		return nil, unusable(err)
	}
	if err := checkDataFolder(c.Data); err != nil {
		return nil, unusable(err)
	}
	log := slog.New(slog.NewTextHandler(env.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	refresher, err := openRefresher(c, trust, log, env.now)
	if err != nil {
		return nil, unusable(err)
	}
	return &crlHouse{c, refresher}, nil
}

type crlStatusCommand struct {
	configFlag
	JSON bool `help:"Print JSON."`
}

// Run prints the table, or JSON.
func (cmd crlStatusCommand) Run(env *environment) error {
	house, err := cmd.openCRLs(env)
	if err != nil {
		return err
	}
	report := newCRLReport(env.now().UTC(), house.refresher.Status(), house.refresher.Bypass())
	if cmd.JSON {
		err = writeJSON(env.stdout, report)
	} else {
		err = report.write(env.stdout)
	}
	if err == nil && !report.good() {
		return refused()
	}
	return err
}

type crlFetchCommand struct {
	configFlag
	Authority []string `arg:"" optional:"" help:"Names, as crl status shows them; without any, all."`
}

// Run fetches what has an address. One failure does not keep the others back.
func (cmd crlFetchCommand) Run(env *environment) error {
	house, err := cmd.openCRLs(env)
	if err != nil {
		return err
	}
	sources, err := house.addressed(cmd.Authority)
	if err != nil {
		return unusable(err)
	}
	failed := false
	for _, s := range sources {
		for _, delta := range []bool{false, true} {
			if delta && len(s.DeltaURLs) == 0 || !delta && len(s.URLs) == 0 {
				continue
			}
			if err := house.refresher.Fetch(env.ctx, s.Name, delta); err != nil {
				failed = true
				fmt.Fprintf(env.stdout, "%s: not fetched: %v\n", crlName(s.Name, delta), err)
				continue
			}
			fmt.Fprintf(env.stdout, "%s: current\n", crlName(s.Name, delta))
		}
	}
	if failed {
		return refused()
	}
	return nil
}

// addressed are the sources asked for that have an address.
func (h *crlHouse) addressed(names []string) ([]mtls.CRLSource, error) {
	trust, err := loadTrust(h.config)
	if err != nil {
		return nil, err
	}
	all, err := h.config.CRL.sources(trust)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(s mtls.CRLSource) bool { return s.Name == name && len(s.URLs)+len(s.DeltaURLs) > 0 }) {
			return nil, fmt.Errorf("%s: no such authority, or no address to fetch from", name)
		}
	}
	wanted := slices.DeleteFunc(all, func(s mtls.CRLSource) bool {
		return len(s.URLs)+len(s.DeltaURLs) == 0 || len(names) > 0 && !slices.Contains(names, s.Name)
	})
	if len(wanted) == 0 {
		return nil, errors.New("no authority has an address to fetch from: see crl.sources")
	}
	return wanted, nil
}

func crlName(authority string, delta bool) string {
	if delta {
		return authority + " delta"
	}
	return authority
}

type crlImportCommand struct {
	configFlag
	Files []string `arg:"" name:"file" help:"CRLs, DER or PEM; complete ones before their deltas."`
}

// Run takes each file on its own.
func (cmd crlImportCommand) Run(env *environment) error {
	house, err := cmd.openCRLs(env)
	if err != nil {
		return err
	}
	failed := false
	for _, file := range cmd.Files {
		status, err := house.refresher.Import(env.ctx, file)
		switch {
		case errors.Is(err, mtls.ErrUnchanged):
			fmt.Fprintf(env.stdout, "%s: %s number %s is in force already\n", file, crlName(status.Authority, status.Delta), status.Number)
		case err != nil:
			failed = true
			fmt.Fprintf(env.stdout, "%s: refused: %v\n", file, err)
		default:
			fmt.Fprintf(env.stdout, "%s: %s number %s, %d entries, good until %s\n",
				file, crlName(status.Authority, status.Delta), status.Number, status.Entries, status.NextUpdate.Format(time.RFC3339))
		}
	}
	if failed {
		return refused()
	}
	return nil
}

type crlBypassCommand struct {
	configFlag
	Until  string `placeholder:"TIME" help:"When it ends by itself: RFC 3339, or a duration from now (4h). Seven days at most."`
	Reason string `placeholder:"TEXT" help:"Why, for the audit and the status page."`
	By     string `placeholder:"NAME" help:"Who decided; default: the account that runs this."`
	End    bool   `help:"End the bypass now."`
}

// Run records the act, then does it: one that cannot be recorded is not done.
func (cmd crlBypassCommand) Run(env *environment) error {
	c, err := cmd.load(env)
	if err != nil {
		return err
	}
	bypass, err := cmd.bypass(env.now())
	if err != nil {
		return unusable(err)
	}
	if err := recordBypass(env, c, cmd.End, bypass); err != nil {
		return fmt.Errorf("not recorded in the audit, so not done: %w", err)
	}
	folder := c.crlFolder()
	if cmd.End {
		if err := mtls.EndBypass(folder); err != nil {
			return err
		}
		fmt.Fprintln(env.stdout, "Revocation is no longer bypassed.")
		return nil
	}
	if err := mtls.WriteBypass(folder, bypass, env.now()); err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "Revocation is bypassed until %s.\n", bypass.Until.Format(time.RFC3339))
	return nil
}

func (cmd crlBypassCommand) bypass(now time.Time) (mtls.Bypass, error) {
	b := mtls.Bypass{Reason: cmd.Reason, By: cmd.By, At: now.UTC().Truncate(time.Second)}
	if b.By == "" {
		if account, err := user.Current(); err == nil {
			b.By = account.Username
		}
	}
	if cmd.End {
		if cmd.Until != "" {
			return b, errors.New("--end and --until exclude each other")
		}
		return b, nil
	}
	if after, err := time.ParseDuration(cmd.Until); err == nil {
		b.Until = b.At.Add(after)
	} else if b.Until, err = time.Parse(time.RFC3339, cmd.Until); err != nil {
		return b, fmt.Errorf("--until %q: neither a time (2026-03-02T18:00:00+01:00) nor a duration (4h)", cmd.Until)
	}
	b.Until = b.Until.UTC()
	return b, b.Check(now)
}

func recordBypass(env *environment, c *Config, end bool, b mtls.Bypass) error {
	s, err := store.Open(env.ctx, filepath.Join(c.Data, store.FileName))
	if err != nil {
		return err
	}
	defer s.Close()
	event := &audit.Event{Kind: audit.KindRevocationBypass, Outcome: audit.Done, Reason: b.Reason, Detail: fmt.Sprintf("by %s, until %s", b.By, b.Until.Format(time.RFC3339))}
	if end {
		event.Detail = "ended by " + b.By
	}
	return audit.New(s, audit.Options{Now: env.now}).Record(env.ctx, event)
}
