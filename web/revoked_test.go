package web_test

import (
	"net/http"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
)

// TestRevokedWhenUsed: a certificate found revoked at either door suspends its
// card; whatever else stands on it stops at once.
func TestRevokedWhenUsed(t *testing.T) {
	for name, use := range map[string]func(h *house, b *browser, key *softkey.Device){
		"by its certificate": func(_ *house, b *browser, _ *softkey.Device) {
			b.signIn().says(b.t, http.StatusForbidden, "mise en opposition")
		},
		"by its passkey": func(h *house, _ *browser, key *softkey.Device) {
			h.browser().useKey(key, softkey.SignCount(90)).refuses(h.t, http.StatusForbidden, "revoked")
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, b, card, key := enrolled(t)
			elsewhere := h.browser().with(card)
			elsewhere.signIn()
			elsewhere.signedIn()
			h.pki.Issuer(testpki.Fort, testpki.Persons).Revoke(card.Authentication.Certificate.SerialNumber, h.now().Add(-time.Hour), 1)
			h.publish()
			use(h, b, key)
			elsewhere.signedOut()
			found, err := h.registry.Card(t.Context(), card.TokenID)
			if err != nil || found.State != identity.CardSuspended || found.StateReason != enroll.ReasonCertificateRevoked {
				t.Errorf("%+v, %v", found, err)
			}
			if e := h.last(audit.KindCardState); e.Reason != enroll.ReasonCertificateRevoked {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestSomebodyElsesBrowser: what comes of a passkey's use, and its refusal, is no
// act of who is still signed in on that browser.
func TestSomebodyElsesBrowser(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(h *house, card *testpki.Card)
		count uint32
		kind  string // of what cpsgate does of it
		why   string
	}{
		"its certificate is revoked": {func(h *house, card *testpki.Card) {
			h.pki.Issuer(testpki.Fort, testpki.Persons).Revoke(card.Authentication.Certificate.SerialNumber, h.now().Add(-time.Hour), 1)
			h.publish()
		}, 90, audit.KindCardState, "revoked"},
		"it was copied": {func(*house, *testpki.Card) {}, 1, audit.KindPasskeySuspend, "sign-count"},
	} {
		t.Run(name, func(t *testing.T) {
			h, _, card, key := enrolled(t)
			another := h.browser().with(h.card(testpki.CardSpec{FamilyName: "AUTRE", GivenName: "Lou"}))
			another.signIn().says(t, http.StatusOK, "Mon compte")
			tt.spoil(h, card)
			another.useKey(key, softkey.SignCount(tt.count)).refuses(t, http.StatusForbidden, tt.why)
			for _, e := range []audit.Event{h.last(tt.kind), h.refusedFor(audit.KindLoginFIDO2, tt.why)} {
				if e.Actor != "" || e.Session != "" || e.Method != "" || e.Address == "" || e.Subject == "" {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

// TestSittingOutlivesTheServer: a server that starts again at any place of a
// sitting goes on where it was.
func TestSittingOutlivesTheServer(t *testing.T) {
	h := newHouse(t)
	restart := func() {
		h.wire(plan{})
		h.mainAddr, h.cardAddr = h.listen(h.web.Main(), false), h.listen(h.web.Card(), true)
	}
	_, code := h.ticket("")
	w := h.workstation(h.card(testpki.CardSpec{}))
	restart()
	w.claims(code)
	w.client.CloseIdleConnections()
	restart()
	created := w.creates(w.call(w.CardURL, "{}"))
	w.client.CloseIdleConnections()
	restart()
	registered := w.call("/enroll/register", created)
	proof := w.signs(registered)
	w.client.CloseIdleConnections()
	restart()
	if a := w.call("/enroll/prove", proof); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}
