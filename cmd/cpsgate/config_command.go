package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/goccy/go-yaml"

	"cpsgate/mtls"
	"cpsgate/store"
)

type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Judge the configuration and every file it names, as serve would, without listening."`
	Show  configShowCommand  `cmd:"" help:"Print the configuration in force, defaults included, and the trusted authorities."`
}

type configCheckCommand struct {
	configFlag
}

// Run loads the configuration and what can be loaded without changing anything.
func (cmd configCheckCommand) Run(env *environment) error {
	c, err := cmd.load(env)
	if err != nil {
		return err
	}
	if err := checkConfig(c, env); err != nil {
		return unusable(err)
	}
	fmt.Fprintf(env.stdout, "%s: good\n", cmd.Config)
	return nil
}

// checkConfig opens the whole program as serve would, with an empty data folder
// in place of the real one, which is only looked at.
func checkConfig(c *Config, env *environment) error {
	if err := checkDataFolder(c.Data); err != nil {
		return err
	}
	if err := checkDatabase(env.ctx, filepath.Join(c.Data, store.FileName)); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	empty, err := os.MkdirTemp("", "cpsgate-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(empty)
	trial := *c
	trial.Data = empty
	log := slog.New(slog.NewTextHandler(env.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	adoptLibraries(log)
	p, err := openProgram(env.ctx, &trial, log, env.now)
	if err != nil {
		return err
	}
	return p.Close()
}

// checkDatabase looks at the database, if there is one yet.
func checkDatabase(ctx context.Context, path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	s, err := store.OpenReadOnly(ctx, path)
	if err != nil {
		return err
	}
	return s.Close()
}

type configShowCommand struct {
	Config string `short:"c" env:"CPSGATE_CONFIG" placeholder:"FILE" help:"Configuration file; without one, the defaults are shown."`
}

// Run prints YAML that serve would read back to the same effect. Secrets are
// files, so there is none to hide.
func (cmd configShowCommand) Run(env *environment) error {
	c := &Config{}
	if cmd.Config != "" {
		loaded, err := loadConfig(cmd.Config, env.environ)
		if err != nil {
			return unusable(err)
		}
		c = loaded
	} else {
		c.setDefaults()
	}
	raw, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "%s\n", raw)
	trust, err := loadTrust(c)
	if err != nil {
		return unusable(err)
	}
	if err := printAuthorities(env.stdout, "trusted for persons' cards", trust.Anchors()); err != nil {
		return err
	}
	return printBuiltIn(env.stdout)
}

func printAuthorities(w io.Writer, title string, certificates []*x509.Certificate) error {
	fmt.Fprintf(w, "# %s\n", title)
	for _, c := range certificates {
		if _, err := fmt.Fprintf(w, "# %s\n#   SHA-256 %s, until %s\n", mtls.FormatName(c.RawSubject), mtls.Fingerprint(c), c.NotAfter.Format("2006-01-02")); err != nil {
			return err
		}
	}
	return nil
}

// printBuiltIn lists the production authorities shipped with cpsgate, to be
// compared with what ANS publishes.
func printBuiltIn(w io.Writer) error {
	authorities, err := mtls.BuiltIn()
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "#\n# built in (production authorities of the IGC-Santé; * = anchor by default)")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, a := range authorities {
		mark := " "
		if a.Anchor {
			mark = "*"
		}
		fmt.Fprintf(table, "# %s %s\tSHA-256 %s\n", mark, a.Short, a.Fingerprint)
	}
	return table.Flush()
}
