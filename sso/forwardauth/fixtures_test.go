package forwardauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
	"cpsgate/sso/forwardauth"
)

const (
	signOn  = "https://sso.hopital.example"
	records = "https://dossier.hopital.example"
	stock   = "https://stock.hopital.example:8443"

	nurse  = identity.PSIdNat("899700000017")
	doctor = identity.PSIdNat("899700000025")
)

var (
	start      = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	errStore   = errors.New("the store does not answer")
	errUnknown = errors.New("nobody")
)

// gatehouse is a Gate over real sessions, with people that tests change.
type gatehouse struct {
	*forwardauth.Gate
	t        testing.TB
	sessions *sessions.Manager
	once     *sessions.Once

	mu     sync.Mutex // guards what follows
	at     time.Time
	people map[identity.PSIdNat]identity.Professional
	broken error // of people
	finds  int
	reads  int
	signed int
}

func (h *gatehouse) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *gatehouse) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

func (h *gatehouse) person(_ context.Context, id identity.PSIdNat) (identity.Professional, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads++
	if h.broken != nil {
		return identity.Professional{}, h.broken
	}
	p, found := h.people[id]
	if !found {
		return p, errUnknown
	}
	return p, nil
}

// sign marks the claims, in place of a signature.
func (h *gatehouse) sign(_ context.Context, claims any) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.signed++
	b, err := json.Marshal(claims)
	return "signed:" + string(b), err
}

func newGatehouse(t testing.TB, applications ...forwardauth.Application) *gatehouse {
	t.Helper()
	h := &gatehouse{t: t, at: start, people: map[identity.PSIdNat]identity.Professional{
		nurse:  {IdNat: nurse, FamilyName: "EXEMPLE", GivenName: "Zoé", Profession: 60},
		doctor: {IdNat: doctor, FamilyName: "MODÈLE", GivenName: "Alix", Profession: 10, Specialties: []string{"SM26"}, Structure: "10B0057881", Roles: []identity.Role{identity.RoleOperator, identity.RoleAdmin}},
	}}
	var err error
	if h.sessions, err = sessions.New(sessions.Options{Now: h.now, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	h.once = sessions.NewOnce(sessions.OnceOptions{Now: h.now})
	if applications == nil {
		applications = []forwardauth.Application{{Origin: records}, {Origin: stock}}
	}
	if h.Gate, err = forwardauth.New(h.options(applications)); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *gatehouse) options(applications []forwardauth.Application) forwardauth.Options {
	return forwardauth.Options{
		SignOn: signOn, EnterPath: "/forward-auth/enter", Applications: applications,
		Key: bytes.Repeat([]byte{7}, forwardauth.KeySize), Once: h.once,
		Find: func(ctx context.Context, token string) (sessions.Session, error) {
			h.mu.Lock()
			h.finds++
			h.mu.Unlock()
			return h.sessions.Find(ctx, token)
		},
		Person: h.person, Unknown: func(err error) bool { return errors.Is(err, errUnknown) },
		Sign:    h.sign,
		Context: func(s sessions.Session) (string, []string) { return "level-" + string(s.Method), []string{"sc", "pin"} },
		Now:     h.now,
	}
}

func (h *gatehouse) open(s sessions.Session) string {
	h.t.Helper()
	token, _, err := h.sessions.Open(h.t.Context(), s)
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

func byCard(who identity.PSIdNat) sessions.Session {
	return sessions.Session{Holder: who, Method: identity.MethodCPS, CardTokenID: "8025000001/0000000001"}
}

func byPasskey(who identity.PSIdNat, proof identity.ProofKind) sessions.Session {
	return sessions.Session{Holder: who, Method: identity.MethodFIDO2, PasskeyID: []byte("key"), Proof: proof}
}

// cookieFor hands an open session over to an application, as its browser does.
func (h *gatehouse) cookieFor(origin, token string) string {
	h.t.Helper()
	authority := strings.TrimPrefix(origin, "https://")
	to, secret, err := h.Begin(authority, "/", "")
	if err != nil {
		h.t.Fatal(err)
	}
	back, err := h.Admit(h.t.Context(), query(h.t, to, "return"), query(h.t, to, "state"), token)
	if err != nil {
		h.t.Fatal(err)
	}
	cookie, _, err := h.Finish(h.t.Context(), authority, query(h.t, back, "code"), secret)
	if err != nil {
		h.t.Fatal(err)
	}
	return cookie
}

func query(t testing.TB, address, name string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get(name)
}

func ask(origin, uri, cookie string) forwardauth.Query {
	return forwardauth.Query{Scheme: "https", Host: strings.TrimPrefix(origin, "https://"), URI: uri, Cookie: cookie}
}

// wantRefusal asserts a refusal for the reason; "" wants none.
func wantRefusal(t testing.TB, err error, want forwardauth.Reason) {
	t.Helper()
	var refused *forwardauth.Refusal
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && (!errors.As(err, &refused) || refused.Reason != want):
		t.Errorf("%v, want refused %s", err, want)
	}
}
