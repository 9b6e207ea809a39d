package sso

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"cpsgate/identity"
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

// SessionEnded ends what stands on a session that has ended, and has the clients
// told that want to be. It is to be called at every end of a session.
func (p *Provider) SessionEnded(ctx context.Context, session sessions.Session, reason string) error {
	ended, err := p.o.Shelf.EndGrantsOf(ctx, session.ID, reason)
	if err != nil {
		return fmt.Errorf("ending the grants of a session: %w", err)
	}
	now, seen := p.o.Now(), map[string]bool{}
	var due []LogoutRecord
	for _, g := range ended {
		client, err := p.client(ctx, g.Client)
		if err != nil || client.BackChannelLogout == "" || seen[g.Client] {
			continue // a client that was removed is told nothing
		}
		seen[g.Client] = true
		due = append(due, LogoutRecord{Client: g.Client, Session: session.ID, Holder: g.Holder, EndedAt: now, Next: now})
	}
	if len(due) == 0 {
		return nil
	}
	if err := p.o.Shelf.AddLogouts(ctx, due...); err != nil {
		return fmt.Errorf("keeping who is to be told: %w", err)
	}
	select {
	case p.wake <- struct{}{}:
	default: // it is awake
	}
	return nil
}

// The schedule of logout tokens.
const (
	tellTime   = 5 * time.Second // for one client, all in all
	tellAtOnce = 8
	tellLife   = 2 * time.Minute // of a logout token (Back-Channel Logout §2.4 wants it short)
	tellAnswer = 4 << 10
)

// tellAgain are the waits after failures; after the last it is given up.
func tellAgain() []time.Duration {
	return []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
}

// NewBackChannel is a client for logout tokens: it trusts the system's roots
// unless told others, follows no redirect (§2.5: POST to the registered address
// alone) and waits for tellTime at most.
func NewBackChannel(trust *tls.Config) *http.Client {
	return &http.Client{
		Timeout:       tellTime,
		Transport:     &http.Transport{TLSClientConfig: trust, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Run tells clients of ended sessions, and sweeps, until ctx ends.
func (p *Provider) Run(ctx context.Context) {
	again, sweep := time.NewTicker(5*time.Second), time.NewTicker(10*time.Minute)
	defer again.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-p.wake:
		case <-again.C:
		case <-sweep.C:
			if err := p.o.Shelf.SweepGrants(ctx, p.o.Now()); err != nil {
				p.o.Log.ErrorContext(ctx, "grants not swept", "error", err)
			}
			continue
		case <-ctx.Done():
			return
		}
		p.TellClients(ctx)
	}
}

// TellClients tells all that are due. Each is told beside the others, so that
// one that hangs keeps nobody waiting.
func (p *Provider) TellClients(ctx context.Context) {
	for {
		now := p.o.Now()
		due, err := p.o.Shelf.ClaimLogouts(ctx, now, now.Add(3*tellTime), tellAtOnce)
		if err != nil {
			p.o.Log.ErrorContext(ctx, "who is to be told of ended sessions cannot be read", "error", err)
		}
		if len(due) == 0 {
			return
		}
		var wg sync.WaitGroup
		for _, l := range due {
			wg.Go(func() { p.tellClient(ctx, l) })
		}
		wg.Wait()
	}
}

// tellClient tells one client, and settles what comes of it.
func (p *Provider) tellClient(ctx context.Context, l LogoutRecord) {
	err := p.sendLogout(ctx, l)
	if err != nil && ctx.Err() != nil {
		return // we are stopping: it stays due
	}
	e := Event{Kind: EventTold, Client: l.Client, Holder: identity.PSIdNat(l.Holder), Session: l.Session, Reason: "told"}
	if err != nil && l.Attempts < len(tellAgain()) {
		p.o.Log.WarnContext(ctx, "a client could not be told of a session's end; it will be tried again",
			"client", l.Client, "attempt", l.Attempts+1, "error", err)
		l.Next = p.o.Now().Add(tellAgain()[l.Attempts])
		l.Attempts++
		if err := p.o.Shelf.AddLogouts(ctx, l); err != nil {
			p.o.Log.ErrorContext(ctx, "a logout to be told again is not kept", "client", l.Client, "error", err)
		}
		return
	}
	if err != nil {
		e.Failed, e.Reason, e.Detail = true, "given-up", err.Error()
	}
	if err := p.o.Tell(ctx, e); err != nil {
		p.o.Log.ErrorContext(ctx, "that a client was told is not in the audit", "client", l.Client, "error", err)
		return // it stays due, and is told again
	}
	if err := p.o.Shelf.RemoveLogout(ctx, l.Client, l.Session); err != nil {
		p.o.Log.ErrorContext(ctx, "a client that was told will be told again", "client", l.Client, "error", err)
	}
}

// logoutEvent is the member of events that makes a logout token one.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// sendLogout posts a logout token (OpenID Connect Back-Channel Logout 1.0 §2.5).
func (p *Provider) sendLogout(ctx context.Context, l LogoutRecord) error {
	client, err := p.client(ctx, l.Client)
	var refused *Refusal
	if errors.As(err, &refused) || err == nil && client.BackChannelLogout == "" {
		return nil // it is no client any more
	}
	if err != nil {
		return err
	}
	now := p.o.Now()
	token, err := p.o.Keys.Sign(ctx, client.Algorithm, typeLogoutToken, map[string]any{
		"iss": p.o.Issuer, "aud": client.ID, "iat": now.Unix(), "exp": now.Add(tellLife).Unix(), "jti": rand.Text(),
		"sub": p.subject(ctx, client, identity.PSIdNat(l.Holder)), "sid": p.sid(ctx, client.ID, l.Session),
		"events": map[string]any{logoutEvent: map[string]any{}},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, client.BackChannelLogout, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := p.o.BackChannel.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, tellAnswer)) // so that the connection serves again
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("answered %d", answer.StatusCode)
	}
	return nil
}
