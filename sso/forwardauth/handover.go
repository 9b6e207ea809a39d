package forwardauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
)

// maxReturn bounds a return address.
const maxReturn = 1 << 10

// kindCode is what a code is kept as.
const kindCode = "forward-auth"

// grant is what a code stands for. The token it carries is not in it: that is
// sealed in the code itself, so that who reads the store can use none of it.
type grant struct {
	Origin string `json:"o"`
	State  string `json:"s"` // fingerprint of the browser's secret
	Return string `json:"r"`
}

// SignInAddress gives the address on the application's own host where signing
// in begins, and ends with the request asked about; "" for a host of no
// application. It is made of the configuration and of a path that holds
// nothing a browser could take for another host.
func (g *Gate) SignInAddress(q Query) string {
	h, known := g.hosts[q.Host]
	if !known {
		return ""
	}
	back := "/"
	if safePath(q.URI) {
		back = q.URI
	}
	return h.Origin + OwnPath + "/sign-in?" + url.Values{"return": {back}}.Encode()
}

// Begin starts signing in on the application's host: where to send the
// browser, and the secret that ties the attempt to it. A secret that the
// browser has already serves again, so that two windows may sign in at a time.
func (g *Gate) Begin(authority, back, secret string) (to, kept string, err error) {
	h, known := g.hosts[authority]
	if !known {
		return "", "", &Refusal{Reason: ReasonHost}
	}
	if !safePath(back) {
		return "", "", &Refusal{Reason: ReasonReturn}
	}
	if !secretShaped(secret) {
		secret = newSecret()
	}
	query := url.Values{"return": {h.Origin + back}, "state": {fingerprint(secret)}}
	return g.o.SignOn + g.o.EnterPath + "?" + query.Encode(), secret, nil
}

// Asked is what an address of an application asks of a session: that all of
// the demands be met.
type Asked struct {
	Origin string
	rules  []Rule
}

// Ask reads an address to return to: one of an application named in the
// configuration, letter for letter, else ReasonReturn.
func (g *Gate) Ask(address string) (Asked, error) {
	h, back, ok := g.own(address)
	if !ok {
		return Asked{}, &Refusal{Reason: ReasonReturn}
	}
	rules, err := h.rulesOf(pathOf(back))
	if errors.Is(err, errPath) {
		err = &Refusal{Reason: ReasonPath}
	}
	return Asked{h.Origin, rules}, err
}

// Judge tells whether a session may go there: a *Refusal if not.
func (a Asked) Judge(s sessions.Session, p identity.Professional, now time.Time) error {
	for _, r := range a.rules {
		if err := r.judge(s, p, now); err != nil {
			return err
		}
	}
	return nil
}

// Demands are what the rules ask of the way of signing in.
func (a Asked) Demands() []sessions.Demand {
	demands := make([]sessions.Demand, 0, len(a.rules))
	for _, r := range a.rules {
		demands = append(demands, r.Demand)
	}
	return demands
}

// Admit gives the address that carries an open session's browser back to the
// application, with a code that it can take once, in the browser whose secret
// has that fingerprint, within CodeLife.
func (g *Gate) Admit(ctx context.Context, address, state, token string) (to string, err error) {
	h, back, ok := g.own(address)
	if !ok {
		return "", &Refusal{Reason: ReasonReturn}
	}
	if !secretShaped(state) {
		return "", &Refusal{Reason: ReasonState}
	}
	key, err := g.o.Once.Put(ctx, kindCode, grant{h.Origin, state, back}, CodeLife)
	if err != nil {
		return "", fmt.Errorf("making a code: %w", err)
	}
	code := key + "." + g.seal(token, binding(forCode, h.Origin, state, key))
	return h.Origin + OwnPath + "/callback?" + url.Values{"code": {code}}.Encode(), nil
}

// Finish takes a code on the application's host, in the browser that holds the
// secret: the cookie to set, and where to go on. Whatever does not fit is
// refused, and a code that was shown is used up.
func (g *Gate) Finish(ctx context.Context, authority, code, secret string) (cookie, to string, err error) {
	h, known := g.hosts[authority]
	if !known {
		return "", "", &Refusal{Reason: ReasonHost}
	}
	key, sealed, _ := strings.Cut(code, ".")
	var what grant
	err = g.o.Once.Take(ctx, kindCode, key, &what)
	if errors.Is(err, sessions.ErrNoSuch) || errors.Is(err, sessions.ErrTaken) {
		return "", "", &Refusal{Reason: ReasonCode, Detail: err.Error()}
	}
	if err != nil {
		return "", "", fmt.Errorf("taking a code: %w", err)
	}
	if what.Origin != h.Origin {
		return "", "", &Refusal{Reason: ReasonCode, Detail: "another host's"}
	}
	if !secretShaped(secret) || what.State != fingerprint(secret) { // both are hashes: nothing to learn from the time
		return "", "", &Refusal{Reason: ReasonState}
	}
	token, ok := g.open(sealed, binding(forCode, h.Origin, what.State, key))
	if !ok || !safePath(what.Return) {
		return "", "", &Refusal{Reason: ReasonCode, Detail: "not as it was given"}
	}
	return g.seal(token, binding(forCookie, h.Origin)), h.Origin + what.Return, nil
}

// Token gives the token of the session behind an application's cookie, so that
// signing out there ends it; "" if the cookie is not ours, or another host's.
func (g *Gate) Token(authority, cookie string) string {
	h, known := g.hosts[authority]
	if !known {
		return ""
	}
	token, _ := g.open(cookie, binding(forCookie, h.Origin))
	return token
}

// OriginOf gives the origin of an application by its host and port.
func (g *Gate) OriginOf(authority string) (origin string, known bool) {
	h, known := g.hosts[authority]
	if !known {
		return "", false
	}
	return h.Origin, true
}

// own reads an address of one of the applications: its origin, letter for
// letter, and then a path. It parses no host: what is not in the configuration
// cannot be spelt.
func (g *Gate) own(address string) (*host, string, bool) {
	rest, ok := strings.CutPrefix(address, "https://")
	if !ok {
		return nil, "", false
	}
	end := strings.IndexByte(rest, '/')
	if end < 0 {
		return nil, "", false
	}
	h, known := g.hosts[rest[:end]]
	return h, rest[end:], known && safePath(rest[end:])
}

// safePath tells whether a path with its query can be returned to: visible
// ASCII, with a path that has a reading and is not cpsgate's own.
func safePath(uri string) bool {
	if len(uri) > maxReturn || !strings.HasPrefix(uri, "/") || strings.HasPrefix(uri, "//") || strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' || r == '#' }) {
		return false
	}
	all, err := readings(pathOf(uri))
	if err != nil {
		return false
	}
	for _, p := range all {
		if under(fold(p), OwnPath) {
			return false
		}
	}
	return true
}

// pathOf is an address's path, without its query.
func pathOf(uri string) string {
	p, _, _ := strings.Cut(uri, "?")
	return p
}
