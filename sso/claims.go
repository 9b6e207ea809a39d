package sso

import (
	"context"
	"strings"
)

// typeIDToken is the typ of ID tokens; logout tokens have their own, so that
// neither passes for the other (RFC 8725 §3.11).
const (
	typeIDToken     = "JWT"
	typeLogoutToken = "logout+jwt" // OpenID Connect Back-Channel Logout §2.4
)

// claims are what a client is told of a person (OpenID Connect Core §5.1). What
// is not known is left out.
type claims map[string]any

func (c claims) set(name, value string) {
	if value != "" {
		c[name] = value
	}
}

// tell is what a client is told of who holds a grant: in its ID token the
// standard claims, and at the userinfo endpoint all of its shape.
func (p *Provider) claims(ctx context.Context, client *Client, g grant) (claims, error) {
	person, err := p.Person(ctx, g.Holder)
	if err != nil {
		return nil, err
	}
	c := claims{"sub": p.subject(ctx, client, g.Holder)}
	if has(g.Scopes, ScopeProfile) || has(g.Scopes, ScopePSC) {
		c.set("family_name", person.FamilyName)
		c.set("given_name", person.GivenName)
		c.set("name", strings.TrimSpace(person.GivenName+" "+person.FamilyName))
	}
	if has(g.Scopes, ScopeGroups) {
		c["groups"] = Groups(person.Professional)
	}
	return c, nil
}

// userinfo is all that a client is told.
func (p *Provider) userinfo(ctx context.Context, client *Client, g grant) (claims, error) {
	c, err := p.claims(ctx, client, g)
	if err != nil || client.Claims != ShapePSC {
		return c, err
	}
	person, err := p.Person(ctx, g.Holder)
	if err != nil {
		return nil, err
	}
	c.psc(p.o.PSC, person.Professional, activityOf(person, g.Activity), g.Way)
	return c, nil
}

// activityOf is the activity in which somebody came: that of a card, or what
// is known of the person.
func activityOf(person Person, card string) Activity {
	for _, a := range person.Activities {
		if a.Card == card && card != "" {
			return a
		}
	}
	return Activity{Profession: person.Profession, Training: person.Training, Structure: person.Structure, Employer: person.Employer}
}
