package web_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
	"cpsgate/rp"
	"cpsgate/sessions"
	"cpsgate/store"
	"cpsgate/web"
)

const (
	mainOrigin = "https://sso.hopital.test"
	cardOrigin = "https://cps.hopital.test"
)

// house is a whole server over real TLS: a PKI, a store, both listeners.
type house struct {
	t        testing.TB
	pki      *testpki.PKI
	store    *store.Store
	registry *enroll.Registry
	sessions *sessions.Manager
	once     *sessions.Once
	web      *web.Server
	log      *syncBuffer

	mainAddr, cardAddr string
	others             map[string]string // host:port of applications → where they listen

	mu       sync.Mutex // guards what follows
	offset   time.Duration
	lists    mtls.CRLSet
	evidence web.Revocation
}

// plan is what a test wants of its house beyond the usual.
type plan struct {
	options func(*web.Options)
	signs   rp.SignCountPolicy
	limits  map[identity.Method]sessions.Limits
	redis   *sessions.Redis
	policy  enroll.Policy
	ended   func(context.Context, sessions.Session, string) // told of each session's end
	records func(enroll.Records) enroll.Records             // between the registry and its store
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Add(h.offset)
}

// pass lets time go by.
func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.offset += d
}

// CRLs makes the house the verifier's evidence.
func (h *house) CRLs(issuer []byte) []*mtls.CRL {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lists.CRLs(issuer)
}

// shows is what the pages tell of the evidence from now on.
func (h *house) shows(change func(*web.Revocation)) {
	r := h.revocation()
	change(&r)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.evidence = r
}

func (h *house) revocation() web.Revocation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.evidence
}

// publish renews the CRLs of the two authorities that sign persons' cards.
func (h *house) publish() {
	h.t.Helper()
	var lists []*mtls.CRL
	for _, authority := range []*testpki.Authority{h.pki.Issuer(testpki.Fort, testpki.Persons), h.pki.Issuer(testpki.Standard, testpki.Persons)} {
		der, err := authority.CRL(testpki.CRLSpec{ThisUpdate: h.now().Add(-time.Minute)})
		must(h.t, err)
		list, err := mtls.ReadCRL(bytes.NewReader(der), mtls.CRLLimits{})
		must(h.t, err)
		lists = append(lists, list)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lists = mtls.NewCRLSet(lists...)
}

// forgetCRLs leaves the verifier without evidence.
func (h *house) forgetCRLs() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lists = nil
}

// sharedPKI is one for all houses: its authorities sign themselves but once.
// Each house has cards of its own.
var sharedPKI = sync.OnceValues(func() (*testpki.PKI, error) { return testpki.New(testpki.Options{}) })

func newHouse(t testing.TB, plans ...plan) *house {
	t.Helper()
	var p plan
	if len(plans) > 0 {
		p = plans[0]
	}
	h := quietHouse(t)
	h.publish()
	h.wire(p)
	h.mainAddr = h.listen(h.web.Main(), false)
	h.cardAddr = h.listen(h.web.Card(), true)
	return h
}

// wire puts the packages together as cmd/cpsgate does.
func (h *house) wire(p plan) {
	h.t.Helper()
	o := h.assemble(p)
	if p.options != nil {
		p.options(&o)
	}
	var err error
	h.web, err = web.New(o)
	must(h.t, err)
}

// withModels is the plan's policy, under which the software authenticator passes
// for a card's applet: it is of no model, or of the desk's. An empty list stays one.
func (p plan) withModels() enroll.Policy {
	policy := p.policy
	if policy.CardModels == nil {
		policy.CardModels = [][16]byte{{}, model}
	}
	return policy
}

// assemble makes the options of the house's pages and what stands below them.
func (h *house) assemble(p plan) web.Options {
	h.t.Helper()
	log := audit.New(h.store, audit.Options{Now: h.now})
	trust, err := mtls.NewTrust(h.pki.CardIssuers(), nil)
	must(h.t, err)
	verifier, err := mtls.NewVerifier(trust, mtls.Policy{}, h)
	must(h.t, err)
	h.shows(func(r *web.Revocation) { r.Trust, r.Policy = trust, verifier.Policy() })
	party, err := rp.New(rp.Options{ID: "hopital.test", Name: "Hôpital", Origins: []string{mainOrigin}, SignCount: p.signs, Now: h.now})
	must(h.t, err)
	h.sessions, err = sessions.New(sessions.Options{Now: h.now, Limits: p.limits, Redis: p.redis, OnEnded: p.ended, Standing: func(ctx context.Context, s sessions.Session) error {
		return h.registry.Standing(ctx, s.CardTokenID, s.PasskeyID)
	}})
	must(h.t, err)
	records := enroll.Records(h.store)
	if p.records != nil {
		records = p.records(records)
	}
	h.registry, err = enroll.New(records, enroll.Options{
		Audit: log, Now: h.now, Policy: p.withModels(),
		OnCardState: func(ctx context.Context, tokenID string, state identity.CardState) error {
			if state == identity.CardActive {
				return nil
			}
			_, err := h.sessions.EndOfCard(ctx, tokenID)
			return err
		},
		OnPasskeyState: func(ctx context.Context, id []byte, state identity.PasskeyState) error {
			if state == identity.PasskeyActive {
				return nil
			}
			_, err := h.sessions.EndOfPasskey(ctx, id)
			return err
		},
		OnSessionsEnd: func(ctx context.Context, of enroll.Ending) error {
			_, err := h.sessions.EndBefore(ctx, sessions.Whose{Holder: of.Holder, Card: of.Card, Passkey: of.Passkey, Workstation: of.Workstation}, of.Before)
			return err
		},
	})
	must(h.t, err)
	h.once = sessions.NewOnce(sessions.OnceOptions{Now: h.now})
	return web.Options{
		Hospital: "Hôpital d’essai", SupportPhone: "01 99 00 00 00",
		MainOrigin: mainOrigin, CardOrigin: cardOrigin, CardWildcard: true,
		Verifier: verifier, RelyingParty: party, Sessions: h.sessions, Once: h.once, Registry: h.registry, Audit: log, Trail: h.store, Revocation: h.revocation,
		Logger: slog.New(slog.NewJSONHandler(h.log, nil)), Now: h.now,
		Limits: web.Limits{RequestsPerMinute: 100_000, AttemptsPerMinute: 100_000, SignInsPerMinute: 1000},
	}
}

// listen serves a handler over TLS on a free port until the test ends.
func (h *house) listen(handler http.Handler, card bool) string {
	h.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(h.t, err)
	h.serve(listener, handler, card)
	return listener.Addr().String()
}

// serve serves a handler over TLS on a listener until the test ends.
func (h *house) serve(listener net.Listener, handler http.Handler, card bool) {
	h.t.Helper()
	pair, err := h.pki.ServerCertificate("sso.hopital.test", "cps.hopital.test", "*.cps.hopital.test", "sso.localhost", "cps.localhost", "*.cps.localhost")
	must(h.t, err)
	server := &http.Server{Handler: handler, ErrorLog: mtls.ErrorLog(slog.New(slog.DiscardHandler))}
	server.TLSConfig = mtls.ListenerOptions{Certificate: fixed(pair), Now: h.now}.Config()
	if card {
		server.ConnContext = mtls.ConnContext
	} else {
		server.TLSConfig = plainTLS(pair)
	}
	go func() {
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			h.t.Errorf("serving: %v", err)
		}
	}()
	h.t.Cleanup(func() { server.Close() })
}

// events lists the audit, oldest first.
func (h *house) events() []audit.Event {
	h.t.Helper()
	var list []audit.Event
	for event, err := range h.store.Events(h.t.Context(), 0) {
		must(h.t, err)
		list = append(list, event)
	}
	return list
}

// last is the newest audit event of a kind.
func (h *house) last(kind string) audit.Event {
	h.t.Helper()
	list := h.events()
	for i := range list {
		if e := list[len(list)-1-i]; e.Kind == kind {
			return e
		}
	}
	h.t.Fatalf("no %s in the audit", kind)
	return audit.Event{}
}

// refusedFor asserts that the newest event of the kind is a refusal for the reason.
func (h *house) refusedFor(kind, reason string) audit.Event {
	h.t.Helper()
	e := h.last(kind)
	if e.Outcome != audit.Refused || e.Reason != reason {
		h.t.Errorf("audit says %s %s (%s), want refused %s", e.Outcome, e.Reason, e.Detail, reason)
	}
	return e
}

func (h *house) card(spec testpki.CardSpec) *testpki.Card {
	h.t.Helper()
	if spec.FamilyName == "" {
		spec.FamilyName, spec.GivenName, spec.Profession = "EXEMPLE", "Camille", 60
	}
	spec.WithoutSignature = true // slow to sign, and one test alone wants it
	card, err := h.pki.Card(spec)
	must(h.t, err)
	return card
}

func (h *house) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(h.pki.ServerRoot())
	return pool
}

func paris() *time.Location {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err) // package web embeds the zones
	}
	return zone
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func withoutWildcard(o *web.Options) { o.CardWildcard = false }

// quietHouse is a house without listeners.
func quietHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, log: &syncBuffer{}}
	var err error
	h.pki, err = sharedPKI()
	must(t, err)
	h.store, err = store.Open(t.Context(), filepath.Join(t.TempDir(), store.FileName))
	must(t, err)
	t.Cleanup(func() { h.store.Close() })
	return h
}
