package mtls_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// files stands for the configured certificates.
type files struct {
	mu      sync.Mutex
	listing string
	trust   *mtls.Trust
	err     error
}

func (f *files) become(listing string, trust *mtls.Trust, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listing, f.trust, f.err = listing, trust, err
}

func (f *files) load() (*mtls.Trust, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.trust, f.err
}

func (f *files) list() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listing == "" {
		return "", errors.New("folder is gone")
	}
	return f.listing, nil
}

// The card is of FORT PERSONNES; STANDARD PERSONNES alone refuses it.
func TestTrustReload(t *testing.T) {
	pki := newPKI(t, false)
	der := newCard(t, pki, testpki.CardSpec{}).DER
	both := trustOf(t, pki)
	standard, err := mtls.NewTrust(certs(pki.Issuer(testpki.Standard, testpki.Persons).Certificate), nil)
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, both, mtls.Policy{}, freshCRLs(t, pki))
	accepted := func() bool { _, err := v.Verify(mtls.Leaf{DER: der}, today()); return err == nil }

	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := &files{listing: "1", trust: both}
		r := &mtls.TrustReloader{Verifier: v, Load: f.load, Listing: f.list, Log: slog.New(slog.NewTextHandler(&log, nil)), Now: today}
		ctx, cancel := context.WithCancel(t.Context())
		signal := make(chan struct{})
		go r.Run(ctx, signal)
		synctest.Wait()
		wait := func() { time.Sleep(11 * time.Second); synctest.Wait() }

		f.become("1", standard, nil)
		if wait(); !accepted() || !r.State().LoadedAt.IsZero() {
			t.Error("reloaded though no file changed")
		}
		f.become("2", standard, nil)
		if wait(); accepted() || !r.State().LoadedAt.Equal(today()) {
			t.Error("a changed file was not taken")
		}
		f.become("3", nil, errors.New("broken file"))
		if wait(); accepted() || r.State().Failures != 1 || r.State().Err == nil || v.Trust() != standard {
			t.Errorf("a broken file: %+v", r.State())
		}
		if wait(); r.State().Failures != 1 {
			t.Errorf("the same broken file is tried again and again: %+v", r.State())
		}
		f.become("4", nil, nil)
		if wait(); r.State().Failures != 2 || !errors.Is(r.State().Err, mtls.ErrNoAnchors) {
			t.Errorf("an empty set: %+v", r.State())
		}
		f.become("5", both, nil)
		if wait(); !accepted() || r.State().Err != nil {
			t.Errorf("mended: %+v", r.State())
		}
		f.become("", both, nil)
		if wait(); !accepted() || r.State().Failures != 3 {
			t.Errorf("the folder is gone: %+v", r.State())
		}
		if wait(); r.State().Failures != 3 {
			t.Errorf("told more than once: %+v", r.State())
		}
		f.become("5", standard, nil)
		signal <- struct{}{}
		if synctest.Wait(); accepted() {
			t.Error("the signal reloaded nothing")
		}
		cancel()
		synctest.Wait()
		if got := strings.Count(log.String(), "level=ERROR"); got != 3 {
			t.Errorf("%d errors logged, want 3:\n%s", got, log.String())
		}
	})
}

func TestReloadBySignalAlone(t *testing.T) {
	pki := newPKI(t, false)
	trust := trustOf(t, pki)
	v := newVerifier(t, trust, mtls.Policy{}, nil)
	f := &files{err: errors.New("broken")}
	r := &mtls.TrustReloader{Verifier: v, Load: f.load, Log: slog.New(slog.DiscardHandler)}
	if err := r.Reload(); err == nil || v.Trust() != trust {
		t.Errorf("%v", err)
	}
	f.become("", trustOf(t, pki), nil)
	if err := r.Reload(); err != nil || v.Trust() != f.trust {
		t.Errorf("%v", err)
	}
}
