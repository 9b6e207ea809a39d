package web_test

import (
	"crypto/rand"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/internal/redislab"
	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
	"cpsgate/sessions"
	"cpsgate/web"
)

func redisOf(t *testing.T, server *redislab.Server, prefix string) *sessions.Redis {
	t.Helper()
	return watchedRedis(t, server, prefix, nil)
}

// watchedRedis tells of each round trip, a pipeline being one.
func watchedRedis(t *testing.T, server *redislab.Server, prefix string, see func(commands int, took time.Duration, err error)) *sessions.Redis {
	t.Helper()
	r, err := sessions.OpenRedis(sessions.RedisOptions{URL: server.URL(), Prefix: prefix, Observe: see})
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

// onRedis is a house whose sessions and codes lie in Redis.
func onRedis(r *sessions.Redis, more func(*web.Options)) plan {
	return plan{redis: r, options: func(o *web.Options) {
		o.Once, o.Counter, o.Ready = r.Once(sessions.OnceOptions{}), r, r.Ready
		if more != nil {
			more(o)
		}
	}}
}

// TestRedisAwayIsTold: nobody gets in and nobody is signed out; pages say so,
// look again by themselves, and go on when it is back.
func TestRedisAwayIsTold(t *testing.T) {
	server := redislab.Start(t)
	h := newHouse(t, onRedis(redisOf(t, server, "test:"+rand.Text()+":"), nil))
	b := h.browser().with(h.card(testpki.CardSpec{}))
	b.signIn()
	must(t, server.Freeze())
	a := b.get("/account")
	a.says(t, http.StatusServiceUnavailable, "Nous ne pouvons pas vérifier votre session pour le moment", "Vous n’êtes pas déconnecté", "elle réessaie toute seule")
	if a.header.Get("Retry-After") != "5" || !strings.Contains(a.body, `<meta http-equiv="refresh" content="5">`) || b.cookie("__Host-cps-session") == "" {
		t.Errorf("it does not look again: %v\n%s", a.header, a.body)
	}
	script := b.script("/account/passkeys/options", struct{}{})
	script.refuses(t, http.StatusServiceUnavailable, "sessions-away")
	form := b.submit("/account/sessions/end-others", nil)
	form.says(t, http.StatusServiceUnavailable, "Attendez quelques secondes, puis recommencez.")
	if strings.Contains(script.body, "Laissez cette page ouverte") || strings.Contains(form.body, `http-equiv="refresh"`) {
		t.Errorf("what does not try again says so: %s", script.body)
	}
	stranger := h.browser().with(h.card(testpki.CardSpec{}))
	stranger.get("/login/card").says(t, http.StatusServiceUnavailable, "Nous ne pouvons pas vérifier")
	stranger.get("/").says(t, http.StatusOK, "Se connecter")
	must(t, server.Thaw())
	for end := time.Now().Add(20 * time.Second); b.get("/account").status != http.StatusOK; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not heal")
		}
	}
	b.signedIn()
	stranger.signIn()
}

// TestRatesHoldAcrossNodes: what an address uses up on one node is used up on
// the others.
func TestRatesHoldAcrossNodes(t *testing.T) {
	server := redislab.Start(t)
	prefix := "test:" + rand.Text() + ":"
	few := func(o *web.Options) { o.Limits.AttemptsPerMinute = 10 }
	one, two := newHouse(t, onRedis(redisOf(t, server, prefix), few)), newHouse(t, onRedis(redisOf(t, server, prefix), few))
	attempt := func(h *house) int { return h.browser().get("/login/card").status }
	for range 9 {
		if status := attempt(one); status != http.StatusSeeOther {
			t.Fatal(status)
		}
	}
	if status := attempt(two); status != http.StatusSeeOther {
		t.Fatal(status)
	}
	for range 2 { // one tells, the other hears
		web.ShareRates(t.Context(), one.web)
		web.ShareRates(t.Context(), two.web)
	}
	for name, h := range map[string]*house{"one": one, "two": two} {
		if status := attempt(h); status != http.StatusTooManyRequests {
			t.Errorf("node %s answers %d", name, status)
		}
	}
	server.Kill() // each holds to its own from now on
	web.ShareRates(t.Context(), one.web)
	if status := attempt(one); status != http.StatusTooManyRequests {
		t.Errorf("without Redis: %d", status)
	}
}

// TestRoundTripsOfAPasskeyLogin: what a whole login asks of Redis, from the
// options to the first page, through all that is between.
func TestRoundTripsOfAPasskeyLogin(t *testing.T) {
	server := redislab.Start(t)
	var trips, commands atomic.Int64
	r := watchedRedis(t, server, "test:"+rand.Text()+":", func(n int, _ time.Duration, _ error) {
		trips.Add(1)
		commands.Add(int64(n))
	})
	h, b, _, key := enrolled(t, onRedis(r, nil))
	login := func(what string, count uint32, most int64) {
		t.Helper()
		trips.Store(0)
		commands.Store(0)
		if a := b.useKey(key, softkey.SignCount(count)); a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", what, a.status, a.body)
		}
		in := trips.Load()
		if a := b.get("/"); a.header.Get("Location") != "/account" {
			t.Fatalf("%s: not signed in: %d", what, a.status)
		}
		t.Logf("%s: %d round trips to be let in, %d with the first page; %d commands", what, in, trips.Load(), commands.Load())
		if trips.Load() > most {
			t.Errorf("%s takes %d round trips, not %d", what, trips.Load(), most)
		}
	}
	login("in a browser that is signed out", 6, 4)
	b.submit("/logout", nil)
	login("once more", 7, 4)
	stale := b.cookie("__Host-cps-session")
	if _, err := h.sessions.EndOfHolder(t.Context(), h.last(audit.KindLoginFIDO2).Subject); err != nil {
		t.Fatal(err)
	}
	b.setCookie("__Host-cps-session", stale)
	login("in a browser whose session has ended elsewhere", 8, 5)
}
