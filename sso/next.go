package sso

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
)

// Step is what stands between a request and its code.
type Step string

// The steps, in their order.
const (
	StepSignIn  Step = "sign-in"  // nobody is signed in, or not well enough: see Demand
	StepConfirm Step = "confirm"  // "signed in as … with …": is it you?
	StepChoose  Step = "activity" // in which activity?
	StepConsent Step = "consent"  // may the client be told?
	StepDone    Step = "done"
)

// Next tells the next step of a request for whoever is signed in in this
// browser; nil: nobody. A *Refusal goes back to the client.
func (p *Provider) Next(ctx context.Context, r Request, session *sessions.Session) (Step, error) {
	step, err := p.next(ctx, r, session)
	var refused *Refusal
	if errors.As(err, &refused) {
		return "", p.told(ctx, session, p.back(refused, r))
	}
	return step, err
}

func (p *Provider) next(ctx context.Context, r Request, session *sessions.Session) (Step, error) {
	client, err := p.client(ctx, r.Client)
	if err != nil {
		return "", err
	}
	if step, err := p.signedIn(r, session); step != "" || err != nil {
		return step, err
	}
	person, err := p.Person(ctx, session.Holder)
	if err != nil {
		return "", fmt.Errorf("reading who signs in: %w", err)
	}
	if err := admitted(client, person); err != nil {
		return "", err
	}
	for _, question := range []struct {
		step Step
		code Code
		open func() (bool, error)
	}{
		{StepConfirm, InteractionRequired, func() (bool, error) { return p.mustConfirm(ctx, r, client, session), nil }},
		{StepChoose, InteractionRequired, func() (bool, error) { return mustChoose(r, person, session), nil }},
		{StepConsent, ConsentRequired, func() (bool, error) { return p.mustConsent(ctx, r, client, session) }},
	} {
		open, err := question.open()
		switch {
		case err != nil:
			return "", err
		case open && r.asks(promptNone):
			return "", refuse(question.code, reasonQuiet, "the person must be asked something")
		case open:
			return question.step, nil
		}
	}
	return StepDone, nil
}

// signedIn asks for a session that is good enough. Someone who has proved
// themselves since the request came, and still not in the way that was asked
// for, is not sent round again; but where it was so long ago by now that max_age
// is over, while a question was open, they prove themselves once more.
func (p *Provider) signedIn(r Request, session *sessions.Session) (Step, error) {
	demand, now := p.Demand(r), p.o.Now()
	switch {
	case session != nil && demand.Met(*session, now):
		return "", nil
	case r.asks(promptNone):
		return "", refuse(LoginRequired, reasonQuiet, "nobody is signed in as was asked for")
	case session == nil || !fresh(r, session):
		return StepSignIn, nil
	}
	way := demand
	way.MaxAge = 0
	demand.MaxAge = max(demand.MaxAge, returnTime)
	switch {
	case demand.Met(*session, now):
		return "", nil
	case way.Met(*session, now):
		return StepSignIn, nil
	}
	return "", refuse(UnmetRequirements, "acr", "signed in, but not in a way that reaches acr_values")
}

// returnTime is how long coming back from the doors may take: a max_age below it
// would send people round for ever.
const returnTime = 10 * time.Second

// fresh tells whether the holder has proved who they are since the request came.
func fresh(r Request, session *sessions.Session) bool { return !session.AuthenticatedAt.Before(r.At) }

// admitted lets in who holds one of the client's groups.
func admitted(client *Client, person Person) error {
	if len(client.Groups) == 0 {
		return nil
	}
	for _, g := range Groups(person.Professional) {
		if slices.Contains(client.Groups, g) {
			return nil
		}
	}
	return refuse(AccessDenied, "group", "this person may not use this client")
}

// mustConfirm: where it may be somebody else who sits there now, or the client
// expects somebody else, or has the person choose.
func (p *Provider) mustConfirm(ctx context.Context, r Request, client *Client, session *sessions.Session) bool {
	if r.Confirmed == session.ID {
		return false
	}
	if r.Hint != "" && r.Hint != session.Holder || r.Subject != "" && r.Subject != p.subject(ctx, client, session.Holder) {
		return true
	}
	// A request waits long: of a PIN proved for it, but a while ago, somebody else may go on.
	return r.asks(promptSelect) && !fresh(r, session) || p.o.Confirm.Asks(*session, p.o.Now())
}

// mustChoose: the client asks in which activity, and there are several.
func mustChoose(r Request, person Person, session *sessions.Session) bool {
	return has(r.Scopes, ScopeActivity) && len(person.Activities) > 1 && r.Chosen != session.ID
}

// mustConsent: a third party's client, or one that asks for it, unless the
// person has agreed to as much before.
func (p *Provider) mustConsent(ctx context.Context, r Request, client *Client, session *sessions.Session) (bool, error) {
	if r.Consented == session.ID || !client.ThirdParty && !r.asks(promptConsent) {
		return false, nil
	}
	if r.asks(promptConsent) {
		return true, nil
	}
	agreed, err := p.o.Shelf.Consent(ctx, string(session.Holder), client.ID)
	if err != nil {
		return false, fmt.Errorf("reading consent: %w", err)
	}
	return slices.ContainsFunc(r.Scopes, func(s string) bool { return !slices.Contains(strings.Fields(agreed), s) }), nil
}

// subject is the sub of a person at a client.
func (p *Provider) subject(ctx context.Context, client *Client, holder identity.PSIdNat) string {
	if client.Subject == SubjectPublic {
		return string(holder)
	}
	return p.o.Keys.Pairwise(ctx, client.sector(), string(holder))
}

// sid names a session to one client, and says nothing to another.
func (p *Provider) sid(ctx context.Context, client, session string) string {
	return p.o.Keys.Pairwise(ctx, "sid\x00"+client, session)
}

// Agree keeps that the person agreed.
func (p *Provider) Agree(ctx context.Context, r *Request, session *sessions.Session) error {
	scopes := strings.Join(r.Scopes, " ")
	err := p.tell(ctx, Event{Kind: EventConsent, Reason: "agreed", Client: r.Client, Holder: session.Holder, Session: session.ID, Detail: scopes}, nil)
	if err != nil {
		return err
	}
	r.Consented = session.ID
	return p.o.Shelf.SaveConsent(ctx, string(session.Holder), r.Client, scopes)
}

// Confirm keeps that the person said it is they.
func (r *Request) Confirm(session *sessions.Session) { r.Confirmed = session.ID }

// Choose keeps the activity, by its card, which must be one of the person's.
func (p *Provider) Choose(ctx context.Context, r *Request, session *sessions.Session, card string) error {
	person, err := p.Person(ctx, session.Holder)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(person.Activities, func(a Activity) bool { return a.Card == card }) {
		return refuse(InvalidRequest, "activity", "not an activity of this person")
	}
	r.Activity, r.Chosen = card, session.ID
	return nil
}

// Decline is the person's refusal: it goes back to the client.
func (p *Provider) Decline(ctx context.Context, r Request, session *sessions.Session) (back string, err error) {
	refused := p.back(refuse(AccessDenied, "declined", "the person declined"), r)
	e := Event{Kind: EventSignIn, Refused: true, Reason: "declined", Client: r.Client, Holder: session.Holder, Session: session.ID}
	return refused.Back, p.tell(ctx, e, nil)
}

// codeTime is how long a code waits to be redeemed (RFC 6749 §4.1.2: ten
// minutes at most).
const codeTime = time.Minute

// code is what a code stands for.
type code struct {
	Grant    grant
	Redirect string
	Nonce    string
	// Challenge is that of PKCE.
	Challenge string
}

// grant is what a client was granted: the record of a GrantRecord.
type grant struct {
	Client   string
	Holder   identity.PSIdNat
	Session  string
	Scopes   []string
	AuthTime time.Time
	ACR      string
	AMR      []string
	Way      Way    // how the session was opened; "" = not kept
	Activity string // token id of the card; "" = that of the session
}

// Issue gives the address that takes a code to the client. The caller has seen
// that Next is StepDone for this session.
func (p *Provider) Issue(ctx context.Context, r Request, session *sessions.Session) (string, error) {
	step, err := p.Next(ctx, r, session)
	if err != nil {
		return "", err
	}
	if step != StepDone {
		return "", fmt.Errorf("issuing a code at the step %q", step)
	}
	g := grant{
		Client: r.Client, Holder: session.Holder, Session: session.ID, Scopes: r.Scopes,
		AuthTime: session.AuthenticatedAt, Way: wayOf(*session), Activity: session.CardTokenID,
	}
	g.ACR, g.AMR = p.o.Levels.Context(*session)
	if r.Chosen == session.ID {
		g.Activity = r.Activity
	}
	key, err := p.o.Once.Put(ctx, onceCode, code{Grant: g, Redirect: r.Redirect, Nonce: r.Nonce, Challenge: r.Challenge}, codeTime)
	if err != nil {
		return "", fmt.Errorf("keeping a code: %w", err)
	}
	answer := url.Values{"code": {key}, "iss": {p.o.Issuer}} // RFC 9207 §2
	if r.State != "" {
		answer.Set("state", r.State)
	}
	e := Event{Kind: EventSignIn, Client: r.Client, Holder: session.Holder, Session: session.ID, Detail: g.ACR}
	if r.Confirmed == session.ID {
		e.Reason = "confirmed"
	}
	return answerAt(r.Redirect, answer), p.tell(ctx, e, nil)
}

// Wait keeps a request while the person answers, for one browser; its key
// stands in the address of the page. Without a browser it waits for any, for a
// moment: one that is on its way here. Where too many wait, a *Refusal goes back
// to the client.
func (p *Provider) Wait(ctx context.Context, r Request, browser []byte) (string, error) {
	life := requestTime
	if browser == nil {
		life = arrivalTime
	}
	key, err := p.o.Once.Put(ctx, onceRequest, waiting{Request: r, Browser: browser}, life)
	if errors.Is(err, sessions.ErrOnceFull) {
		return "", p.told(ctx, nil, p.back(full(r.Client), r))
	}
	return key, err
}

// full refuses a request for which there is no room: those that wait fall out
// within their time.
func full(client string) *Refusal {
	r := refuse(TemporarilyUnavailable, "requests-full", "too many people sign in at once")
	r.Client, r.Wait = client, pushedTime
	return r
}

// requestTime is how long a person may take over one step, arrivalTime how long
// a browser may take to follow a redirect.
const (
	requestTime = 20 * time.Minute
	arrivalTime = time.Minute
)

type waiting struct {
	Request Request
	Browser []byte
}

// ErrOver: the request is unknown, was answered already, or is too old.
var ErrOver = errors.New("no such request waits")

// Resume takes a request that waits, once, and the fingerprint of the browser
// it waits for; nil: any.
func (p *Provider) Resume(ctx context.Context, key string) (r Request, browser []byte, err error) {
	var w waiting
	err = p.o.Once.Take(ctx, onceRequest, key, &w)
	if errors.Is(err, sessions.ErrNoSuch) || errors.Is(err, sessions.ErrTaken) {
		return Request{}, nil, ErrOver
	}
	return w.Request, w.Browser, err
}
