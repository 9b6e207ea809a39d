package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/mtls"
	"cpsgate/rp"
	"cpsgate/sessions"
	"cpsgate/sso"
	"cpsgate/sso/forwardauth"
	"cpsgate/store"
	"cpsgate/web"
)

// program is a configured server: everything is loaded and checked, nothing
// listens yet.
type program struct {
	log      *slog.Logger
	now      func() time.Time
	store    *store.Store
	registry *enroll.Registry
	sessions *sessions.Manager
	redis    *sessions.Redis // nil: sessions are this process's
	trips    *roundTrips
	keys     *sso.Keys
	gate     *forwardauth.Gate // of applications behind proxies; nil: none
	sso      *sso.Provider
	judge    *judge

	retention *audit.Retention // nil: events are kept for ever

	web      *web.Server
	mainPair tls.Certificate
	cardPair tls.Certificate
	cardTLS  *tls.Config

	mutualTLS *tls.Config // of applications that prove themselves by certificate; nil: no such listener

	announcers   announcers // who tells whose connection it is
	workstations workstations
}

// listeners are the three sockets of design §4, bound by the caller, and a
// fourth where the configuration has mutual TLS for applications; else nil.
type listeners struct{ main, card, admin, mutual net.Listener }

func (l listeners) Close() error {
	err := errors.Join(l.main.Close(), l.card.Close(), l.admin.Close())
	if l.mutual != nil {
		err = errors.Join(err, l.mutual.Close())
	}
	return err
}

// listen binds all addresses, or none.
func listen(ctx context.Context, c *Config) (l listeners, err error) {
	var bound []net.Listener
	var lc net.ListenConfig
	addresses := []string{c.Main.Listen, c.Card.Listen, c.Admin.Listen}
	if c.SSO.MutualTLS.on() {
		addresses = append(addresses, c.SSO.MutualTLS.Listen)
	}
	for _, address := range addresses {
		one, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			for _, b := range bound {
				b.Close()
			}
			return listeners{}, err
		}
		bound = append(bound, one)
	}
	l = listeners{main: bound[0], card: bound[1], admin: bound[2]}
	if len(bound) > 3 {
		l.mutual = bound[3]
	}
	return l, nil
}

// openProgram loads and wires everything that the configuration names. The
// caller closes it.
func openProgram(ctx context.Context, c *Config, log *slog.Logger, now func() time.Time) (_ *program, err error) {
	p := &program{log: log, now: now, trips: newRoundTrips()}
	if err := checkDataFolder(c.Data); err != nil {
		return nil, err
	}
	if err := p.loadCertificates(c, now()); err != nil {
		return nil, err
	}
	if p.announcers, err = openAnnouncers(c); err != nil {
		return nil, err
	}
	if p.workstations, err = openWorkstations(c); err != nil {
		return nil, err
	}
	party, err := openParty(c, now)
	if err != nil {
		return nil, err
	}
	if p.judge, err = openJudge(ctx, c, log, now); err != nil {
		return nil, err
	}
	p.openCardTLS(c)
	if err := p.openMutualTLS(c); err != nil {
		return nil, err
	}
	if p.store, err = store.Open(ctx, filepath.Join(c.Data, store.FileName)); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	if err = p.openKeys(ctx, c); err != nil {
		return nil, err
	}
	return p, p.openWeb(ctx, c, party)
}

// openCardTLS makes the card listener's side of TLS.
func (p *program) openCardTLS(c *Config) {
	maxTLS := uint16(tls.VersionTLS12)
	if c.Card.MaximumTLS == "1.3" {
		maxTLS = tls.VersionTLS13
		p.log.Warn("leniency in force", "card.maximum_tls", "1.3", "means", "CPS3 cards cannot sign in: they lack RSA-PSS")
	}
	p.cardTLS = mtls.ListenerOptions{
		Certificate:   func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &p.cardPair, nil },
		AcceptableNow: func() []*x509.Certificate { return p.judge.Trust().Anchors() }, MaxVersion: maxTLS, Now: p.now,
	}.Config()
}

func (p *program) loadCertificates(c *Config, now time.Time) (err error) {
	main, card := hostOf(c.Main.Origin), []string{hostOf(c.Card.Origin)}
	if *c.Card.Wildcard {
		card = append(card, "x."+card[0])
	}
	if p.mainPair, err = loadServerCertificate(c.Main.Certificate, c.Main.Key, now, main); err != nil {
		return err
	}
	p.cardPair, err = loadServerCertificate(c.Card.Certificate, c.Card.Key, now, card...)
	return err
}

// mainTLS never asks for a certificate.
func (p *program) mainTLS() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{p.mainPair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}
}

// hostOf is the host of an origin that checkOrigins has accepted.
func hostOf(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func openParty(c *Config, now func() time.Time) (*rp.RelyingParty, error) {
	roots, err := attestationRoots(c.Passkeys.Roots)
	if err != nil {
		return nil, err
	}
	var models [][16]byte
	for _, s := range c.Passkeys.AAGUIDs {
		model, err := rp.ParseAAGUID(s)
		if err != nil {
			return nil, fmt.Errorf("passkeys.aaguids: %w", err)
		}
		models = append(models, model)
	}
	return rp.New(rp.Options{
		ID: c.Passkeys.RPID, Name: c.Pages.Name, Origins: []string{c.Main.Origin},
		AttestationMode: rp.Mode(c.Passkeys.Attestation), AllowedAAGUIDs: models, Roots: roots,
		SignCount: rp.SignCountPolicy(c.Passkeys.SignCount), Now: now,
	})
}

// checkDataFolder wants a folder that is there and closed to other accounts.
func checkDataFolder(folder string) error {
	info, err := os.Stat(folder)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o007 != 0 {
		return fmt.Errorf("data: %s must be a folder closed to other accounts: chmod o-rwx it", folder)
	}
	return nil
}

func (p *program) openWeb(ctx context.Context, c *Config, party *rp.RelyingParty) error {
	now := p.now
	log := audit.New(p.store, audit.Options{Now: now})
	var registry *enroll.Registry
	manager, once, err := p.openSessions(c, log, func(ctx context.Context, s sessions.Session) error {
		return registry.Standing(ctx, s.CardTokenID, s.PasskeyID)
	})
	if err != nil {
		return err
	}
	policy, err := deskPolicy(c.Desk, p.log)
	if err != nil {
		return err
	}
	registry, err = enroll.New(p.store, enroll.Options{
		Audit: log, Now: now, Log: p.log, Policy: policy,
		OnCardState:    endSessions(manager.EndOfCard, identity.CardActive),
		OnPasskeyState: endSessions(manager.EndOfPasskey, identity.PasskeyActive),
		OnSessionsEnd: func(ctx context.Context, of enroll.Ending) error {
			_, err := manager.EndBefore(ctx, sessions.Whose{Holder: of.Holder, Card: of.Card, Passkey: of.Passkey, Workstation: of.Workstation}, of.Before)
			return err
		},
	})
	if err != nil {
		return err
	}
	if err := p.watchChanges(ctx, c, registry); err != nil {
		return err
	}
	if err := p.openRetention(c, log); err != nil {
		return err
	}
	p.sessions, p.registry = manager, registry
	if err := p.openSSO(c, log, once); err != nil { // before Restore: applications are told of what no longer stands
		return err
	}
	restored, err := manager.Restore(ctx)
	if err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	p.log.Info("sessions restored", "count", restored)
	if p.redis == nil { // those in Redis hear of it as of every change
		if err := registry.EndingsSince(ctx, now().Add(-c.Sessions.longest()-clockSlack)); err != nil {
			return fmt.Errorf("sessions: %w", err)
		}
	}
	zone, err := time.LoadLocation(c.Pages.TimeZone)
	if err != nil {
		return fmt.Errorf("pages.time_zone: %w", err)
	}
	proxies, err := openProxies(c.Card.Proxies)
	if err != nil {
		return err
	}
	forward, err := p.openForwardAuth(ctx, c, once)
	if err != nil {
		return err
	}
	p.web, err = web.New(web.Options{
		Hospital: c.Pages.Name, Accent: c.Pages.Accent, SupportLabel: c.Pages.SupportLabel, SupportPhone: c.Pages.SupportPhone, Logo: c.Pages.Logo,
		MainOrigin: c.Main.Origin, CardOrigin: c.Card.Origin, CardWildcard: *c.Card.Wildcard,
		Proxies: proxies, ForwardAuth: forward, Verifier: p.judge, RelyingParty: party, Sessions: manager, Once: once,
		Registry: registry, Audit: log, Zone: zone, Logger: p.log, Ready: p.ready, Now: now, Counter: p.counter(),
		Trail: p.store, Revocation: p.judge.standing, SSO: p.sso, Spool: c.Data, Workstation: p.workstations.at,
	})
	return err
}

// ready tells whether an event could be recorded and a session opened now,
// without which nobody may be let in.
func (p *program) ready(ctx context.Context) error {
	probe := sessions.Kept{Key: sha256.Sum256([]byte("ready")), Record: []byte("ready"), Until: p.now()}
	if err := p.store.Keep(ctx, probe); err != nil {
		return err
	}
	if err := p.store.Forget(ctx, probe.Key); err != nil || p.redis == nil {
		return err
	}
	return p.redis.Ready(ctx)
}

// endSessions ends what stands on a card or passkey that is no longer active.
func endSessions[K any, S comparable](end func(context.Context, K) (int, error), active S) func(context.Context, K, S) error {
	return func(ctx context.Context, key K, state S) error {
		if state == active {
			return nil
		}
		_, err := end(ctx, key)
		return err
	}
}

// Time limits of the servers, against clients that send or read slowly.
const (
	headerTime = 5 * time.Second
	readTime   = 15 * time.Second
	writeTime  = 30 * time.Second
	idleTime   = 2 * time.Minute
	stopTime   = 10 * time.Second
	headerSize = 16 << 10
)

// Serve answers on the listeners until ctx ends, then lets running requests
// finish. Each hangup reloads the trust.
func (p *program) Serve(ctx context.Context, l listeners, hangups <-chan struct{}) error {
	main := p.server(p.web.Main())
	main.RegisterOnShutdown(p.web.EndStreams)
	card := p.server(p.web.Card())
	card.ConnContext = mtls.ConnContext
	card.SetKeepAlivesEnabled(false) // Connection: close after each answer
	admin := p.server(p.adminHandler())

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serve(ctx, main, secured(l.main, p.announcers.main, p.mainTLS())) })
	group.Go(func() error { return serve(ctx, card, secured(l.card, p.announcers.card, p.cardTLS)) })
	group.Go(func() error { return serve(ctx, admin, l.admin) })
	if p.mutualTLS != nil {
		mutual := p.server(p.sso.MutualTLS())
		group.Go(func() error { return serve(ctx, mutual, secured(l.mutual, p.announcers.mutual, p.mutualTLS)) })
	}
	group.Go(func() error { p.sessions.Run(ctx); return nil })
	group.Go(func() error { p.web.Run(ctx); return nil })
	group.Go(func() error { p.keys.Run(ctx); return nil })
	group.Go(func() error { p.sso.Run(ctx); return nil })
	group.Go(func() error { p.judge.run(ctx, hangups); return nil })
	group.Go(func() error { p.judge.follow(ctx, p.registry); return nil })
	group.Go(func() error { p.judge.askOn(ctx, p.registry); return nil })
	group.Go(func() error { return p.registry.Run(ctx) })
	if p.retention != nil {
		group.Go(func() error { p.retention.Run(ctx); return nil })
	}
	err := group.Wait()
	p.sso.SumUp(context.WithoutCancel(ctx)) // nothing is refused any longer
	return err
}

func (p *program) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ErrorLog: mtls.ErrorLog(p.log),
		ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: headerSize,
	}
}

// serve runs one server until ctx ends or it fails.
func serve(ctx context.Context, s *http.Server, l net.Listener) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		stopped <- s.Shutdown(ending)
	})
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	return <-stopped
}

// Close releases what openProgram opened.
func (p *program) Close() error {
	if p.web != nil {
		p.web.Close()
	}
	if p.redis != nil {
		p.redis.Close()
	}
	return p.store.Close()
}
