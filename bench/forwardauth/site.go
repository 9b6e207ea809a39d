package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/redislab"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
	"cpsgate/rp"
	"cpsgate/sessions"
	"cpsgate/sso"
	"cpsgate/sso/forwardauth"
	"cpsgate/store"
	"cpsgate/web"
)

const (
	signOn    = "https://sso.hopital.example"
	dossier   = "https://dossier.hopital.example"
	checkPath = "/forward-auth"
	people    = 100
)

// site is a Redis with sessions in it, and the servers before it.
type site struct {
	folder   string
	sessions int
	redis    *redislab.Server
	tokens   []string
	requests map[string]string // by server: the file of requests
	running  map[string]*running
}

func newSite(count int) (s *site, err error) {
	s = &site{sessions: count, requests: map[string]string{}, running: map[string]*running{}}
	if s.folder, err = os.MkdirTemp("", "bench-forwardauth-"); err != nil {
		return nil, err
	}
	if s.redis, err = redislab.Launch(s.folder); err != nil {
		return nil, err
	}
	if err := s.seed(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *site) close() {
	for _, r := range s.running {
		_ = r.command.Process.Signal(syscall.SIGTERM)
		_ = r.command.Wait()
	}
	s.redis.Kill()
	os.RemoveAll(s.folder)
}

// openSessions is the manager over Redis, as cpsgate serve has it.
func openSessions(url string, observe func(int, time.Duration, error)) (*sessions.Manager, *sessions.Redis, error) {
	r, err := sessions.OpenRedis(sessions.RedisOptions{URL: url, Observe: observe})
	if err != nil {
		return nil, nil, err
	}
	m, err := sessions.New(sessions.Options{Redis: r, Log: slog.New(slog.DiscardHandler)})
	return m, r, err
}

// seed leaves sessions in Redis, and a request of each for both servers of ours.
func (s *site) seed() error {
	m, _, err := openSessions(s.redis.URL(), nil)
	if err != nil {
		return err
	}
	once := sessions.NewOnce(sessions.OnceOptions{})
	gate, err := newGate(m, func(context.Context, identity.PSIdNat) (identity.Professional, error) {
		return identity.Professional{}, nil
	}, unsigned, once)
	if err != nil {
		return err
	}
	client, err := plainRedis(s.redis.URL())
	if err != nil {
		return err
	}
	defer client.Close()
	var checks, plain []string
	for i := range s.sessions {
		token, opened, err := m.Open(context.Background(), sessions.Session{
			Holder: person(i), Method: identity.MethodFIDO2, CardTokenID: fmt.Sprintf("8025000001/%010d", i%people), PasskeyID: bytes.Repeat([]byte{byte(i)}, 32),
			Proof: identity.ProofSameCard, Address: "192.0.2.7", Workstation: "poste-117",
		})
		if err != nil {
			return err
		}
		cookie, err := handOver(gate, token)
		if err != nil {
			return err
		}
		text, err := json.Marshal(opened)
		if err != nil {
			return err
		}
		if err := client.Set(context.Background(), plainKey(token), text, time.Hour).Err(); err != nil {
			return err
		}
		s.tokens = append(s.tokens, token)
		checks = append(checks, request(checkPath, "__Host-cpsgate="+cookie))
		plain = append(plain, request(checkPath, "session="+token))
	}
	return errors.Join(s.keep(ours, checks), s.keep(bare, plain), s.keep(quick, plain))
}

// handOver goes the way of a browser from the sign-on host to the application.
func handOver(gate *forwardauth.Gate, token string) (cookie string, err error) {
	ctx, host := context.Background(), strings.TrimPrefix(dossier, "https://")
	to, secret, err := gate.Begin(host, "/", "")
	if err != nil {
		return "", err
	}
	there, err := url.Parse(to)
	if err != nil {
		return "", err
	}
	back, err := gate.Admit(ctx, there.Query().Get("return"), there.Query().Get("state"), token)
	if err != nil {
		return "", err
	}
	if there, err = url.Parse(back); err != nil {
		return "", err
	}
	cookie, _, err = gate.Finish(ctx, host, there.Query().Get("code"), secret)
	return cookie, err
}

func unsigned(context.Context, any) (string, error) { return "", nil }

// person is a test RPPS's PS_IdNat.
func person(i int) identity.PSIdNat {
	for key := range 10 {
		if rpps := fmt.Sprintf("9970000%03d%d", i%people, key); identity.RPPS(rpps).Check() == nil {
			return identity.PSIdNat("8" + rpps)
		}
	}
	return ""
}

type (
	personFunc = func(context.Context, identity.PSIdNat) (identity.Professional, error)
	signFunc   = func(context.Context, any) (string, error)
)

func newGate(m *sessions.Manager, who personFunc, sign signFunc, once forwardauth.Once) (*forwardauth.Gate, error) {
	return forwardauth.New(forwardauth.Options{
		SignOn: signOn, EnterPath: web.PathForwardEnter, Key: bytes.Repeat([]byte{7}, forwardauth.KeySize), Once: once,
		Applications: []forwardauth.Application{{Origin: dossier, Rules: []forwardauth.Rule{{Path: "/"}, {Path: "/admin", Roles: []identity.Role{identity.RoleAdmin}}}}},
		Find:         m.Find, Person: who, Unknown: func(err error) bool { return errors.Is(err, enroll.ErrNotFound) }, Sign: sign,
		Context: func(sessions.Session) (string, []string) { return "same-card", []string{"hwk", "pin", "user", "mfa"} },
	})
}

// wholeServer is the main host as cpsgate serve has it, with its store.
func wholeServer(folder string, m *sessions.Manager) (http.Handler, error) {
	ctx := context.Background()
	records, err := store.Open(ctx, filepath.Join(folder, store.FileName))
	if err != nil {
		return nil, err
	}
	log := audit.New(records, audit.Options{})
	registry, err := enroll.New(records, enroll.Options{Audit: log})
	if err != nil {
		return nil, err
	}
	for i := range people {
		if err := admit(ctx, registry, i); err != nil {
			return nil, err
		}
	}
	seal, err := sso.LoadOrMakeSealingKey(filepath.Join(folder, sso.SealingKeyFile), false)
	if err != nil {
		return nil, err
	}
	keys, err := sso.OpenKeys(ctx, sso.KeysOptions{Shelf: records, Seal: seal})
	if err != nil {
		return nil, err
	}
	once := sessions.NewOnce(sessions.OnceOptions{})
	sign := func(ctx context.Context, claims any) (string, error) {
		return keys.Sign(ctx, sso.ES256, "cpsgate-forward+jwt", claims)
	}
	gate, err := newGate(m, registry.Professional, sign, once)
	if err != nil {
		return nil, err
	}
	verifier, party, err := doors()
	if err != nil {
		return nil, err
	}
	server, err := web.New(web.Options{
		Hospital: "Hôpital", MainOrigin: signOn, CardOrigin: "https://cps.hopital.example", CardWildcard: true,
		Verifier: verifier, RelyingParty: party, Sessions: m, Once: once, Registry: registry, Audit: log, Logger: slog.New(slog.DiscardHandler),
		ForwardAuth: &web.ForwardAuth{Gate: gate, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
	})
	if err != nil {
		return nil, err
	}
	return server.Main(), nil
}

func admit(ctx context.Context, registry *enroll.Registry, i int) error {
	now := time.Now()
	card := fmt.Sprintf("8025000001/%010d", i)
	_, _, err := registry.Admit(ctx, identity.Cardholder{
		Professional: identity.Professional{IdNat: person(i), FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 60, Structure: "10B0057881", Employer: "Hôpital"},
		Card:         identity.Card{TokenID: card, Holder: person(i)},
		Certificate: identity.Certificate{Issuer: "CN=TEST", IssuerKey: strings.Repeat("a", 64), Serial: fmt.Sprintf("%02X", i+1), Fingerprint: fmt.Sprintf("%064x", i),
			TokenID: card, Holder: person(i), NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(3, 0, 0)},
	}, now)
	return err
}

// doors are what a server must have and checks do not use.
func doors() (*mtls.Verifier, *rp.RelyingParty, error) {
	pki, err := testpki.New(testpki.Options{})
	if err != nil {
		return nil, nil, err
	}
	trust, err := mtls.NewTrust(pki.CardIssuers(), nil)
	if err != nil {
		return nil, nil, err
	}
	set := mtls.NewCRLSet()
	verifier, err := mtls.NewVerifier(trust, mtls.Policy{}, &set)
	if err != nil {
		return nil, nil, err
	}
	party, err := rp.New(rp.Options{ID: "hopital.example", Name: "Hôpital", Origins: []string{signOn}})
	return verifier, party, err
}

// memory is the most that a session takes in Redis besides its places in
// the indexes.
func (s *site) memory() (int64, error) {
	_, r, err := openSessions(s.redis.URL(), nil)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	var most int64
	for _, token := range s.tokens {
		n, err := r.SessionBytes(context.Background(), token)
		if err != nil {
			return 0, err
		}
		most = max(most, n)
	}
	return most, nil
}

// roundTrips counts those of a thousand checks.
func (s *site) roundTrips() (float64, error) {
	var trips atomic.Int64
	m, r, err := openSessions(s.redis.URL(), func(int, time.Duration, error) { trips.Add(1) })
	if err != nil {
		return 0, err
	}
	defer r.Close()
	gate, err := newGate(m, func(context.Context, identity.PSIdNat) (identity.Professional, error) {
		return identity.Professional{}, nil
	}, unsigned, sessions.NewOnce(sessions.OnceOptions{}))
	if err != nil {
		return 0, err
	}
	var cookies []string
	for _, token := range s.tokens {
		cookie, err := handOver(gate, token)
		if err != nil {
			return 0, err
		}
		cookies = append(cookies, cookie)
	}
	trips.Store(0)
	for _, cookie := range cookies {
		if _, err := gate.Check(context.Background(), forwardauth.Query{Scheme: "https", Host: "dossier.hopital.example", URI: "/", Cookie: cookie}); err != nil {
			return 0, err
		}
	}
	return float64(trips.Load()) / float64(len(cookies)), nil
}
