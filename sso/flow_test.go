package sso_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/sessions"
	"cpsgate/sso"
)

func (p *place) idToken(t *testing.T, token string) map[string]any {
	t.Helper()
	payload, err := signing(t).Verify(t.Context(), token, "JWT")
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestSignIn(t *testing.T) {
	p := newPlace(t, nil)
	session := p.open(alice, cardA)
	back := p.code(asked(), session)
	if back.Get("state") != "af0ifjsldkj" || back.Get("iss") != issuer { // RFC 9207
		t.Fatalf("answer %v", back)
	}
	a := p.post(sso.PathToken, exchange(back.Get("code")))
	if a.status != http.StatusOK || a.header.Get("Cache-Control") != "no-store" && a.header.Get("Cache-Control") != "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	claims := p.idToken(t, a.text("id_token"))
	for name, want := range map[string]any{
		"iss": issuer, "aud": "app", "azp": "app", "nonce": "n-0S6_WzA2Mj", "acr": "urn:cpsgate:acr:card",
		"name": "Camille EXEMPLE", "given_name": "Camille", "family_name": "EXEMPLE",
		"amr": []any{"sc", "hwk", "pin", "user", "mfa"}, "groups": []any{"operator", "profession-10", "specialty-SM54"},
		"auth_time": float64(start.Unix()), "iat": float64(start.Unix()), "exp": float64(start.Add(5 * time.Minute).Unix()),
	} {
		if !reflect.DeepEqual(claims[name], want) {
			t.Errorf("%s: %v, want %v", name, claims[name], want)
		}
	}
	for name, value := range claims {
		if text, _ := value.(string); text == session.ID || name == "sub" && text == string(alice) {
			t.Errorf("%s tells %q", name, text)
		}
	}
	info := p.userinfo(a.text("access_token"))
	if info.status != http.StatusOK || info.text("sub") != claims["sub"] || info.text("SubjectNameID") != string(alice) {
		t.Errorf("%d %s", info.status, info.body)
	}
}

// What Pro Santé Connect's clients read is there, and nothing that is not known.
func TestProSanteConnectShape(t *testing.T) {
	p := newPlace(t, nil)
	a := p.userinfo(p.tokens(p.open(alice, cardA)).text("access_token"))
	want := `{"SubjectNameID":"899700000017","SubjectOrganization":"Hôpital d'exemple","SubjectOrganizationID":"1750000001",
		"SubjectRefPro":{"exercices":[{"activities":[{"numeroFinessSite":"750000001","raisonSocialeSite":"Hôpital d'exemple"}],
		"codeProfession":"10","codeSavoirFaire":"SM54","codeTypeSavoirFaire":"S","nomDexercice":"EXEMPLE","prenomDexercice":"Camille"}]},
		"SubjectRole":["10^1.2.250.1.213.1.1.5.5"],"UITVersion":"1.0","family_name":"EXEMPLE","given_name":"Camille","name":"Camille EXEMPLE",
		"groups":["operator","profession-10","specialty-SM54"],
		"otherIds":[{"identifiant":"899700000017","origine":"RPPS","qualite":1}],"preferred_username":"899700000017"}`
	var expected map[string]any
	if err := json.Unmarshal([]byte(want), &expected); err != nil {
		t.Fatal(err)
	}
	expected["sub"] = a.text("sub")
	if !reflect.DeepEqual(a.json, expected) {
		t.Errorf("%s", a.body)
	}
	student := p.userinfo(p.tokens(p.open(bob, cardB)).text("access_token"))
	if _, said := student.json["SubjectRole"]; said || strings.Contains(student.body, `""`) || student.json["SubjectRefPro"] == nil {
		t.Errorf("of a student: %s", student.body)
	}
}

func TestSubjects(t *testing.T) {
	other := app(func(c *sso.Client) { c.ID, c.RedirectURIs = "other", []string{"https://other.test/cb"} })
	public := app(func(c *sso.Client) {
		c.ID, c.RedirectURIs, c.Subject, c.Auth = "public", []string{"https://public.test/cb"}, sso.SubjectPublic, sso.AuthNone
	})
	p := newPlace(t, nil, app(), other, public)
	session := p.open(alice, cardA)
	sub := func(form url.Values) string {
		t.Helper()
		r, err := p.provider.Begin(t.Context(), form)
		if err != nil {
			t.Fatal(err)
		}
		if r.Client == "public" {
			there, err := p.provider.Issue(t.Context(), r, session)
			if err != nil {
				t.Fatal(err)
			}
			u, _ := url.Parse(there)
			a := p.do(p.request(sso.PathToken, exchange(u.Query().Get("code"), "redirect_uri", "https://public.test/cb", "client_id", "public"), "", ""))
			return p.idToken(t, a.text("id_token"))["sub"].(string)
		}
		return p.idToken(t, p.tokens(session).text("id_token"))["sub"].(string)
	}
	first := sub(asked())
	if first != sub(asked()) {
		t.Error("a pairwise subject changes")
	}
	if got := sub(asked("client_id", "public", "redirect_uri", "https://public.test/cb")); got != string(alice) {
		t.Errorf("public subject %q", got)
	}
}

func TestLevels(t *testing.T) {
	tests := []struct {
		name  string
		open  func(*sessions.Session)
		acr   string
		amr   []string
		asked string // acr_values
		code  sso.Code
	}{
		{"certificate", func(*sessions.Session) {}, "urn:cpsgate:acr:card", []string{"sc", "hwk", "pin", "user", "mfa"}, "urn:cpsgate:acr:card", ""},
		{"passkey of the same card", passkey(identity.ProofSameCard, cardA), "urn:cpsgate:acr:card", []string{"sc", "hwk", "pin", "user", "mfa"}, "urn:cpsgate:acr:card", ""},
		{"passkey registered by certificate", inCard(identity.ProofCertificate, cardA), "urn:cpsgate:acr:registered", []string{"sc", "hwk", "pin", "user", "mfa"}, "urn:cpsgate:acr:desk", ""},
		{"security key registered by certificate", passkey(identity.ProofCertificate, cardA), "urn:cpsgate:acr:registered", []string{"hwk", "user", "mfa"}, "urn:cpsgate:acr:desk", ""},
		{"passkey on the desk's word", inCard(identity.ProofDesk, cardA), "urn:cpsgate:acr:desk", []string{"sc", "hwk", "pin", "user", "mfa"}, "eidas1", ""},
		{"a security key claims no PIN", passkey(identity.ProofDesk, ""), "urn:cpsgate:acr:desk", []string{"hwk", "user", "mfa"}, "something:else", ""},
		{"of nobody's word", passkey("", cardA), "urn:cpsgate:acr:desk", nil, "", ""},
		{"the desk's word where the card is asked for", passkey(identity.ProofDesk, cardA), "", nil, "urn:cpsgate:acr:card", sso.UnmetRequirements},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t, nil)
			form := asked("acr_values", tt.asked)
			r, err := p.provider.Begin(t.Context(), form)
			if err != nil {
				t.Fatal(err)
			}
			session := p.open(alice, cardA, tt.open) // after the request came
			_, err = p.provider.Next(t.Context(), r, session)
			if got := codeOf(err); got != tt.code {
				t.Fatalf("%v, want %q", err, tt.code)
			}
			if tt.code != "" {
				return
			}
			acr, amr := sso.DefaultLevels().Context(*session)
			if acr != tt.acr || tt.amr != nil && !slices.Equal(amr, tt.amr) {
				t.Errorf("%s %v", acr, amr)
			}
		})
	}
}

// A max_age that runs out while a question is open asks for the PIN again, once,
// and not for another way of signing in.
func TestMaxAgeRunsOut(t *testing.T) {
	client := app()
	client.ThirdParty = true
	p := newPlace(t, nil, client)
	begin := func(more ...string) sso.Request {
		t.Helper()
		r, err := p.provider.Begin(t.Context(), asked(more...))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	want := func(r sso.Request, s *sessions.Session, step sso.Step, code sso.Code) {
		t.Helper()
		if got, err := p.provider.Next(t.Context(), r, s); got != step || codeOf(err) != code {
			t.Errorf("%q, %v; want %q %q", got, err, step, code)
		}
	}
	r := begin("max_age", "60")
	s := p.open(alice, cardA)
	want(r, s, sso.StepConsent, "")
	p.clock.add(70 * time.Second)
	want(r, s, sso.StepSignIn, "")
	if err := p.provider.Agree(t.Context(), &r, s); err != nil {
		t.Fatal(err)
	}
	want(r, s, sso.StepSignIn, "")
	s.AuthenticatedAt = p.clock.now()
	want(r, s, sso.StepDone, "")

	r = begin("max_age", "1", "prompt", "consent")
	s.AuthenticatedAt = p.clock.now()
	p.clock.add(5 * time.Second) // on the way back from the doors
	want(r, s, sso.StepConsent, "")

	r = begin("max_age", "60", "acr_values", "urn:cpsgate:acr:card")
	desk := p.open(alice, cardA, inCard(identity.ProofDesk, cardA))
	p.clock.add(70 * time.Second)
	want(r, desk, "", sso.UnmetRequirements)
}

func passkey(proof identity.ProofKind, card string) func(*sessions.Session) {
	return func(s *sessions.Session) {
		s.Method, s.PasskeyID, s.Proof, s.CardTokenID = identity.MethodFIDO2, []byte("key"), proof, card
	}
}

func inCard(proof identity.ProofKind, card string) func(*sessions.Session) {
	return func(s *sessions.Session) {
		passkey(proof, card)(s)
		s.InCard = true
	}
}

// Each question is asked when it must, and answered once for its session.
func TestSteps(t *testing.T) {
	third := func(c *sso.Client) { c.ThirdParty = true }
	shared := func(s *sessions.Session) { s.Workstation = "W1" }
	unknown := func(s *sessions.Session) { s.Workstation = "" }
	tests := []struct {
		name    string
		client  func(*sso.Client)
		options func(*sso.Options)
		open    func(*sessions.Session)
		after   time.Duration // since the PIN; 0 = two minutes
		cards   int           // active cards, each with an activity
		form    []string
		want    sso.Step
		none    sso.Code // with prompt=none
	}{
		{name: "nothing to ask", want: sso.StepDone},
		{name: "prompt=login", form: []string{"prompt", "login"}, want: sso.StepSignIn},
		{name: "max_age=0", form: []string{"max_age", "0"}, want: sso.StepSignIn, none: sso.LoginRequired},
		{name: "max_age is over", form: []string{"max_age", "60"}, want: sso.StepSignIn, none: sso.LoginRequired},
		{name: "max_age is kept", form: []string{"max_age", "86400"}, want: sso.StepDone},
		{name: "a stronger acr", open: passkey(identity.ProofDesk, cardA), form: []string{"acr_values", "urn:cpsgate:acr:card"}, want: sso.StepSignIn, none: sso.LoginRequired},
		{name: "a third party", client: third, want: sso.StepConsent, none: sso.ConsentRequired},
		{name: "prompt=consent", form: []string{"prompt", "consent"}, want: sso.StepConsent},
		{name: "prompt=select_account", form: []string{"prompt", "select_account"}, want: sso.StepConfirm},
		{name: "a shared workstation", open: shared, want: sso.StepConfirm, none: sso.InteractionRequired},
		{name: "a workstation of which nothing is known", open: unknown, want: sso.StepConfirm, none: sso.InteractionRequired},
		{name: "a shared workstation, the PIN just proved", open: shared, after: 2*time.Minute - time.Second, want: sso.StepDone},
		{name: "a shorter time", open: shared, options: func(o *sso.Options) { o.Confirm.After = time.Minute }, after: time.Minute, want: sso.StepConfirm},
		{name: "always confirm", options: func(o *sso.Options) { o.Confirm.Policy = sso.ConfirmAlways }, want: sso.StepConfirm, none: sso.InteractionRequired},
		{name: "always, the PIN just proved", options: func(o *sso.Options) { o.Confirm.Policy = sso.ConfirmAlways }, after: time.Minute, want: sso.StepDone},
		{name: "never confirm", open: shared, options: func(o *sso.Options) { o.Confirm.Policy = sso.ConfirmNever }, want: sso.StepDone},
		{name: "login_hint of another", form: []string{"login_hint", string(bob)}, want: sso.StepConfirm, none: sso.InteractionRequired},
		{name: "login_hint of the same", form: []string{"login_hint", string(alice)}, want: sso.StepDone},
		{name: "login_hint that names nobody", form: []string{"login_hint", "camille@example.org"}, want: sso.StepDone},
		{name: "several activities", cards: 2, form: []string{"scope", "openid activity"}, want: sso.StepChoose, none: sso.InteractionRequired},
		{name: "several activities, not asked for", cards: 2, want: sso.StepDone},
		{name: "of a group", client: func(c *sso.Client) { c.Groups = []string{"profession-10"} }, want: sso.StepDone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := app()
			if tt.client != nil {
				tt.client(&client)
			}
			p := newPlace(t, func(o *sso.Options) {
				o.Confirm.Personal = []string{"W0"}
				if tt.options != nil {
					tt.options(o)
				}
			}, client)
			if tt.cards == 2 {
				p.twoActivities()
			}
			session := p.open(alice, cardA, func(s *sessions.Session) {
				s.Workstation = "W0"
				if tt.open != nil {
					tt.open(s)
				}
			})
			p.clock.add(cmp.Or(tt.after, 2*time.Minute))
			if got, r := p.step(t, asked(tt.form...), session); got != tt.want {
				t.Fatalf("step %q, want %q", got, tt.want)
			} else if got != sso.StepDone && got != sso.StepSignIn {
				p.answer(t, got, r, session)
			}
			if tt.none == "" {
				return
			}
			r, err := p.provider.Begin(t.Context(), asked(append(tt.form, "prompt", "none")...))
			if err != nil {
				t.Fatal(err)
			}
			if tt.none == sso.ConsentRequired { // the answer above holds
				if step, err := p.provider.Next(t.Context(), r, session); step != sso.StepDone {
					t.Errorf("consent is asked again: %q %v", step, err)
				}
				return
			}
			if _, err := p.provider.Next(t.Context(), r, session); codeOf(err) != tt.none {
				t.Errorf("prompt=none: %v, want %q", err, tt.none)
			}
		})
	}
}

// twoActivities gives Alice two cards, each of which has signed in.
func (p *place) twoActivities() {
	p.t.Helper()
	err := p.store.Change(p.t.Context(), func(u enroll.Unit) error {
		return errors.Join(u.SaveProfessional(p.t.Context(), p.people[alice]),
			u.SaveCard(p.t.Context(), identity.Card{TokenID: cardA, Holder: alice, State: identity.CardActive}),
			u.SaveCard(p.t.Context(), identity.Card{TokenID: cardB, Holder: alice, State: identity.CardActive}))
	})
	if err != nil {
		p.t.Fatal(err)
	}
	for card, who := range map[string]identity.Professional{
		cardA: {IdNat: alice, Profession: 10}, cardB: {IdNat: alice, Profession: 50, Employer: "Maternité d'exemple"},
	} {
		if err := p.provider.Seen(p.t.Context(), identity.Cardholder{Professional: who, Card: identity.Card{TokenID: card}}); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *place) step(t *testing.T, form url.Values, session *sessions.Session) (sso.Step, sso.Request) {
	t.Helper()
	r, err := p.provider.Begin(t.Context(), form)
	if err != nil {
		t.Fatal(err)
	}
	step, err := p.provider.Next(t.Context(), r, session)
	if err != nil {
		t.Fatal(err)
	}
	return step, r
}

// answer answers a question for one session, and makes sure that it does not
// hold for another's.
func (p *place) answer(t *testing.T, step sso.Step, r sso.Request, session *sessions.Session) {
	t.Helper()
	var err error
	switch step {
	case sso.StepConfirm:
		r.Confirm(session)
	case sso.StepConsent:
		err = p.provider.Agree(t.Context(), &r, session)
	case sso.StepChoose:
		if err := p.provider.Choose(t.Context(), &r, session, "8025000001/9999999999"); err == nil {
			t.Error("another's activity is taken")
		}
		err = p.provider.Choose(t.Context(), &r, session, cardB)
	}
	if err != nil {
		t.Fatal(err)
	}
	if next, err := p.provider.Next(t.Context(), r, session); next != sso.StepDone || err != nil {
		t.Errorf("after the answer: %q, %v", next, err)
	}
	other := p.open(bob, cardB, func(s *sessions.Session) { s.AuthenticatedAt = start; s.Workstation = session.Workstation })
	if next, _ := p.provider.Next(t.Context(), r, other); step == sso.StepConfirm && r.Hint != bob && next != sso.StepConfirm {
		t.Errorf("the answer holds for another: %q", next)
	}
}

func TestTheChosenActivityIsTold(t *testing.T) {
	p := newPlace(t, nil)
	p.twoActivities()
	session := p.open(alice, cardA)
	r, err := p.provider.Begin(t.Context(), asked("scope", "openid activity"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.provider.Choose(t.Context(), &r, session, cardB); err != nil {
		t.Fatal(err)
	}
	there, err := p.provider.Issue(t.Context(), r, session)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(there)
	a := p.userinfo(p.post(sso.PathToken, exchange(u.Query().Get("code"))).text("access_token"))
	if !strings.Contains(a.body, `"50^1.2.250.1.213.1.1.5.5"`) || a.text("SubjectOrganization") != "Maternité d'exemple" {
		t.Error(a.body)
	}
}
