package mtls

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Bypass is the manual bypass that ANS asks for ("débrayage"): until it ends,
// a certificate whose revocation cannot be known is let in. Evidence of
// revocation still refuses. It ends by itself.
type Bypass struct {
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// MaxBypass is the longest time a bypass may last.
const MaxBypass = 7 * 24 * time.Hour

const (
	bypassFile     = "bypass.json"
	maxBypassText  = 1 << 10
	maxBypassOctet = 8 << 10
)

// Check refuses a bypass that says too little, or lasts too long.
func (b Bypass) Check(now time.Time) error {
	switch {
	case strings.TrimSpace(b.Reason) == "" || strings.TrimSpace(b.By) == "":
		return errors.New("bypass: a reason and who decided are needed")
	case len(b.Reason) > maxBypassText || len(b.By) > maxBypassText:
		return fmt.Errorf("bypass: a text is longer than %d octets", maxBypassText)
	case !b.Until.After(now):
		return errors.New("bypass: its end has passed")
	case b.Until.After(now.Add(MaxBypass)):
		return fmt.Errorf("bypass: longer than %s", MaxBypass)
	case b.Until.After(b.At.Add(MaxBypass)) || b.At.After(now.Add(time.Minute)):
		return errors.New("bypass: its beginning is not true")
	}
	return nil
}

// WriteBypass puts a bypass in force for the server that keeps its CRLs in
// folder; it notices by itself.
func WriteBypass(folder string, b Bypass, now time.Time) error {
	if err := b.Check(now); err != nil {
		return err
	}
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(folder, bypassFile), text)
}

// EndBypass ends it before its time; there may be none.
func EndBypass(folder string) error {
	if err := os.Remove(filepath.Join(folder, bypassFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// ReadBypass is the bypass in force at now; nil when there is none.
func ReadBypass(folder string, now time.Time) (*Bypass, error) {
	file, err := os.Open(filepath.Join(folder, bypassFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxBypassOctet))
	if err != nil {
		return nil, err
	}
	b, err := parseBypass(text)
	if err != nil {
		return nil, err
	}
	if !b.Until.After(now) {
		return nil, nil
	}
	return b, b.Check(now)
}

func parseBypass(text []byte) (*Bypass, error) {
	var b Bypass
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&b); err != nil {
		return nil, fmt.Errorf("bypass: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("bypass: something follows it")
	}
	return &b, nil
}

// Bypass is the one in force; nil when there is none.
func (r *Refresher) Bypass() *Bypass {
	if b := r.bypass.Load(); b != nil && b.Until.After(r.options.Now()) {
		return b
	}
	return nil
}

// BypassedUntil is when the bypass of that issuer's certificates ends; zero
// when there is none.
func (r *Refresher) BypassedUntil([]byte) time.Time {
	if b := r.Bypass(); b != nil {
		return b.Until
	}
	return time.Time{}
}

// loadBypass takes the file into force. One that cannot be read is none.
func (r *Refresher) loadBypass() error {
	b, err := ReadBypass(r.options.Folder, r.options.Now())
	if err != nil {
		b = nil
	}
	if b != nil {
		r.options.Log.Warn("revocation bypassed", "until", b.Until, "reason", b.Reason, "by", b.By)
	}
	r.bypass.Store(b)
	return err
}

// bypassGone notices that the file was removed.
func (r *Refresher) bypassGone() {
	path := filepath.Join(r.options.Folder, bypassFile)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) || r.bypass.Load() == nil {
		return
	}
	r.bypass.Store(nil)
	r.mu.Lock()
	delete(r.seen, path)
	r.mu.Unlock()
	r.options.Log.Warn("revocation no longer bypassed")
}
