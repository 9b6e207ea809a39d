package sso

import (
	"context"
	"errors"
	"net/url"

	"cpsgate/sessions"
)

// Logout is a client's request to sign someone out (OpenID Connect RP-Initiated
// Logout 1.0), judged.
type Logout struct {
	Client string // "" = the request names none
	Back   string // where to go afterwards; "" = our own page
	// Session is the sid of the ID token that came with it; "" = none.
	Session string
}

// BeginLogout judges a logout request. An address to go back to is taken only
// when it is one of the client's, byte by byte.
func (p *Provider) BeginLogout(ctx context.Context, form url.Values) (Logout, error) {
	l, err := p.beginLogout(ctx, form)
	var refused *Refusal
	if errors.As(err, &refused) {
		return Logout{}, p.tell(ctx, Event{Kind: EventLogout, Refused: true, Reason: refused.Reason, Client: refused.Client, Detail: refused.Detail}, err)
	}
	return l, err
}

func (p *Provider) beginLogout(ctx context.Context, form url.Values) (l Logout, err error) {
	if err := readParameters(form); err != nil {
		return Logout{}, err
	}
	l.Client = form.Get("client_id")
	if hint := form.Get("id_token_hint"); hint != "" {
		claims, err := p.readIDToken(ctx, hint)
		if err != nil || l.Client != "" && l.Client != claims.Audience {
			return Logout{}, refuse(InvalidRequest, "id-token-hint", "id_token_hint is not an ID token of this provider for this client")
		}
		l.Client, l.Session = claims.Audience, claims.Session
	}
	back := form.Get("post_logout_redirect_uri")
	if l.Client == "" {
		if back != "" {
			return Logout{}, refuse(InvalidRequest, "post-logout-uri", "post_logout_redirect_uri needs id_token_hint or client_id")
		}
		return l, nil
	}
	client, err := p.client(ctx, l.Client)
	if err != nil || back == "" {
		return l, err
	}
	if !has(client.PostLogoutURIs, back) {
		r := refuse(InvalidRequest, "post-logout-uri", "post_logout_redirect_uri is none that is registered for this client, byte by byte")
		r.Client = client.ID
		return Logout{}, r
	}
	answer := url.Values{}
	if state := form.Get("state"); len(state) > maxEcho {
		return Logout{}, refuse(InvalidRequest, "parameter-long", "state may be of 512 bytes")
	} else if state != "" {
		answer.Set("state", state)
	}
	l.Back = answerAt(back, answer)
	return l, nil
}

// Proves tells whether the request shows that it comes from where the session
// signed in: then the person need not be asked whether it is meant.
func (p *Provider) Proves(ctx context.Context, l Logout, session *sessions.Session) bool {
	return l.Session != "" && l.Client != "" && session != nil && l.Session == p.sid(ctx, l.Client, session.ID)
}

// WaitLogout keeps a logout request while the person is asked.
func (p *Provider) WaitLogout(ctx context.Context, l Logout) (string, error) {
	return p.o.Once.Put(ctx, onceLogout, l, requestTime)
}

// ResumeLogout takes it back, once.
func (p *Provider) ResumeLogout(ctx context.Context, key string) (l Logout, err error) {
	err = p.o.Once.Take(ctx, onceLogout, key, &l)
	if errors.Is(err, sessions.ErrNoSuch) || errors.Is(err, sessions.ErrTaken) {
		err = ErrOver
	}
	return l, err
}
