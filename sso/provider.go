package sso

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"cpsgate/identity"
)

// Person is who is told of to applications.
type Person struct {
	identity.Professional
	Activities []Activity // one for each active card; the latest used first
}

// Activity is in what a person comes: what the certificate of one card says.
type Activity struct {
	Card       string // token id
	Profession identity.Profession
	Training   bool
	Structure  identity.StructureID
	Employer   string
}

// Event is what the provider did or refused, for the audit.
type Event struct {
	Kind    string // see the Event constants
	Refused bool
	Failed  bool
	Reason  string
	Client  string
	Holder  identity.PSIdNat
	Session string
	Detail  string // for operators
}

// The kinds of event.
const (
	EventSignIn  = "sso.sign-in" // a code was given, or refused
	EventToken   = "sso.token"   // a refused request of a client
	EventReuse   = "sso.reuse"   // a code or refresh token came twice: its grant ended
	EventConsent = "sso.consent"
	EventLogout  = "sso.logout"      // a client asked, or was refused, to sign someone out
	EventTold    = "sso.logout-told" // a client was told of a session's end, or could not be
	EventClient  = "sso.client"      // a client was added, changed or removed
)

// Options of a Provider. What has no default said is needed.
type Options struct {
	Issuer   string // https://sso.example.fr, without a path
	Keys     *Keys
	Clients  *Clients
	Shelf    Shelf
	Once     Once
	Sessions Sessions
	Person   func(context.Context, identity.PSIdNat) (identity.Professional, error)

	Levels        Levels // nil: DefaultLevels
	PSC           PSC
	Confirm       Confirmation
	RequirePushed bool // refuse requests that were not pushed
	ClientRate    int  // requests a minute of one client that has proved itself; 0: DefaultClientRate

	// Tell records an event; what cannot be recorded is refused.
	Tell Tell
	// BackChannel sends logout tokens; nil: a client with a deadline that
	// follows no redirect.
	BackChannel *http.Client

	// MutualTLS is the origin of the listener that serves Provider.MutualTLS; "" =
	// there is none, and clients by tls_client_auth are refused everywhere.
	MutualTLS string

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: slog.Default
}

// Provider is the OpenID provider. It is safe for concurrent use.
type Provider struct {
	o         Options
	endpoints http.Handler
	mutual    http.Handler
	wake      chan struct{} // somebody is to be told
	telling   busy
	looking   looking

	reconcileEvery time.Duration
	refusals       refusals
	rates          rates // by client
	bearers        rates // by client and session
}

// What is kept to be taken once.
const (
	onceCode    = "sso.code"
	oncePushed  = "sso.pushed"
	onceRequest = "sso.request"
	onceLogout  = "sso.logout"
)

// OnceLimits are the most that may wait of what anybody can ask for, without
// having proved anything: a thousand a minute, of 4 KiB each.
func OnceLimits() map[string]int { return map[string]int{onceRequest: 20_000, onceLogout: 20_000} }

// New checks the options and the clients of the file.
func New(o Options) (*Provider, error) {
	if o.Keys == nil || o.Clients == nil || o.Shelf == nil || o.Once == nil || o.Sessions == nil || o.Person == nil || o.Tell == nil {
		return nil, errors.New("sso: keys, clients, shelf, once, sessions, person and tell are all needed")
	}
	issuer, err := url.Parse(o.Issuer)
	if err != nil || issuer.Scheme != "https" || o.Issuer != "https://"+issuer.Host {
		return nil, fmt.Errorf("sso: issuer %q is not of the form https://host[:port]", o.Issuer)
	}
	if o.MutualTLS != "" {
		if u, err := url.Parse(o.MutualTLS); err != nil || u.Scheme != "https" || o.MutualTLS != "https://"+u.Host || o.MutualTLS == o.Issuer {
			return nil, fmt.Errorf("sso: mutual TLS at %q: not of the form https://host[:port], or the issuer's own", o.MutualTLS)
		}
	}
	if o.Levels == nil {
		o.Levels = DefaultLevels()
	}
	if err := o.Levels.Check(); err != nil {
		return nil, fmt.Errorf("sso: levels: %w", err)
	}
	if err := o.PSC.Check(); err != nil {
		return nil, fmt.Errorf("sso: psc: %w", err)
	}
	if err := o.Confirm.check(); err != nil {
		return nil, fmt.Errorf("sso: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.BackChannel == nil {
		o.BackChannel = NewBackChannel(nil)
	}
	o.ClientRate = cmp.Or(o.ClientRate, DefaultClientRate)
	p := &Provider{
		o: o, wake: make(chan struct{}, 1), telling: busy{ids: map[string]bool{}}, reconcileEvery: reconcileEvery,
		rates: newRates(o.ClientRate), bearers: newRates(bearerRate),
	}
	library := p.newLibrary()
	p.endpoints, p.mutual = p.newEndpoints(library), p.newMutual(library)
	return p, nil
}

// client finds a client by its id; an unknown one is a *Refusal.
func (p *Provider) client(ctx context.Context, id string) (*Client, error) {
	c, err := p.o.Clients.Find(ctx, id)
	if errors.Is(err, ErrClientUnknown) {
		return nil, refuse(InvalidClient, "client-unknown", "this client is not known here")
	}
	return c, err
}

// Client finds a client, for pages that name it.
func (p *Provider) Client(ctx context.Context, id string) (*Client, error) { return p.client(ctx, id) }

// Person reads who somebody is, for pages that name them.
func (p *Provider) Person(ctx context.Context, holder identity.PSIdNat) (Person, error) {
	who, err := p.o.Person(ctx, holder)
	if err != nil {
		return Person{}, err
	}
	kept, err := p.o.Shelf.ActivitiesOf(ctx, string(holder))
	if err != nil {
		return Person{}, fmt.Errorf("reading activities: %w", err)
	}
	person := Person{Professional: who}
	for _, a := range kept {
		person.Activities = append(person.Activities, Activity{
			Card: a.Card, Profession: identity.Profession(a.Profession), Training: a.Training,
			Structure: identity.StructureID(a.Structure), Employer: a.Employer,
		})
	}
	return person, nil
}

// Seen keeps in what activity a card's holder comes, as its certificate says:
// one card, one profession.
func (p *Provider) Seen(ctx context.Context, who identity.Cardholder) error {
	return p.o.Shelf.SaveActivity(ctx, ActivityRecord{
		Card: who.Card.TokenID, Holder: string(who.Professional.IdNat), Profession: int(who.Professional.Profession),
		Training: who.Professional.Training, Structure: string(who.Professional.Structure), Employer: who.Professional.Employer, SeenAt: p.o.Now(),
	})
}

// Clients are the applications known.
func (p *Provider) Clients() *Clients { return p.o.Clients }
