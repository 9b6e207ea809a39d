package mtls_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// TestRefreshFollows: an authority that comes with a reload of the trust has
// its CRLs taken and fetched with no restart; one that leaves has them dropped.
func TestRefreshFollows(t *testing.T) {
	h := newHouse(t, nil)
	all := h.options.Sources
	h.options.Sources = all[:1]
	h.restart()
	h.drop("root", makeCRL(t, h.root, testpki.CRLSpec{}))
	h.refresher.Scan(t.Context())
	h.fetchAll()
	card := newCard(t, h.pki, testpki.CardSpec{})
	h.want(card, mtls.RevocationUnavailable, "without the root's list")
	if refused := h.refresher.Refused(); refused != nil {
		t.Errorf("a list that nobody wants is told as refused: %+v", refused)
	}
	h.drop("page", []byte("<html>"))
	h.refresher.Scan(t.Context())
	if refused := h.refresher.Refused(); refused == nil || !strings.HasSuffix(refused.File, "page") || !strings.Contains(refused.Why, "malformed") {
		t.Errorf("the file that was not taken: %+v", refused)
	}
	if err := os.Remove(filepath.Join(h.options.Drop, "page")); err != nil {
		t.Fatal(err)
	}
	if h.refresher.Scan(t.Context()); h.refresher.Refused() != nil {
		t.Error("told of a file that was taken away")
	}
	follow := func(sources []mtls.CRLSource) {
		t.Helper()
		if err := h.refresher.Follow(t.Context(), sources); err != nil {
			t.Fatal(err)
		}
	}
	follow(all)
	h.want(card, "", "with the root's list, which lay in the drop folder")
	if err := h.refresher.Follow(t.Context(), append(all, mtls.CRLSource{Name: cards})); err == nil || len(h.refresher.Status()) != 3 {
		t.Errorf("a source without issuer: %v, %+v", err, h.refresher.Status())
	}
	follow(all[1:])
	h.want(card, mtls.RevocationUnavailable, "with the root alone")
	if s := h.refresher.Status(); len(s) != 1 || s[0].Authority != roots {
		t.Errorf("status %+v", s)
	}
	follow(all)
	h.want(card, "", "when it comes again, from the copies on disk")
}

// TestRefreshFetchesWhatComes: the running Refresher fetches for an authority
// from when it follows it.
func TestRefreshFetchesWhatComes(t *testing.T) {
	h := newHouse(t, nil)
	all := h.options.Sources
	h.options.Sources = all[:1]
	h.restart()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); h.refresher.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	if err := h.refresher.Follow(ctx, all); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); h.status(roots, false).Verdict != mtls.CRLIsFresh; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not fetched: %+v", h.status(roots, false))
		}
	}
}

// TestDropDeltaFirst: a delta whose name sorts before its base's counts all
// the same, in one look at the folder or when the base comes later.
func TestDropDeltaFirst(t *testing.T) {
	h := newHouse(t, nil)
	h.drop("root", makeCRL(t, h.root, testpki.CRLSpec{}))
	base := h.crl(testpki.CRLSpec{})
	card := newCard(t, h.pki, testpki.CardSpec{})
	h.advance(time.Hour)
	h.issuer.Revoke(card.Certificate.SerialNumber, h.clock(), testpki.ReasonKeyCompromise)
	delta, err := h.issuer.DeltaCRL(testpki.CRLSpec{})
	if err != nil {
		t.Fatal(err)
	}
	h.drop("a-delta", delta)
	h.refresher.Scan(t.Context())
	h.want(card, mtls.RevocationUnavailable, "the delta alone")
	h.drop("base", base)
	h.refresher.Scan(t.Context())
	h.want(card, mtls.Revoked, "the base and, from before, its delta")
}

// TestRefreshSourceLeaves: a CRL whose authority leaves the trust while its
// signature is verified is not put in force, where nobody would look after it.
func TestRefreshSourceLeaves(t *testing.T) {
	h := newHouse(t, nil)
	all := h.options.Sources
	list := readCRL(t, h.crl(testpki.CRLSpec{}))
	err := h.refresher.Place(list, func() {
		if err := h.refresher.Follow(t.Context(), all[1:]); err != nil {
			t.Fatal(err)
		}
	})
	if err == nil || len(h.refresher.CRLs(h.issuer.Certificate.RawSubject)) > 0 {
		t.Errorf("in force, of an authority that has left: %v", err)
	}
	if err := h.refresher.Follow(t.Context(), all); err != nil || len(h.refresher.Status()) != 3 {
		t.Errorf("when it comes again: %v", err)
	}
}

// TestRefreshFollowsWhileCRLsCome: for the race detector.
func TestRefreshFollowsWhileCRLsCome(t *testing.T) {
	h := newHouse(t, nil)
	h.drop("root", makeCRL(t, h.root, testpki.CRLSpec{}))
	h.drop("list", h.crl(testpki.CRLSpec{}))
	all := h.options.Sources
	var group sync.WaitGroup
	group.Go(func() {
		for range 20 {
			_, _ = h.refresher.Import(t.Context(), filepath.Join(h.options.Drop, "list"))
			h.refresher.Status()
		}
	})
	for i := range 20 {
		if err := h.refresher.Follow(t.Context(), all[i%2:]); err != nil {
			t.Error(err)
		}
	}
	group.Wait()
	if err := h.refresher.Follow(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	h.want(newCard(t, h.pki, testpki.CardSpec{}), "", "in the end")
}
