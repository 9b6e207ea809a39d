package forwardauth

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
)

// The defaults of Options.
const (
	DefaultPeopleAge = 15 * time.Second
	DefaultTokenLife = 5 * time.Minute
)

// CodeLife is how long a browser has to carry a code from the sign-on host to
// the application's.
const CodeLife = time.Minute

// Once keeps what may be taken once; *sessions.Once is one.
type Once interface {
	Put(ctx context.Context, kind string, value any, ttl time.Duration) (key string, err error)
	Take(ctx context.Context, kind, key string, into any) error
}

// Options make a Gate. What has no default said is needed.
type Options struct {
	SignOn       string // origin of the sign-on host, where sessions are opened
	EnterPath    string // of its page that calls Admit
	Applications []Application
	Key          []byte // of KeySize bytes, the same on every node

	// Find gives the session of a token: sessions.Manager.Find.
	Find func(ctx context.Context, token string) (sessions.Session, error)
	// Person gives who holds a session. Unknown tells its error for somebody
	// who is not known, from others.
	Person  func(context.Context, identity.PSIdNat) (identity.Professional, error)
	Unknown func(error) bool
	// Sign gives claims as a signed JWT in compact form.
	Sign func(ctx context.Context, claims any) (string, error)
	// Context gives the acr and amr of a session (OpenID Connect Core §2).
	Context func(sessions.Session) (acr string, amr []string)
	Once    Once

	PeopleAge time.Duration    // oldest name, role or profession that is told; 0: DefaultPeopleAge
	TokenLife time.Duration    // of the signed token; 0: DefaultTokenLife
	Now       func() time.Time // nil: time.Now
}

// Gate judges requests. It is safe for concurrent use.
type Gate struct {
	o        Options
	sealer   cipher.AEAD
	hosts    map[string]*host // by authority
	passes   *passes
	people   *people
	verdicts map[Reason]*atomic.Uint64
	accepted atomic.Uint64
	failed   atomic.Uint64
}

// New checks the options; an application that cannot be matched for certain is
// an error.
func New(o Options) (*Gate, error) {
	if o.Find == nil || o.Person == nil || o.Unknown == nil || o.Sign == nil || o.Context == nil || o.Once == nil || o.SignOn == "" || o.EnterPath == "" {
		return nil, errors.New("forward-auth: sign-on host, sessions, people, signing and once are all needed")
	}
	if o.PeopleAge == 0 {
		o.PeopleAge = DefaultPeopleAge
	}
	if o.TokenLife == 0 {
		o.TokenLife = DefaultTokenLife
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	sealer, err := newSealer(o.Key)
	if err != nil {
		return nil, fmt.Errorf("forward-auth: %w", err)
	}
	g := &Gate{o: o, sealer: sealer, hosts: map[string]*host{}, passes: newPasses(), people: newPeople(), verdicts: map[Reason]*atomic.Uint64{}}
	for _, r := range Reasons() {
		g.verdicts[r] = new(atomic.Uint64)
	}
	for _, a := range o.Applications {
		h, err := newHost(a)
		if err != nil {
			return nil, fmt.Errorf("forward-auth: %w", err)
		}
		if _, twice := g.hosts[h.authority]; twice || a.Origin == o.SignOn {
			return nil, fmt.Errorf("forward-auth: application %s: named twice, or the sign-on host itself", a.Origin)
		}
		g.hosts[h.authority] = h
	}
	return g, nil
}

// Query is one request that a proxy asks about.
type Query struct {
	Scheme string // https or wss
	Host   string // as the browser wrote it, with its port unless that is 443
	URI    string // path and query, as the browser sent them
	Cookie string // the application's cookie of ours; "" for none
}

// Check lets a request go on, with what the application may know of it, or
// refuses it: a *Refusal. Other errors are faults of ours, and let nobody in.
func (g *Gate) Check(ctx context.Context, q Query) (*Pass, error) {
	pass, err := g.check(ctx, q)
	var refused *Refusal
	switch {
	case err == nil:
		g.accepted.Add(1)
	case errors.As(err, &refused):
		g.verdicts[refused.Reason].Add(1)
	default:
		g.failed.Add(1)
	}
	return pass, err
}

func (g *Gate) check(ctx context.Context, q Query) (*Pass, error) {
	h, rules, err := g.rules(q)
	if err != nil {
		return nil, err
	}
	if q.Cookie == "" {
		return nil, &Refusal{Reason: ReasonNotSignedIn}
	}
	kept := g.passes.get(h, q.Cookie)
	token := ""
	if kept != nil {
		token = kept.token
	} else {
		ok := false
		if token, ok = g.open(q.Cookie, binding(forCookie, h.Origin)); !ok {
			return nil, &Refusal{Reason: ReasonCookie}
		}
	}
	session, err := g.o.Find(ctx, token)
	if err != nil {
		g.passes.drop(h, q.Cookie)
		return nil, notOpen(session, err)
	}
	now := g.o.Now()
	person, err := g.person(ctx, session, now)
	if err != nil {
		return nil, err
	}
	if !kept.good(session, person, now) {
		if kept, err = g.pass(ctx, h, token, session, person); err != nil {
			return nil, err
		}
		g.passes.put(h, q.Cookie, kept)
	}
	for _, r := range rules {
		if err := r.judge(session, *person, now); err != nil {
			return nil, err
		}
	}
	return kept.pass, nil
}

// rules gives those that a request must meet.
func (g *Gate) rules(q Query) (*host, []Rule, error) {
	h, known := g.hosts[q.Host]
	if !known {
		return nil, nil, &Refusal{Reason: ReasonHost}
	}
	if q.Scheme != "https" && q.Scheme != "wss" {
		return nil, nil, &Refusal{Reason: ReasonScheme}
	}
	rules, err := h.rulesOf(pathOf(q.URI))
	if errors.Is(err, errPath) {
		return nil, nil, &Refusal{Reason: ReasonPath}
	}
	return h, rules, err
}

// notOpen tells a session that is not open from a fault in looking it up.
func notOpen(s sessions.Session, err error) error {
	switch {
	case errors.Is(err, sessions.ErrNoSession), errors.Is(err, sessions.ErrExpired):
		return &Refusal{Reason: ReasonNotSignedIn, Holder: s.Holder, Session: s.ID}
	case errors.Is(err, sessions.ErrLocked):
		return &Refusal{Reason: ReasonLocked, Holder: s.Holder, Session: s.ID}
	}
	return fmt.Errorf("looking a session up: %w", err)
}

// judge tells whether someone may do what the rule covers.
func (r Rule) judge(s sessions.Session, p identity.Professional, now time.Time) error {
	if r.Roles != nil && !slices.ContainsFunc(r.Roles, p.HasRole) || r.Professions != nil && !slices.Contains(r.Professions, p.Profession) {
		return &Refusal{Reason: ReasonRole, Holder: s.Holder, Session: s.ID, Detail: r.Path}
	}
	if !r.Demand.Met(s, now) {
		return &Refusal{Reason: ReasonDemand, Holder: s.Holder, Session: s.ID, Detail: r.Path}
	}
	return nil
}

// Counts tells how many checks ended in which way since the start: "pass",
// "fault", or a Reason.
func (g *Gate) Counts() map[string]uint64 {
	counts := map[string]uint64{"pass": g.accepted.Load(), "fault": g.failed.Load()}
	for reason, n := range g.verdicts {
		counts[string(reason)] = n.Load()
	}
	return counts
}
