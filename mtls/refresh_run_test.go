package mtls_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// issuing is an authority that issues a CRL every morning, for six days, on the
// clock of a synctest bubble; it may be out of reach.
type issuing struct {
	t     *testing.T
	ca    *testpki.Authority
	down  bool
	asked []time.Time
}

func newIssuing(t *testing.T) *issuing {
	pki, err := testpki.New(testpki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &issuing{t: t, ca: pki.Issuer(testpki.Fort, testpki.Persons)}
}

func (s *issuing) fetch(_ context.Context, address string, _ mtls.Validators) (*mtls.Fetched, error) {
	now := time.Now()
	s.asked = append(s.asked, now)
	if s.down {
		return nil, &mtls.FetchError{Fault: mtls.FetchUnreachable, URL: address}
	}
	morning := now.UTC().Truncate(24 * time.Hour)
	der := makeCRL(s.t, s.ca, testpki.CRLSpec{Number: big.NewInt(morning.Unix()), ThisUpdate: morning})
	return &mtls.Fetched{ReadCloser: io.NopCloser(bytes.NewReader(der))}, nil
}

func (s *issuing) refresher(alter func(*mtls.RefreshOptions)) *mtls.Refresher {
	s.t.Helper()
	options := mtls.RefreshOptions{
		Sources: []mtls.CRLSource{{Name: "ca", Issuer: s.ca.Certificate, URLs: []string{"http://crl.example/"}}},
		Folder:  s.t.TempDir(), Fetch: s.fetch, Log: slog.New(slog.DiscardHandler),
	}
	if alter != nil {
		alter(&options)
	}
	r, err := mtls.NewRefresher(options)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// loop runs the fetch loop for that long and returns when it fetched.
func (s *issuing) loop(r *mtls.Refresher, d time.Duration) []time.Time {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	s.asked = nil
	r.FetchLoop(ctx, "ca", false)
	return s.asked
}

const day = 24 * time.Hour

func TestRefreshEveryDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newIssuing(t)
		r := s.refresher(nil)
		asked := s.loop(r, 10*day)
		if len(asked) < 10 || len(asked) > 14 {
			t.Errorf("%d fetches in ten days", len(asked))
		}
		same := 0
		for i := 1; i < len(asked); i++ {
			gap := asked[i].Sub(asked[i-1])
			if gap < 18*time.Hour || gap > day {
				t.Errorf("fetched after %s", gap)
			}
			if i > 1 && gap == asked[i-1].Sub(asked[i-2]) {
				same++
			}
		}
		if same > 1 {
			t.Error("the times are not random")
		}
	})
}

// However short a CRL lives, it is fetched well before its nextUpdate.
func TestRefreshBeforeNextUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newIssuing(t)
		r := s.refresher(func(o *mtls.RefreshOptions) {
			o.Every = 30 * day
			o.Random = func() float64 { return 1 }
		})
		s.loop(r, time.Second)
		status := r.Status()[0]
		if wait := time.Until(status.NextFetch); wait < 2*day || wait > 3*day {
			t.Errorf("a CRL of six days is fetched again after %s", wait)
		}
	})
}

func TestRefreshBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newIssuing(t)
		s.down = true
		r := s.refresher(func(o *mtls.RefreshOptions) { o.Random = func() float64 { return 1 } })
		asked := s.loop(r, 6*time.Hour)
		want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60, 60}
		if len(asked) != len(want)+1 {
			t.Fatalf("%d fetches: %v", len(asked), asked)
		}
		for i, minutes := range want {
			if gap := asked[i+1].Sub(asked[i]); gap != minutes*time.Minute {
				t.Errorf("failure %d: tried again after %s, want %s", i+1, gap, minutes*time.Minute)
			}
		}
		s.down = false
		s.loop(r, 2*time.Hour)
		if status := r.Status()[0]; status.Verdict != mtls.CRLIsFresh || !status.FailingFrom.IsZero() || status.FailedAt.IsZero() || time.Until(status.NextFetch) < 12*time.Hour {
			t.Errorf("when it is back: %+v", status)
		}
	})
}

func TestRefreshAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newIssuing(t)
		var told []mtls.CRLVerdict
		r := s.refresher(func(o *mtls.RefreshOptions) {
			o.OnAlarm = func(_ context.Context, status mtls.CRLStatus) { told = append(told, status.Verdict) }
		})
		known := map[[2]any]mtls.CRLVerdict{}
		look := func(want ...mtls.CRLVerdict) {
			t.Helper()
			told = nil
			r.TellAlarms(t.Context(), known)
			r.TellAlarms(t.Context(), known)
			if len(told) != len(want) || len(want) > 0 && told[0] != want[0] {
				t.Errorf("told %v, want %v", told, want)
			}
		}
		look(mtls.CRLIsMissing)
		if err := r.FetchAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		look(mtls.CRLIsFresh)
		time.Sleep(3 * day)
		look()
		time.Sleep(day + time.Hour)
		look(mtls.CRLIsExpiring)
		time.Sleep(2 * day)
		look(mtls.CRLIsStale)
		if err := r.FetchAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		look(mtls.CRLIsFresh)
	})
}

// Of an authority that splits its CRL by scope, the part that ends first is told
// of, once.
func TestRefreshAlarmsByScope(t *testing.T) {
	h := newHouse(t, nil)
	told := 0
	h.options.OnAlarm = func(_ context.Context, status mtls.CRLStatus) {
		if told++; status.Verdict == mtls.CRLIsFresh {
			t.Errorf("told: %+v", status)
		}
	}
	h.restart()
	h.drop("root", makeCRL(t, h.root, testpki.CRLSpec{}))
	h.drop("whole", h.crl(testpki.CRLSpec{}))
	h.drop("authorities", h.crl(testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{OnlyCACerts: true}, NextUpdate: h.clock().Add(90 * day)}))
	h.refresher.Scan(t.Context())
	h.advance(5 * day)
	known := map[[2]any]mtls.CRLVerdict{{cards, true}: mtls.CRLIsMissing, {roots, false}: mtls.CRLIsFresh}
	for range 3 {
		h.refresher.TellAlarms(t.Context(), known)
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

// Run as the server runs it: a CRL that another process imports, and one that
// is dropped by a copy in two strokes, are in force within moments; logins that
// go on meanwhile never find the evidence missing.
func TestRefreshRun(t *testing.T) {
	h := newHouse(t, nil)
	card, kept := newCard(t, h.pki, testpki.CardSpec{}), newCard(t, h.pki, testpki.CardSpec{})
	h.fetchAll()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { h.refresher.Run(ctx) })
	group.Go(func() {
		for ctx.Err() == nil {
			h.want(kept, "", "meanwhile")
			time.Sleep(time.Millisecond)
		}
	})
	defer group.Wait()
	defer cancel()
	becomes := func(want mtls.Reason, when string) {
		t.Helper()
		for range 200 {
			if h.verdict(card) == want {
				return
			}
			time.Sleep(25 * time.Millisecond)
		}
		t.Errorf("%s: still %q", when, h.verdict(card))
	}
	h.advance(time.Hour)
	h.issuer.Revoke(card.Certificate.SerialNumber, h.clock(), 0)
	der := h.crl(testpki.CRLSpec{})
	h.drop("half.crl", der[:len(der)/2])
	time.Sleep(400 * time.Millisecond)
	h.want(card, "", "while it is being copied")
	h.drop("half.crl", der)
	becomes(mtls.Revoked, "dropped")

	h.issuer.Release(card.Certificate.SerialNumber, h.clock())
	other := h.options
	other.Fetch, other.Drop = nil, ""
	importing, err := mtls.NewRefresher(other)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "brought.crl")
	h.advance(time.Hour)
	if err := os.WriteFile(file, h.crl(testpki.CRLSpec{}), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := importing.Import(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	becomes("", "imported by another process")
}

func TestNewRefresherRefuses(t *testing.T) {
	ca := crlAuthority(t).Certificate
	good := mtls.RefreshOptions{Folder: t.TempDir(), Sources: []mtls.CRLSource{{Name: "ca", Issuer: ca}}}
	for name, alter := range map[string]func(*mtls.RefreshOptions){
		"no folder":          func(o *mtls.RefreshOptions) { o.Folder = "" },
		"a folder not there": func(o *mtls.RefreshOptions) { o.Folder += "/missing" },
		"a source unnamed":   func(o *mtls.RefreshOptions) { o.Sources = []mtls.CRLSource{{Issuer: ca}} },
		"a path for a name":  func(o *mtls.RefreshOptions) { o.Sources = []mtls.CRLSource{{Name: "../ca", Issuer: ca}} },
		"two of one name":    func(o *mtls.RefreshOptions) { o.Sources = append(o.Sources, o.Sources[0]) },
		"a source's issuer":  func(o *mtls.RefreshOptions) { o.Sources = []mtls.CRLSource{{Name: "ca"}} },
	} {
		options := good
		alter(&options)
		if _, err := mtls.NewRefresher(options); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := mtls.NewRefresher(good); err != nil {
		t.Error(err)
	}
}
