package web_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/sessions"
	"cpsgate/sso/forwardauth"
	"cpsgate/web"
)

const (
	dossier = "https://dossier.hopital.test"
	stock   = "https://stock.hopital.test"
)

// applications are two hosts behind proxies on this machine.
func applications() []forwardauth.Application {
	return []forwardauth.Application{
		{Origin: dossier, Rules: []forwardauth.Rule{
			{Path: "/"},
			{Path: "/admin", Roles: []identity.Role{identity.RoleAdmin}},
			{Path: "/carte", Demand: sessions.Demand{Methods: []identity.Method{identity.MethodCPS}}},
			{Path: "/signature", Demand: sessions.Demand{MaxAge: 5 * time.Minute}},
		}},
		{Origin: stock},
	}
}

// forwarding is a house whose applications are behind proxies.
func forwarding(t testing.TB, changes ...func(*web.Options)) *house {
	t.Helper()
	return newHouse(t, plan{options: func(o *web.Options) {
		forwardedBy(t, o)
		for _, change := range changes {
			change(o)
		}
	}})
}

// forwardedBy adds the applications to what a house's pages are made of.
func forwardedBy(t testing.TB, o *web.Options) {
	t.Helper()
	gate, err := forwardauth.New(forwardauth.Options{
		SignOn: o.MainOrigin, EnterPath: web.PathForwardEnter, Applications: applications(),
		Key: bytes.Repeat([]byte{7}, forwardauth.KeySize), Once: o.Once,
		Find: o.Sessions.Find, Person: o.Registry.Professional,
		Unknown: func(err error) bool { return errors.Is(err, enroll.ErrNotFound) },
		Sign:    signature, Context: func(s sessions.Session) (string, []string) { return "fort", []string{"sc", "pin"} }, Now: o.Now,
	})
	must(t, err)
	o.ForwardAuth = &web.ForwardAuth{Gate: gate, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
}

// answering lets a handler answer at an address until the test ends.
func (h *house) answering(handler http.Handler) string {
	h.t.Helper()
	server := httptest.NewServer(handler)
	h.t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// application is what stands behind a proxy: it tells what reaches it.
type application struct {
	mu      sync.Mutex // guards the two below
	reached []string   // addresses, as they came
	status  int        // what it answers; 0: 200
}

// seen is what the application says it got.
type seen struct {
	URI    string
	Body   string
	Header http.Header
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.reached = append(a.reached, r.RequestURI)
	status := cmp.Or(a.status, http.StatusOK)
	a.mu.Unlock()
	var body bytes.Buffer
	_, _ = body.ReadFrom(r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(seen{r.RequestURI, body.String(), r.Header})
}

// answers sets the status of its answers.
func (a *application) answers(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status = status
}

// forget gives what has reached the application since the last time.
func (a *application) forget() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.reached
	a.reached = nil
	return list
}

// identityFields are the fields that tell who someone is, under any spelling.
func (s seen) identityFields() map[string][]string {
	fields := map[string][]string{}
	for name, values := range s.Header {
		plain := strings.ReplaceAll(strings.ToLower(name), "_", "-")
		if strings.HasPrefix(plain, "remote-") || strings.HasPrefix(plain, "x-cpsgate-") {
			fields[name] = values
		}
	}
	return fields
}

// signature marks claims, in place of a signature.
func signature(_ context.Context, claims any) (string, error) {
	b, err := json.Marshal(claims)
	return "signed." + base64.RawURLEncoding.EncodeToString(b), err
}
