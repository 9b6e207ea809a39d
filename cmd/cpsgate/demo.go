package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// demoCommand runs the whole product on embedded defaults: a test PKI, a
// server certificate for *.localhost, three cards as PKCS#12 files.
type demoCommand struct {
	Folder string `placeholder:"DIR" help:"Make the demo's files and database here, anew at each start, and leave them at the end; default: a temporary folder, removed at the end."`
	Port   int    `default:"8443" help:"Port of the pages; the card listener takes the next one, the admin listener the one after. 0: free ports."`
	JSON   bool   `help:"Print the addresses and files as one line of JSON when ready."`
	Log    string `placeholder:"FILE" help:"Write the log here; default: demo.log in the folder."`

	Proxied string `placeholder:"ORIGIN" help:"An application beside, behind a proxy on this machine that asks cpsgate before each request."`
	OpenID  string `name:"openid" placeholder:"ORIGIN" help:"An application beside, on this machine, that signs in by OpenID Connect."`
}

// demoCRLPeriod is how often the demo's PKI issues its CRLs anew.
const demoCRLPeriod = 12 * time.Hour

// Run serves until Ctrl-C, then removes what it made.
func (cmd demoCommand) Run(env *environment) (err error) {
	folder, clean, err := cmd.folder()
	if err != nil {
		return unusable(err)
	}
	defer func() { err = errors.Join(err, clean()) }()
	l, err := cmd.listen(env.ctx)
	if err != nil {
		return unusable(fmt.Errorf("%w (another demo may be running; --port chooses others)", err))
	}
	defer l.Close()
	d, err := newDemo(folder, l, cmd.applications(), env.now)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	file, err := cmd.openLog(folder)
	if err != nil {
		return unusable(err)
	}
	defer file.Close()
	log := slog.New(slog.NewJSONHandler(file, nil))
	adoptLibraries(log)
	c, err := loadConfig(d.Config, nil)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	p, err := openProgram(env.ctx, c, log, env.now)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer p.Close()
	if err := d.appointStaff(env.ctx, p.registry); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	go d.keepIssuing(env.ctx, log)
	if err := d.tell(); err != nil {
		return err
	}
	if err := cmd.announce(env.stdout, d); err != nil {
		return err
	}
	return p.Serve(env.ctx, l, nil)
}

// folder makes the demo's folder; clean removes it if it is a temporary one.
func (cmd demoCommand) folder() (path string, clean func() error, err error) {
	if cmd.Folder == "" {
		path, err = os.MkdirTemp("", "cpsgate-demo-")
		return path, func() error { return os.RemoveAll(path) }, err
	}
	if path, err = filepath.Abs(cmd.Folder); err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", nil, err
	}
	return path, func() error { return nil }, emptyDemo(path)
}

// demoMark names the file that says a folder is a demo's own.
const demoMark = ".cpsgate-demo"

// emptyDemo makes room for a new demo in a folder that is empty or an earlier
// demo's: its PKI begins anew, so cards kept from before would not match. It
// touches no other folder.
func emptyDemo(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	mark := filepath.Join(folder, demoMark)
	if _, err := os.Stat(mark); err != nil && len(entries) > 0 {
		return fmt.Errorf("%s is neither empty nor an earlier demo's folder", folder)
	}
	for _, e := range entries {
		if e.Name() == demoMark {
			continue
		}
		if err := os.RemoveAll(filepath.Join(folder, e.Name())); err != nil {
			return err
		}
	}
	return os.WriteFile(mark, nil, 0o600)
}

func (cmd demoCommand) listen(ctx context.Context) (listeners, error) {
	port := func(offset int) string {
		if cmd.Port == 0 {
			return "127.0.0.1:0"
		}
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(cmd.Port+offset))
	}
	return listen(ctx, &Config{
		Main: MainConfig{Listen: port(0)}, Card: CardConfig{Listen: port(1)}, Admin: AdminConfig{Listen: port(2)},
	})
}

func (cmd demoCommand) openLog(folder string) (*os.File, error) {
	path := cmd.Log
	if path == "" {
		path = filepath.Join(folder, "demo.log")
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

func (cmd demoCommand) announce(w io.Writer, d *demo) error {
	if cmd.JSON {
		return json.NewEncoder(w).Encode(d)
	}
	var text bytes.Buffer
	if err := demoText.Execute(&text, d); err != nil {
		return err
	}
	_, err := w.Write(text.Bytes()) // at once: a program beside waits for it
	return err
}
