package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/mtls"
	"cpsgate/rp"
	"cpsgate/sessions"
	"cpsgate/store"
	"cpsgate/web"
)

const origin = "https://sso.hopital.test"

// house is a server with its database, and somebody signed in who may see all.
type house struct {
	folder string
	store  *store.Store
	main   http.Handler
	cookie string
	people int
	middle string // the cursor in the middle of the directory
}

// nobody refuses every certificate: no page here needs one.
type nobody struct{}

func (nobody) Verify(mtls.Leaf, time.Time) (identity.Cardholder, error) {
	return identity.Cardholder{}, errors.New("not measured here")
}

func (nobody) Recheck(identity.Certificate, time.Time) error { return nil }

// openHouse makes a database with so many people in a folder of its own.
func openHouse(ctx context.Context, people int) (_ *house, err error) {
	h := &house{people: people}
	if h.folder, err = os.MkdirTemp("", "cpsgate-lists-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if h.store, err = store.Open(ctx, filepath.Join(h.folder, store.FileName)); err != nil {
		return nil, err
	}
	log := audit.New(h.store, audit.Options{})
	registry, err := enroll.New(h.store, enroll.Options{Audit: log})
	if err != nil {
		return nil, err
	}
	if err := fill(ctx, h.store, registry, log, people); err != nil {
		return nil, err
	}
	if h.middle, err = middleOf(ctx, registry, people); err != nil {
		return nil, err
	}
	return h, h.serve(ctx, registry, log)
}

func (h *house) serve(ctx context.Context, registry *enroll.Registry, log *audit.Log) error {
	manager, err := sessions.New(sessions.Options{})
	if err != nil {
		return err
	}
	party, err := rp.New(rp.Options{ID: "hopital.test", Name: "Hôpital", Origins: []string{origin}})
	if err != nil {
		return err
	}
	server, err := web.New(web.Options{
		Hospital: "Hôpital", MainOrigin: origin, CardOrigin: "https://cps.hopital.test", Verifier: nobody{}, RelyingParty: party,
		Sessions: manager, Once: sessions.NewOnce(sessions.OnceOptions{}), Registry: registry, Audit: log, Trail: h.store,
		Limits: web.Limits{RequestsPerMinute: 10_000_000}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	h.main = server.Main()
	h.cookie, _, err = manager.Open(ctx, sessions.Session{Holder: chief, Method: identity.MethodCPS})
	return err
}

func (h *house) close() {
	if h.store != nil {
		_ = h.store.Close() // it goes with its folder
	}
	_ = os.RemoveAll(h.folder)
}

// page is one list, and a word that shows it holds rows.
type page struct{ name, path, holds string }

func (h *house) pages() []page {
	day := url.Values{"from": {begin.Format(time.DateOnly)}, "to": {begin.Format(time.DateOnly)}}
	return []page{
		{"people, first page", "/desk/people", "EXEMPLE"},
		{"people, from the middle on", "/desk/people?" + url.Values{"after": {h.middle}}.Encode(), "EXEMPLE"},
		{"people by name", "/desk/people?q=exemple", "EXEMPLE"},
		{"people by number", "/desk/people?q=" + rpps(7), "EXEMPLE"},
		{"one person", "/desk/people/8" + rpps(7), "EXEMPLE"},
		{"the queue", "/desk", "EXEMPLE"},
		{"audit, latest", "/audit", "8997"},
		{"audit of a person", "/audit?person=8" + rpps(7), rpps(7)},
		{"audit of a day, one kind", "/audit?kind=" + audit.KindLoginCPS + "&" + day.Encode(), "8997"},
	}
}

// ask gives the time to answer a page.
func (h *house) ask(p page) (time.Duration, error) {
	r := httptest.NewRequest(http.MethodGet, origin+p.path, nil)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Cookie", "__Host-cps-session="+h.cookie)
	w := httptest.NewRecorder()
	start := time.Now()
	h.main.ServeHTTP(w, r)
	took := time.Since(start)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		return 0, err
	}
	if w.Code != http.StatusOK || !strings.Contains(string(body), p.holds) {
		return 0, fmt.Errorf("status %d, %d bytes, without %q", w.Code, len(body), p.holds)
	}
	return took, nil
}
