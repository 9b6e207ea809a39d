package mtls_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/big"
	"testing"
	"testing/synctest"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// serving answers any fetch with these octets, and gives up the loop when it
// turns without rest.
func (s *issuing) serving(der []byte) func(context.Context, string, mtls.Validators) (*mtls.Fetched, error) {
	return func(context.Context, string, mtls.Validators) (*mtls.Fetched, error) {
		if s.asked = append(s.asked, time.Now()); len(s.asked) > 100 {
			return nil, context.Canceled
		}
		return &mtls.Fetched{ReadCloser: io.NopCloser(bytes.NewReader(der))}, nil
	}
}

func (s *issuing) delta(spec testpki.CRLSpec) []byte {
	s.t.Helper()
	der, err := s.ca.DeltaCRL(spec)
	if err != nil {
		s.t.Fatal(err)
	}
	return der
}

// TestRefreshDeltaInTheCompletePlace: it is a failure, with the back-off of any
// other, whether it fits what is held or not.
func TestRefreshDeltaInTheCompletePlace(t *testing.T) {
	for name, held := range map[string]bool{"with nothing held": false, "with its base held": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newIssuing(t)
				morning := time.Now().UTC().Truncate(day)
				base := big.NewInt(morning.Unix())
				delta := s.delta(testpki.CRLSpec{Base: base, Number: big.NewInt(base.Int64() + 1), ThisUpdate: morning})
				serve := s.fetch
				r := s.refresher(func(o *mtls.RefreshOptions) {
					o.Fetch = func(ctx context.Context, address string, v mtls.Validators) (*mtls.Fetched, error) {
						return serve(ctx, address, v)
					}
				})
				if held {
					if err := r.FetchAll(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				serve = s.serving(delta)
				if err := r.Fetch(t.Context(), "ca", false); !errors.Is(err, mtls.CRLOtherKind) {
					t.Errorf("a delta: %v", err)
				}
				if asked := s.loop(r, 6*time.Hour); len(asked) > 12 {
					t.Errorf("%d fetches in six hours", len(asked))
				}
				if status := r.Status(); len(status) != 1 || status[0].FailingFrom.IsZero() {
					t.Errorf("%+v", status)
				}
			})
		})
	}
}

// TestRefreshCompleteInTheDeltaPlace: the same the other way round.
func TestRefreshCompleteInTheDeltaPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newIssuing(t)
		r := s.refresher(func(o *mtls.RefreshOptions) { o.Sources[0].DeltaURLs = []string{"http://crl.example/delta"} })
		if err := r.Fetch(t.Context(), "ca", true); !errors.Is(err, mtls.CRLOtherKind) {
			t.Errorf("a complete CRL: %v", err)
		}
	})
}

// mirrored is an authority that publishes at two addresses.
type mirrored struct {
	*issuing
	frozen map[string]time.Time // since when an address has had nothing newer
	down   map[string]bool
	tagged bool                // the addresses speak of entity tags
	asked  map[string][]string // the tags that each was asked with
	r      *mtls.Refresher
}

const mirror, origin = "http://mirror.example/", "http://origin.example/"

func newMirrored(t *testing.T) *mirrored {
	m := &mirrored{issuing: newIssuing(t), frozen: map[string]time.Time{}, down: map[string]bool{}, asked: map[string][]string{}}
	m.r = m.refresher(func(o *mtls.RefreshOptions) {
		o.Fetch = m.fetch
		o.Sources[0].URLs = []string{mirror, origin}
	})
	return m
}

func (m *mirrored) fetch(_ context.Context, address string, held mtls.Validators) (*mtls.Fetched, error) {
	m.asked[address] = append(m.asked[address], held.ETag)
	if m.down[address] {
		return nil, &mtls.FetchError{Fault: mtls.FetchUnreachable, URL: address}
	}
	morning := time.Now().UTC().Truncate(day)
	if since := m.frozen[address]; !since.IsZero() {
		morning = since.UTC().Truncate(day)
	}
	var validators mtls.Validators
	if m.tagged {
		validators.ETag = address + morning.String()
		if held == validators {
			return nil, &mtls.FetchError{Fault: mtls.FetchNotModified, URL: address}
		}
	}
	der := makeCRL(m.t, m.ca, testpki.CRLSpec{Number: big.NewInt(morning.Unix()), ThisUpdate: morning})
	return &mtls.Fetched{ReadCloser: io.NopCloser(bytes.NewReader(der)), Validators: validators}, nil
}

// TestRefreshFrozenMirror: a first address that has nothing newer, and says so
// with or without entity tags, does not shadow the second.
func TestRefreshFrozenMirror(t *testing.T) {
	for name, tagged := range map[string]bool{"without tags": false, "with tags": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMirrored(t)
				m.tagged = tagged
				m.frozen[mirror] = time.Now()
				for range 3 {
					if err := m.r.FetchAll(t.Context()); err != nil {
						t.Fatal(err)
					}
					if len(m.asked[origin]) > 0 {
						t.Fatal("the origin is asked while the mirror's list is of today")
					}
					time.Sleep(6 * time.Hour)
				}
				m.loop(m.r, 10*day)
				if s := m.r.Status()[0]; s.Verdict != mtls.CRLIsFresh || time.Since(s.ThisUpdate) > 2*day || !s.FailingFrom.IsZero() {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// TestRefreshAllFrozen: what every address confirms counts as fetched until it
// is past its nextUpdate, and is downloaded once from each.
func TestRefreshAllFrozen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMirrored(t)
		m.tagged = true
		m.frozen[mirror], m.frozen[origin] = time.Now(), time.Now()
		for range 5 {
			if err := m.r.FetchAll(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(day)
		}
		for address, tags := range m.asked {
			for i, tag := range tags {
				if (tag == "") != (i == 0) {
					t.Errorf("%s was asked with %q", address, tags)
				}
			}
		}
		if len(m.asked[origin]) != 3 {
			t.Errorf("the origin was asked %d times", len(m.asked[origin]))
		}
		time.Sleep(2 * day)
		if err := m.r.FetchAll(t.Context()); !errors.Is(err, mtls.CRLStale) {
			t.Errorf("past nextUpdate: %v", err)
		}
		if s := m.r.Status()[0]; s.Verdict != mtls.CRLIsStale || s.FailingFrom.IsZero() || time.Until(s.NextFetch) > time.Minute {
			t.Errorf("%+v", s)
		}
	})
}

// TestRefreshStaleFirst: a stale list from the first address is no reason to
// stop there, and an origin out of reach none to fail while the list is good.
func TestRefreshStaleFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMirrored(t)
		m.frozen[mirror] = time.Now().Add(-10 * day)
		if err := m.r.FetchAll(t.Context()); err != nil {
			t.Error(err)
		}
		if s := m.r.Status()[0]; s.Verdict != mtls.CRLIsFresh || s.Source != origin {
			t.Errorf("%+v", s)
		}
		delete(m.frozen, mirror)
		time.Sleep(day)
		if err := m.r.FetchAll(t.Context()); err != nil {
			t.Error(err)
		}
		m.frozen[mirror], m.down[origin] = time.Now(), true
		time.Sleep(2 * day)
		if err := m.r.FetchAll(t.Context()); err != nil || m.r.Status()[0].Source != mirror {
			t.Errorf("the mirror alone: %v", err)
		}
	})
}
