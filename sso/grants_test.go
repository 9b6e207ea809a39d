package sso_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/sso"
)

// during does something while a grant is being kept.
type during struct {
	sso.Shelf
	do func()
}

func (d *during) AddGrant(ctx context.Context, g sso.GrantRecord, tokens ...sso.TokenRecord) (bool, error) {
	d.do()
	return d.Shelf.AddGrant(ctx, g, tokens...)
}

// A session that ends while its code is redeemed takes the tokens along.
func TestASessionThatEndsWhileItsCodeIsRedeemed(t *testing.T) {
	meanwhile := &during{}
	p := newPlace(t, func(o *sso.Options) { meanwhile.Shelf, o.Shelf = o.Shelf, meanwhile })
	session := p.open(alice, cardA)
	meanwhile.do = func() {
		if err := p.sessions.EndByID(t.Context(), alice, session.ID); err != nil {
			t.Error(err)
		}
	}
	code := p.code(asked(), session).Get("code")
	if a := p.post(sso.PathToken, exchange(code)); a.text("error") != "invalid_grant" || a.json["access_token"] != nil {
		t.Errorf("%d %s", a.status, a.body)
	}
	if got := p.reasons(); !slices.Equal(got, []string{"session-over"}) {
		t.Errorf("recorded %v", got)
	}
	if left := p.granted(session.ID); len(left) != 0 { // nobody has its tokens: its end is owed to nobody
		t.Errorf("%+v", left)
	}
}

// A sweep right after a session's last moment leaves its grants, so that its
// end is told.
func TestGrantsOutliveTheirSession(t *testing.T) {
	p := newPlace(t, nil)
	session := p.open(alice, cardA)
	p.tokens(session)
	p.clock.add(session.ExpiresAt.Sub(start) + time.Minute)
	if err := p.store.SweepGrants(t.Context(), p.clock.now()); err != nil {
		t.Fatal(err)
	}
	if left := p.granted(session.ID); len(left) != 1 {
		t.Errorf("%d left", len(left))
	}
}

// granted takes the grants that stand on a session.
func (p *place) granted(session string) (left []sso.GrantRecord) {
	p.t.Helper()
	err := p.store.EndGrantsOf(p.t.Context(), session, "looked at", func(all []sso.GrantRecord) []sso.LogoutRecord {
		left = all
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return left
}

// Who loses the group loses the tokens.
func TestTokensDieWithTheGroup(t *testing.T) {
	for name, ask := range map[string]func(p *place, tokens answer) bool{
		"refresh": func(p *place, a answer) bool {
			return p.post(sso.PathToken, refresh(a.text("refresh_token"))).status == 200
		},
		"userinfo": func(p *place, a answer) bool { return p.userinfo(a.text("access_token")).status == 200 },
		"introspection": func(p *place, a answer) bool {
			return p.post(sso.PathIntrospect, url.Values{"token": {a.text("access_token")}}).json["active"] == true
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, nil, app(func(c *sso.Client) { c.Groups = []string{"operator"} }))
			session := p.open(alice, cardA)
			a := p.tokens(session)
			waiting := p.code(asked(), session).Get("code")
			if !ask(p, p.tokens(session)) {
				t.Fatal("refused to who holds the group")
			}
			who := p.people[alice]
			p.people[alice] = identity.Professional{IdNat: alice, FamilyName: who.FamilyName, Profession: who.Profession}
			if ask(p, a) {
				t.Error("served to who has lost the group")
			}
			if got := p.post(sso.PathToken, exchange(waiting)); got.text("error") != "invalid_grant" {
				t.Errorf("a code that waited: %s", got.body)
			}
			p.people[alice] = who
			if ask(p, a) {
				t.Error("the grant lives on")
			}
		})
	}
}

// A fault of ours does not make the client's second try a theft.
func TestARefreshThatFailsMayBeTriedAgain(t *testing.T) {
	p := newPlace(t, nil)
	token := p.tokens(p.open(alice, cardA)).text("refresh_token")
	who := p.people[alice]
	delete(p.people, alice)
	if a := p.post(sso.PathToken, refresh(token)); a.status != http.StatusInternalServerError {
		t.Fatalf("%d %s", a.status, a.body)
	}
	p.people[alice] = who
	if a := p.post(sso.PathToken, refresh(token)); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}
