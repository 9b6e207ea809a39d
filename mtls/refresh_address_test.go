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
