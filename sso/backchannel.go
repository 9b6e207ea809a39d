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
)

// The schedule of logout tokens.
const (
	tellTime   = 5 * time.Second // for one client, all in all
	tellAtOnce = 2               // to one client
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
		Transport:     &http.Transport{TLSClientConfig: trust, MaxIdleConnsPerHost: tellAtOnce, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// How often Run does what nobody wakes it for.
const (
	tellEvery  = 5 * time.Second
	sweepEvery = 10 * time.Minute
)

// Run tells clients of ended sessions, finds ends that were missed, and sweeps,
// until ctx ends.
func (p *Provider) Run(ctx context.Context) {
	again, missed, sweep := time.NewTicker(tellEvery), time.NewTicker(p.reconcileEvery), time.NewTicker(sweepEvery)
	defer again.Stop()
	defer missed.Stop()
	defer sweep.Stop()
	var beside sync.WaitGroup
	defer beside.Wait()
	for {
		select {
		case <-p.wake:
			p.tellDue(ctx, &beside)
		case <-again.C:
			p.tellDue(ctx, &beside)
		case <-missed.C:
			p.endRefusals(ctx, false)
			beside.Go(func() { p.reconcile(ctx) })
		case <-sweep.C:
			if err := p.o.Shelf.SweepGrants(ctx, p.o.Now()); err != nil {
				p.o.Log.ErrorContext(ctx, "grants not swept", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// TellClients tells all that are due, and waits for that.
func (p *Provider) TellClients(ctx context.Context) {
	var telling sync.WaitGroup
	p.tellDue(ctx, &telling)
	telling.Wait()
}

// tellDue begins to tell the clients that something is due to and that are not
// being told already. Each is told beside the others, so that one that hangs
// keeps nobody waiting, be it owed hundreds.
func (p *Provider) tellDue(ctx context.Context, telling *sync.WaitGroup) {
	due, err := p.o.Shelf.ClientsDue(ctx, p.o.Now())
	if err != nil {
		p.o.Log.ErrorContext(ctx, "who is to be told of ended sessions cannot be read", "error", err)
	}
	for _, client := range due {
		if p.telling.begin(client) {
			telling.Go(func() {
				defer p.telling.end(client)
				p.tellAll(ctx, client)
			})
		}
	}
}

// busy are the clients that are being told.
type busy struct {
	mu  sync.Mutex
	ids map[string]bool // guarded by mu
}

// begin tells whether the client is the caller's to tell, until end.
func (b *busy) begin(client string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ids[client] {
		return false
	}
	b.ids[client] = true
	return true
}

func (b *busy) end(client string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.ids, client)
}

// tellAll tells one client all that is due to it, tellAtOnce at a time.
func (p *Provider) tellAll(ctx context.Context, client string) {
	for ctx.Err() == nil {
		now := p.o.Now()
		due, err := p.o.Shelf.ClaimLogouts(ctx, client, now, now.Add(3*tellTime), tellAtOnce)
		if err != nil {
			p.o.Log.ErrorContext(ctx, "what a client is to be told cannot be claimed", "client", client, "error", err)
		}
		if err != nil || len(due) == 0 {
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
	switch {
	case errors.Is(err, errNotListening):
		e.Reason = "not-listening"
	case err != nil && l.Attempts < len(tellAgain()):
		p.tellLater(ctx, l, err)
		return
	case err != nil:
		e.Failed, e.Reason, e.Detail = true, "given-up", err.Error()
	}
	if _, err := p.o.Tell(ctx, e); err != nil {
		p.o.Log.ErrorContext(ctx, "that a client was told is not in the audit", "client", l.Client, "error", err)
		return // it stays due, and is told again
	}
	if err := p.o.Shelf.RemoveLogout(ctx, l.Client, l.Session); err != nil {
		p.o.Log.ErrorContext(ctx, "a client that was told will be told again", "client", l.Client, "error", err)
	}
}

// tellLater keeps what a client could not be told.
func (p *Provider) tellLater(ctx context.Context, l LogoutRecord, err error) {
	p.o.Log.WarnContext(ctx, "a client could not be told of a session's end; it will be tried again",
		"client", l.Client, "attempt", l.Attempts+1, "error", err)
	l.Next = p.o.Now().Add(tellAgain()[l.Attempts])
	l.Attempts++
	if err := p.o.Shelf.AddLogouts(ctx, l); err != nil {
		p.o.Log.ErrorContext(ctx, "a logout to be told again is not kept", "client", l.Client, "error", err)
	}
}

// errNotListening: there is nobody to tell any more.
var errNotListening = errors.New("this client is removed, or listens no more")

// logoutEvent is the member of events that makes a logout token one.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// sendLogout posts a logout token (OpenID Connect Back-Channel Logout 1.0 §2.5).
func (p *Provider) sendLogout(ctx context.Context, l LogoutRecord) error {
	client, err := p.client(ctx, l.Client)
	var refused *Refusal
	if errors.As(err, &refused) || err == nil && client.BackChannelLogout == "" {
		return errNotListening
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
