package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
)

// TestSessionEndsByOCSP: a responder calls the card's certificate revoked, no
// CRL does, and nobody signs in: card and session follow once the answer that
// let the holder in is out of date.
func TestSessionEndsByOCSP(t *testing.T) {
	var answers http.Handler
	var asked atomic.Int64
	responder := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		answers.ServeHTTP(w, r)
	}))
	t.Cleanup(responder.Close)
	r := serveDemo(t, func(c *Config) {
		c.Trust.Authorities = []AuthorityConfig{{Issuer: "TEST AC IGC-SANTE FORT PERSONNES", Stale: "refuse", OCSP: "always"}}
		c.OCSP.Hosts, c.OCSP.Responders = []string{strings.TrimPrefix(responder.URL, "http://")}, []string{responder.URL}
	})
	authority := r.pki.Issuer(testpki.Fort, testpki.Persons)
	answers = r.pki.OCSP(authority)
	client := r.signedIn(t)
	if asked.Load() == 0 {
		t.Fatal("the responder was not asked at the door")
	}

	r.program.judge.askAgain(t.Context(), r.program.registry)
	if path, _, _ := get(t, client, r.Main+"/account"); path != "/account" {
		t.Fatalf("a good card's session ended: %s", path)
	}
	authority.Revoke(r.card(t, "good").Leaf.SerialNumber, r.now(), testpki.ReasonKeyCompromise)
	r.offset.Add(int64(11 * time.Minute)) // the answer held is out of date
	r.program.judge.askAgain(t.Context(), r.program.registry)
	r.ends(t, client, 2*time.Second)
	card, err := r.program.registry.Card(t.Context(), "8025000001/2600000001")
	if err != nil || card.State != identity.CardSuspended {
		t.Errorf("%+v %v", card, err)
	}
	t.Run("a card that nobody uses any more is not asked about", func(t *testing.T) {
		r.offset.Add(int64(11 * time.Hour))
		before := asked.Load()
		r.program.judge.askAgain(t.Context(), r.program.registry)
		if n := asked.Load() - before; n != 0 {
			t.Errorf("%d questions", n)
		}
	})
}

// TestOCSPWatchIsBounded: what is noted beyond the bound is left to the door.
func TestOCSPWatchIsBounded(t *testing.T) {
	w := ocspWatch{stands: time.Hour}
	now := time.Now()
	for i := range maxWatched + 10 {
		w.note(identity.Certificate{IssuerKey: "aa", Serial: fmt.Sprint(i)}, now)
	}
	w.note(identity.Certificate{IssuerKey: "aa", Serial: "1"}, now.Add(time.Minute))
	if n := len(w.list(now)); n != maxWatched {
		t.Errorf("%d certificates", n)
	}
	if n := len(w.list(now.Add(time.Hour + time.Second))); n != 1 {
		t.Errorf("%d certificates past their time", n)
	}
}
