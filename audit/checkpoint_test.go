package audit_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
)

// pruner is a ledger in memory that can forget.
type pruner struct {
	ledger
	signed []audit.Checkpoint
}

func (p *pruner) Prune(_ context.Context, before time.Time, how audit.Pruning) (c audit.Checkpoint, err error) {
	n := 0
	for n < len(p.events) && p.events[n].At.Before(before) {
		if how.Archive != nil {
			if err := how.Archive(p.events[n]); err != nil {
				return c, err
			}
		}
		n++
	}
	if n == 0 {
		return c, nil
	}
	var from audit.Tail
	if len(p.signed) > 0 {
		from = p.signed[len(p.signed)-1].Tail
	}
	last := audit.Tail{Sequence: p.events[n-1].Sequence, Hash: p.events[n-1].Hash}
	if c, err = how.Seal(last, uint64(n), from); err != nil {
		return c, err
	}
	p.events, p.signed = p.events[n:], append(p.signed, c)
	return c, how.Record(&p.ledger, c)
}

var key = ed25519.NewKeyFromSeed([]byte("test only: 32 bytes of the seed."))

// pruned is a chain of five events whose first two went at one time and the
// third at another.
func pruned(t *testing.T) *pruner {
	t.Helper()
	p := &pruner{}
	noon := noon.Truncate(time.Microsecond) // as events keep it
	now := noon
	log := audit.New(p, audit.Options{Now: func() time.Time { return now }})
	for i := range 5 {
		record(t, log, &audit.Event{Kind: "x", Outcome: audit.Done, At: noon.Add(time.Duration(i) * time.Hour)})
	}
	for _, after := range []time.Duration{2, 3} {
		now = noon.Add(audit.LeastRetention + after*time.Hour)
		policy := audit.Retention{Log: log, Ledger: p, Key: key, Keep: audit.LeastRetention}
		if _, err := policy.Prune(t.Context(), audit.Event{}); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestSignedCheckpoints(t *testing.T) {
	another := ed25519.NewKeyFromSeed(make([]byte, 32))
	forge := func(c audit.Checkpoint) audit.Checkpoint { return audit.Resign(c, another) }
	fingerprint := audit.Fingerprint(key.Public().(ed25519.PublicKey))
	tests := []struct {
		name   string
		tamper func(p *pruner)
		signer string
		want   string // the first fault
	}{
		{"two that were signed", func(*pruner) {}, fingerprint, ""},
		{"two whose signer is not known", func(*pruner) {}, "", ""},
		{"a signature that is another's", func(p *pruner) { p.signed[1].Sign = p.signed[0].Sign }, "", "signature 3"},
		{"a count that was edited", func(p *pruner) { p.signed[0].Pruned = 1 }, "", "signature 2"},
		{"both signed by somebody else", func(p *pruner) { p.signed[0], p.signed[1] = forge(p.signed[0]), forge(p.signed[1]) }, fingerprint, "signature 2"},
		{"the later one signed by somebody else", func(p *pruner) { p.signed[1] = forge(p.signed[1]) }, "", "signature 3"},
		{"the first removed", func(p *pruner) { p.signed = p.signed[1:] }, fingerprint, "signature 3"},
		{"the last removed", func(p *pruner) { p.signed = p.signed[:1] }, fingerprint, "missing 3"},
		{"all removed", func(p *pruner) { p.signed = nil }, fingerprint, "missing 1"},
		{"an event more removed", func(p *pruner) { p.events = p.events[1:] }, fingerprint, "missing 4"},
		{"a checkpoint of another event", func(p *pruner) {
			p.signed[1].Hash[0] ^= 1
			p.signed[1] = audit.Resign(p.signed[1], key)
		}, fingerprint, "unlinked 4"},
		{"no key at all", func(p *pruner) { p.signed[0].Key = nil }, "", "signature 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := pruned(t)
			tt.tamper(p)
			report, err := audit.Verify(all(p.events), audit.Expected{Signed: p.signed, Signer: tt.signer})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if !report.Intact() {
				got = fmt.Sprint(report.Faults[0].Kind, " ", report.Faults[0].Sequence)
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestCheckpointEncoding(t *testing.T) {
	for _, c := range pruned(t).signed {
		b, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := audit.DecodeCheckpoint(b)
		if err != nil || !again.Signed() || again.Tail != c.Tail || again.From != c.From || !again.At.Equal(c.At) {
			t.Errorf("%+v, %v", again, err)
		}
		for name, other := range map[string]string{
			"another order":    strings.Replace(string(b), `"v":1,`, ``, 1),
			"a space":          strings.Replace(string(b), `:`, `: `, 1),
			"something after":  string(b) + "\n",
			"an unknown field": strings.Replace(string(b), `{`, `{"x":1,`, 1),
			"nothing":          "",
			"too much":         strings.Repeat(" ", 20<<10),
		} {
			if _, err := audit.DecodeCheckpoint([]byte(other)); !errors.Is(err, audit.ErrCheckpoint) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func FuzzDecodeCheckpoint(f *testing.F) {
	f.Add([]byte(`{"v":1,"tail":"1:00","from":"0:00","pruned":1,"at":"2026-03-02T12:00:00Z","key":"","signature":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := audit.DecodeCheckpoint(b)
		if err != nil {
			return
		}
		if again, err := c.Encode(); err != nil || string(again) != string(b) {
			t.Errorf("%q, %v", again, err)
		}
		c.Signed() // must not panic on any key
	})
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), audit.KeyFileName)
	if _, err := audit.LoadKey(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	made, err := audit.LoadOrMakeKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again, err := audit.LoadOrMakeKey(path)
	if err != nil || !again.Equal(made) {
		t.Errorf("another key, %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.LoadOrMakeKey(path); !errors.Is(err, audit.ErrKeyPermissions) {
		t.Errorf("error %v", err)
	}
	rsa := "-----BEGIN PRIVATE KEY-----\nMEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCAAAAAAAAAAAAAAAAAA\nAAAAAAAAAAAAAAAAAAAAAAAAAQ==\n-----END PRIVATE KEY-----\n"
	for name, text := range map[string]string{
		"nothing": "", "a certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"a torn key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "a key of another kind": rsa,
	} {
		if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := audit.LoadOrMakeKey(path); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestExport(t *testing.T) {
	l := &ledger{}
	log := newLog(l)
	record(t, log, &audit.Event{ID: "0000-0001", Kind: "x", Outcome: audit.Done, Detail: "<é> & \"q\""})
	record(t, log, &audit.Event{ID: "0000-0002", Kind: "y", Outcome: audit.Done})
	var out strings.Builder
	n, err := audit.Export(&out, all(l.events))
	if err != nil || n != 2 {
		t.Fatalf("%d, %v", n, err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, e := range l.events {
		encoded, _ := e.Encode()
		if want := `"event":` + string(encoded) + `}`; !strings.HasSuffix(lines[i], want) {
			t.Errorf("%s\nwant … %s", lines[i], want)
		}
	}
	if !strings.Contains(lines[1], `"previous":"`+strings.Split(lines[0], `"`)[3]+`"`) {
		t.Errorf("not linked:\n%s", out.String())
	}
	broken := func(yield func(audit.Event, error) bool) {
		_ = yield(l.events[0], nil) && yield(audit.Event{}, &audit.Fault{Kind: audit.FaultEdited, Sequence: 2})
	}
	if n, err := audit.Export(&strings.Builder{}, broken); n != 1 || !errors.As(err, new(*audit.Fault)) {
		t.Errorf("%d, %v", n, err)
	}
}

func TestPlaces(t *testing.T) {
	p := audit.Place{At: noon.UTC().Truncate(time.Microsecond), Sequence: 7}
	if again, err := audit.ParsePlace(p.String()); err != nil || again != p {
		t.Errorf("%+v, %v", again, err)
	}
	for q, want := range map[int]int{-1: 50, 0: 50, 7: 7, 500: 500, 9999: 500} {
		if got := (audit.Query{Limit: q}).PageSize(); got != want {
			t.Errorf("%d gives %d", q, got)
		}
	}
}
