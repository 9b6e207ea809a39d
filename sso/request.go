package sso

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
)

// Scopes that are understood; others are passed over (RFC 6749 §3.3).
const (
	ScopeOpenID   = "openid"
	ScopeProfile  = "profile"
	ScopeOffline  = "offline_access" // given where the client may refresh; ends with the session all the same
	ScopeActivity = "activity"       // the person says in which of their activities they come
	ScopePSC      = "scope_all"      // Pro Santé Connect's
	ScopeGroups   = "groups"
)

func scopes() []string {
	return []string{ScopeOpenID, ScopeProfile, ScopeGroups, ScopeActivity, ScopeOffline, ScopePSC}
}

// Values of prompt (OpenID Connect Core §3.1.2.1).
const (
	promptNone    = "none"
	promptLogin   = "login"
	promptConsent = "consent"
	promptSelect  = "select_account"
)

// Request is an authorization request that was judged good, and what the person
// has said to it so far. It waits, as JSON, for the person.
type Request struct {
	Client    string
	Redirect  string
	State     string
	Nonce     string
	Challenge string // S256 (RFC 7636 §4.2)
	Scopes    []string
	Prompt    []string
	MaxAge    time.Duration // 0 with HasMaxAge: authenticate now
	HasMaxAge bool
	ACR       []string
	Locales   []string
	Hint      identity.PSIdNat // login_hint, when it names a person
	Subject   string           // sub of id_token_hint
	At        time.Time

	Confirmed string // the session whose holder said that it is they
	Consented string // the session whose holder agreed
	Activity  string // the card whose activity was chosen
	Chosen    string // the session whose holder chose it
}

// asks tells whether the request has a prompt.
func (r *Request) asks(prompt string) bool { return has(r.Prompt, prompt) }

// Begin judges an authorization request. A *Refusal whose Back is set goes back
// to the client; any other is told to the person, because where it would go
// cannot be trusted.
func (p *Provider) Begin(ctx context.Context, form url.Values) (Request, error) {
	r, err := p.begin(ctx, form)
	return r, p.told(ctx, nil, err)
}

func (p *Provider) begin(ctx context.Context, form url.Values) (Request, error) {
	if err := readParameters(form); err != nil {
		return Request{}, err
	}
	if form.Get("request_uri") != "" {
		return p.takePushed(ctx, form)
	}
	client, err := p.client(ctx, form.Get("client_id"))
	if err != nil {
		return Request{}, err
	}
	if p.o.RequirePushed {
		return Request{}, refuse(InvalidRequest, "not-pushed", "authorization requests must be pushed (RFC 9126)")
	}
	return p.judge(ctx, client, form)
}

// judge reads the request of a client that is known.
func (p *Provider) judge(ctx context.Context, client *Client, form url.Values) (Request, error) {
	redirect := form.Get("redirect_uri")
	if !client.redirects(redirect) {
		r := refuse(InvalidRequest, "redirect-uri", "redirect_uri is none that is registered for this client, byte by byte")
		r.Client = client.ID
		return Request{}, r
	}
	r := Request{Client: client.ID, Redirect: redirect, State: form.Get("state"), At: p.o.Now().Truncate(time.Microsecond)}
	err := p.fill(ctx, &r, form)
	if err == nil {
		err = r.checkSize()
	}
	if err != nil {
		var refused *Refusal
		if errors.As(err, &refused) {
			return Request{}, p.back(refused, r)
		}
		return Request{}, err
	}
	return r, nil
}

// maxRequest is how many bytes of JSON a request may be, to wait in 4 KiB with
// what the person says to it: whoever asks need not have proved anything.
const maxRequest = 4<<10 - 512

func (r *Request) checkSize() error {
	var kept bytes.Buffer
	e := json.NewEncoder(&kept)
	e.SetEscapeHTML(false) // as Once keeps it
	if err := e.Encode(r); err != nil {
		return err
	}
	if kept.Len() > maxRequest {
		return refuse(InvalidRequest, "request-long", "the parameters are too long to be kept")
	}
	return nil
}

// back makes a refusal one that goes back to the client (RFC 6749 §4.1.2.1),
// with our name, against mix-up (RFC 9207).
func (p *Provider) back(refused *Refusal, r Request) *Refusal {
	answer := url.Values{"error": {string(refused.Code)}, "iss": {p.o.Issuer}}
	if refused.Detail != "" {
		answer.Set("error_description", refused.Detail)
	}
	if r.State != "" {
		answer.Set("state", r.State)
	}
	refused.Client, refused.Back = r.Client, answerAt(r.Redirect, answer)
	return refused
}

// fill reads the parameters after client_id and redirect_uri.
func (p *Provider) fill(ctx context.Context, r *Request, form url.Values) error {
	for _, unsupported := range []struct {
		name string
		code Code
	}{{"request", RequestNotSupported}, {"registration", RegistrationUnsupported}} {
		if form.Has(unsupported.name) {
			return refuse(unsupported.code, unsupported.name, unsupported.name+" is not supported")
		}
	}
	if form.Get("response_type") != "code" {
		return refuse(UnsupportedResponseType, "response-type", "response_type must be code")
	}
	if mode := form.Get("response_mode"); mode != "" && mode != "query" {
		return refuse(InvalidRequest, "response-mode", "response_mode must be query")
	}
	if len(r.State) > maxEcho || len(form.Get("nonce")) > maxEcho {
		return refuse(InvalidRequest, "parameter-long", "state and nonce may be of 512 bytes each")
	}
	if err := r.readChallenge(form); err != nil {
		return err
	}
	for _, word := range words(form.Get("scope")) {
		if has(scopes(), word) {
			r.Scopes = append(r.Scopes, word)
		}
	}
	if !has(r.Scopes, ScopeOpenID) {
		return refuse(InvalidScope, "scope", "scope must hold openid")
	}
	r.Nonce, r.ACR, r.Locales = form.Get("nonce"), words(form.Get("acr_values")), words(form.Get("ui_locales"))
	if hint, err := identity.ParsePSIdNat(form.Get("login_hint")); err == nil && hint.Kind() != identity.IdNatUnknown {
		r.Hint = hint // any other hint says nothing to us: who signs in shows a card
	}
	if err := r.readPrompt(form); err != nil {
		return err
	}
	return p.readHint(ctx, r, form.Get("id_token_hint"))
}

// readChallenge wants PKCE with S256 of every client (RFC 9700 §2.1.1): plain
// and none are downgrades.
func (r *Request) readChallenge(form url.Values) error {
	if form.Get("code_challenge_method") != "S256" {
		return refuse(InvalidRequest, "pkce-method", "code_challenge_method must be S256")
	}
	r.Challenge = form.Get("code_challenge")
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(r.Challenge); err != nil || len(raw) != 32 {
		return refuse(InvalidRequest, "pkce-challenge", "code_challenge must be a SHA-256 in base64url (RFC 7636 §4.2)")
	}
	return nil
}

func (r *Request) readPrompt(form url.Values) error {
	r.Prompt = words(form.Get("prompt"))
	for _, prompt := range r.Prompt {
		if !has([]string{promptNone, promptLogin, promptConsent, promptSelect}, prompt) {
			return refuse(InvalidRequest, "prompt", "prompt holds an unknown value")
		}
	}
	if r.asks(promptNone) && len(r.Prompt) > 1 {
		return refuse(InvalidRequest, "prompt", "prompt=none stands alone")
	}
	if !form.Has("max_age") {
		return nil
	}
	seconds, err := strconv.ParseUint(form.Get("max_age"), 10, 31)
	if err != nil {
		return refuse(InvalidRequest, "max-age", "max_age must be a number of seconds")
	}
	r.MaxAge, r.HasMaxAge = time.Duration(seconds)*time.Second, true
	return nil
}

// readHint takes whom the client believes to be signed in, from an ID token of
// ours for this client, expired or not.
func (p *Provider) readHint(ctx context.Context, r *Request, hint string) error {
	if hint == "" {
		return nil
	}
	claims, err := p.readIDToken(ctx, hint)
	if err != nil || claims.Audience != r.Client {
		return refuse(InvalidRequest, "id-token-hint", "id_token_hint is not an ID token of this provider for this client")
	}
	r.Subject = claims.Subject
	return nil
}

// hinted is what is read of an ID token that comes back.
type hinted struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Session  string `json:"sid"`
}

func (p *Provider) readIDToken(ctx context.Context, token string) (hinted, error) {
	payload, err := p.o.Keys.Verify(ctx, token, typeIDToken)
	if err != nil {
		return hinted{}, err
	}
	var h hinted
	if err := json.Unmarshal(payload, &h); err != nil || h.Issuer != p.o.Issuer || h.Subject == "" || h.Session == "" {
		return hinted{}, ErrNotOurs
	}
	return h, nil
}

// Demand is what the request asks of a session; the store of a demand's answer
// is the session itself.
func (p *Provider) Demand(r Request) sessions.Demand {
	d := sessions.Demand{}
	if r.HasMaxAge && r.MaxAge > 0 {
		d.MaxAge = r.MaxAge
	}
	if r.asks(promptLogin) || r.HasMaxAge && r.MaxAge == 0 {
		d.Since = r.At
	}
	if rank, any := p.o.Levels.asked(r.ACR); any {
		d.Methods, d.Proofs = p.o.Levels.demand(rank)
	}
	return d
}
