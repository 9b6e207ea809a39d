package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
	"cpsgate/sessions"
	"cpsgate/sso"
	"cpsgate/web"
)

// TestWhatAPasskeyIsSaidToBe: an application is told of a card and a PIN where
// the passkey lives in a card, whoever vouched for it; never of a security key,
// though a card's certificate or the desk vouched for that, and whatever the
// holder's browser says of it. The pages say the same.
func TestWhatAPasskeyIsSaidToBe(t *testing.T) {
	card, key := []string{"sc", "hwk", "pin", "user", "mfa"}, []string{"hwk", "user", "mfa"}
	models, none := [][16]byte{model}, [][16]byte{}
	applet := softkey.Options{AAGUID: model, Attestation: softkey.Self, Transports: []string{"smart-card"}}
	usb := softkey.Options{AAGUID: [16]byte{0x4e}, Attestation: softkey.Self, Transports: []string{"usb"}}
	lying := softkey.Options{AAGUID: [16]byte{0x4e}, Attestation: softkey.Self, Transports: []string{"smart-card"}}
	numbered := func(of *testpki.Card) string { return "avec votre carte enrôlée n° " + web.CardNumber(of.TokenID) }
	aKey := func(*testpki.Card) string { return "avec votre clé de sécurité" }
	for _, tt := range []struct {
		name   string
		enrols func(o *signOn, of *testpki.Card, device *softkey.Device)
		models [][16]byte
		made   softkey.Options
		amr    []string
		says   func(of *testpki.Card) string
	}{
		{"a card that its holder registered", selfEnrolled, models, applet, card, numbered},
		{"a security key that its holder registered", selfEnrolled, models, usb, key, aKey},
		{"one that is called a card", selfEnrolled, models, lying, key, aKey},
		{"one that is called a card, where no model is named", selfEnrolled, none, lying, key, aKey},
		{"a card on the same card's proof", deskEnrolled, none, applet, card, numbered},
		{"a card on the desk's word", vouchedFor(true), none, applet, card, numbered},
		{"a card of no number on the desk's word", vouchedFor(false), none, applet, card, func(*testpki.Card) string { return "avec votre carte enrôlée." }},
		{"a security key on the desk's word, which named a card", vouchedFor(true), none, usb, key, aKey},
		{"a security key on the desk's word", vouchedFor(false), none, usb, key, aKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := ssoHouseUnder(t, enroll.Policy{SelfEnrolment: enroll.SelfKeys, CardModels: tt.models, DeskProof: enroll.Alone})
			a := o.app(func(c *sso.Client) { c.Introspects = true })
			of, device := o.h.card(testpki.CardSpec{}), softkey.New(tt.made)
			tt.enrols(o, of, device)

			b := o.h.browser()
			if done := b.useKey(device); done.status != http.StatusOK {
				t.Fatalf("%d %s", done.status, done.body)
			}
			token, id := a.redeem(b.follow(b.get(a.start())).url)
			var claims struct{ AMR []string }
			must(t, id.Claims(&claims))
			if !slices.Equal(claims.AMR, tt.amr) {
				t.Errorf("the ID token tells %v", claims.AMR)
			}
			claims.AMR = nil
			b.introspects(a, token.AccessToken).decode(t, &claims)
			if !slices.Equal(claims.AMR, tt.amr) {
				t.Errorf("introspection tells %v", claims.AMR)
			}
			asked := b.follow(b.get(a.start(oauth2.SetAuthURLParam("prompt", "select_account"))))
			if text := strings.Join(strings.Fields(asked.text()), " "); !strings.Contains(text, strings.Join(strings.Fields(tt.says(of)), " ")) {
				t.Errorf("the page says %s", text)
			}
			with := "Connecté avec votre carte enrôlée"
			if slices.Equal(tt.amr, key) {
				with = "Connecté avec votre clé de sécurité"
			}
			account := b.get("/account")
			account.says(t, http.StatusOK, with)
			if strings.HasPrefix(tt.name, "a security key on the desk's word") && !strings.Contains(account.text(), "Carte ou clé enrôlée") {
				t.Errorf("the key is called after a card: %s", account.text())
			}
		})
	}
}

// TestASessionKeptFromBefore: one whose record is older than InCard is told as what
// its proof alone shows, on pages as to applications.
func TestASessionKeptFromBefore(t *testing.T) {
	french, err := web.NewTongue("fr", time.UTC)
	must(t, err)
	for proof, says := range map[identity.ProofKind]string{
		identity.ProofSameCard:    "votre carte enrôlée n° " + web.CardNumber("8025000001/0000000012"),
		identity.ProofCertificate: "votre clé de sécurité",
		identity.ProofDesk:        "votre clé de sécurité",
	} {
		s := sessions.Session{Method: identity.MethodFIDO2, CardTokenID: "8025000001/0000000012", PasskeyID: []byte{1}, Proof: proof}
		if text := french.With(s); strings.Join(strings.Fields(text), " ") != strings.Join(strings.Fields(says), " ") {
			t.Errorf("%s: %q", proof, text)
		}
		_, amr := sso.DefaultLevels().Context(s)
		if slices.Contains(amr, "sc") != (proof == identity.ProofSameCard) {
			t.Errorf("%s: %v", proof, amr)
		}
	}
}

// selfEnrolled registers a passkey from a session that the card opened, and
// uses it once.
func selfEnrolled(o *signOn, of *testpki.Card, device *softkey.Device) {
	o.h.t.Helper()
	b := o.h.browser().with(of)
	b.signIn()
	if a := b.enrol(device, ""); a.status != http.StatusOK {
		o.h.t.Fatalf("%d %s", a.status, a.body)
	}
}

// deskEnrolled registers one at the desk, by the card's own certificate.
func deskEnrolled(o *signOn, of *testpki.Card, device *softkey.Device) {
	o.h.t.Helper()
	o.h.browser().with(of).signIn()
	_, code := o.h.ticket(of.IdNat)
	w := o.h.workstation(of)
	w.applet = device
	w.enrols(code)
}

// vouchedFor registers one at the desk on the operator's word, who names the card
// on the table or none.
func vouchedFor(names bool) func(*signOn, *testpki.Card, *softkey.Device) {
	return func(o *signOn, of *testpki.Card, device *softkey.Device) {
		o.h.t.Helper()
		o.h.browser().with(of).signIn()
		ticket, code := o.h.ticket(of.IdNat)
		w := o.h.workstation(of)
		w.applet = device
		if a := w.claims(code); a.status != http.StatusOK {
			o.h.t.Fatalf("%d %s", a.status, a.body)
		}
		named := ""
		if names {
			named = of.TokenID
		}
		_, err := o.h.registry.AllowDeskProof(o.h.t.Context(), console, ticket, named)
		must(o.h.t, err)
		if a := w.call("/enroll/prove", w.signs(w.call("/enroll/register", w.creates(w.call("/enroll/options", "{}"))))); a.status != http.StatusOK {
			o.h.t.Fatalf("%d %s", a.status, a.body)
		}
	}
}

// introspects asks, as the application, about a token.
func (b *browser) introspects(a *app, token string) answer {
	b.t.Helper()
	return b.asClient(a.config.ClientID, a.config.ClientSecret, "/oauth/introspect", url.Values{"token": {token}})
}

// asClient posts a form as an application does that shows its secret.
func (b *browser) asClient(id, secret, path string, form url.Values) answer {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodPost, address(path), strings.NewReader(form.Encode()))
	must(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	return b.send(r)
}
