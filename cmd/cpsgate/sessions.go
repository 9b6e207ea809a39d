package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/sessions"
	"cpsgate/sso"
	"cpsgate/web"
)

// openSessions makes what keeps who is signed in and what may be taken once:
// in Redis where one is configured, else here.
func (p *program) openSessions(c *Config, log *audit.Log, standing func(context.Context, sessions.Session) error) (*sessions.Manager, web.Once, error) {
	o := sessions.Options{
		Keeper: p.store, Now: p.now, Log: p.log,
		Limits: c.Sessions.limits(), Standing: standing, OnEnded: p.ended(log),
	}
	limits := sessions.OnceOptions{MaxOf: sso.OnceLimits(), Now: p.now}
	var once web.Once = sessions.NewOnce(limits)
	if c.Sessions.Redis.URL != "" {
		var err error
		if p.redis, err = openRedis(c.Sessions.Redis, p); err != nil {
			return nil, nil, fmt.Errorf("sessions.redis: %w", err)
		}
		o.Keeper, o.Redis = nil, p.redis
		once = p.redis.Once(limits)
	}
	manager, err := sessions.New(o)
	if err != nil {
		return nil, nil, fmt.Errorf("sessions: %w", err)
	}
	return manager, once, nil
}

// clockSlack is how far the clock may have been set back between two events.
const clockSlack = time.Hour

// watchChanges notes from where on changes of cards and passkeys are told to the
// sessions. Those kept here are asked when they are restored; those in Redis have
// outlived whatever was changed while no server ran, so all changes are told
// again that the longest of them can have seen.
func (p *program) watchChanges(ctx context.Context, c *Config, registry *enroll.Registry) error {
	if p.redis == nil {
		return registry.WatchFromNow(ctx)
	}
	return registry.WatchSince(ctx, p.now().Add(-c.Sessions.longest()-clockSlack))
}

// ended ends what applications have of a session, and records what is to be.
func (p *program) ended(log *audit.Log) func(context.Context, sessions.Session, string) {
	record := p.recordEnd(log)
	return func(ctx context.Context, s sessions.Session, reason string) {
		p.sessionEnded(ctx, s, reason)
		record(ctx, s, reason)
	}
}

// recordEnd records the ends that nobody asked for; the others are recorded by
// what ended them.
func (p *program) recordEnd(log *audit.Log) func(context.Context, sessions.Session, string) {
	return func(ctx context.Context, s sessions.Session, reason string) {
		if reason != sessions.EndedByEviction {
			return
		}
		event := &audit.Event{Kind: audit.KindSessionEnd, Outcome: audit.Done, Reason: reason, Subject: s.Holder, Session: s.ID, Card: s.CardTokenID}
		if err := log.Record(ctx, event); err != nil {
			p.log.Error("a session that gave way is not in the audit", "session", s.ID, "error", err)
		}
	}
}

func openRedis(c RedisConfig, p *program) (*sessions.Redis, error) {
	o := sessions.RedisOptions{
		URL: c.URL, User: c.User, SentinelUser: c.SentinelUser, Prefix: c.Prefix, TrustMemory: c.TrustMemory,
		Observe: p.trips.observe, Log: p.log,
	}
	var err error
	if o.Password, err = readPassword(c.PasswordFile); err != nil {
		return nil, fmt.Errorf("password_file: %w", err)
	}
	if o.SentinelPassword, err = readPassword(c.SentinelPasswordFile); err != nil {
		return nil, fmt.Errorf("sentinel_password_file: %w", err)
	}
	if o.Roots, err = readRoots(c.CA); err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	if c.TrustMemory > 0 {
		p.log.Warn("leniency in force", "sessions.redis.trust_memory", c.TrustMemory, "means", "a session ended meanwhile may be believed for that long while Redis is away")
	}
	if c.PasswordFile == "" || !strings.HasPrefix(c.URL, "rediss") {
		p.log.Warn("leniency in force", "sessions.redis.url", c.URL, "means", "whoever reaches this Redis, or the way to it, can read who is signed in and sign people out")
	}
	return sessions.OpenRedis(o)
}

// maxPassword bounds a password file, in bytes.
const maxPassword = 1 << 10

// readPassword reads a secret of one line; no path is no secret.
func readPassword(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	if err := checkSecretFile(path); err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return "", err
	}
	password := strings.TrimRight(string(raw), "\r\n")
	if password == "" || len(raw) > maxPassword || strings.ContainsAny(password, "\r\n") {
		return "", fmt.Errorf("%s: not one line of at most %d bytes", path, maxPassword)
	}
	return password, nil
}

// readRoots reads certificates of authorities; no path is those of the system.
func readRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, errors.New(path + ": no certificate in it")
	}
	return pool, nil
}

// counter adds up the rates of several nodes; nil where there is one.
func (p *program) counter() web.Counter {
	if p.redis == nil {
		return nil
	}
	return p.redis
}
