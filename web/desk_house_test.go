package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
)

// console is the command line's act: it may all that policy lets anybody.
var console = enroll.Act{Console: true, Reason: "test"}

// staff signs a new person in who has these roles.
func (h *house) staff(roles ...identity.Role) (*browser, identity.PSIdNat) {
	h.t.Helper()
	card := h.card(testpki.CardSpec{FamilyName: "EXEMPLE-GUICHET", GivenName: "Dominique"})
	b := h.browser().with(card)
	b.signIn()
	for _, role := range roles {
		_, err := h.registry.Grant(h.t.Context(), console, identity.PSIdNat(card.IdNat), role)
		must(h.t, err)
	}
	return b, identity.PSIdNat(card.IdNat)
}

// ticket opens one at the console; nobody: the card will say.
func (h *house) ticket(holder string) (id, code string) {
	h.t.Helper()
	t, code, err := h.registry.OpenTicket(h.t.Context(), console, identity.PSIdNat(holder))
	must(h.t, err)
	return t.ID, code
}

// workstation is what cardside is to the server: a program with a card in its
// reader, that keeps no cookie and is no browser.
type workstation struct {
	*browser
	applet *softkey.Device
	base   string // the main origin

	Sitting, Ticket, CardURL, Holder, Origin string
	Policy                                   struct {
		MinPINLength                                           int
		SetMinPINLength, ForcePINChange, EnterpriseAttestation bool
		CredProtect                                            int
		Reset, SameCard                                        string
	}
	Expires time.Time
}

var model = [16]byte{0xc9, 0x54}

func (h *house) workstation(card *testpki.Card) *workstation {
	w := &workstation{browser: h.browser(), applet: softkey.New(softkey.Options{AAGUID: model, Attestation: softkey.Self}), base: mainOrigin}
	w.client.Jar = nil
	if card != nil {
		w.with(card)
	}
	return w
}

// call sends one message as a program does: no Origin, no Sec-Fetch-Site.
func (w *workstation) call(where string, body any) answer {
	w.t.Helper()
	if strings.HasPrefix(where, "/") {
		where = w.base + where
	}
	text, ok := body.(string)
	if !ok {
		encoded, err := json.Marshal(body)
		must(w.t, err)
		text = string(encoded)
	}
	r, err := http.NewRequest(http.MethodPost, where, strings.NewReader(text))
	must(w.t, err)
	r.Header.Set("Content-Type", "application/json")
	if w.Sitting != "" {
		r.Header.Set("Authorization", "Bearer "+w.Sitting)
	}
	return w.send(r)
}

// claims types a code.
func (w *workstation) claims(code string) answer {
	w.t.Helper()
	a := w.call("/enroll/claim", map[string]any{
		"code": code, "workstation": "GUICHET-2", "reader": "Lecteur d'essai 00", "generation": "cps4",
		"applet": map[string]any{"blank": true, "credentials": 0, "aaguid": "", "versions": []string{"FIDO_2_1"}, "minPinLength": 4, "options": map[string]bool{"rk": true}},
	})
	if a.status == http.StatusOK {
		a.decode(w.t, w)
	}
	return a
}

// due is what an answer asks of the applet.
type due struct {
	Holder, Ceremony, Ticket string
	Options                  json.RawMessage
	Passkey                  struct{ ID, Name, State string }
}

func (w *workstation) creates(a answer, lies ...softkey.Lie) map[string]any {
	w.t.Helper()
	var d due
	a.decode(w.t, &d)
	if a.status != http.StatusOK || d.Ceremony != "create" {
		w.t.Fatalf("%d %s", a.status, a.body)
	}
	response, err := w.applet.Create(w.base, d.Options, lies...)
	must(w.t, err)
	return map[string]any{"response": json.RawMessage(response), "pin": map[string]any{"set": true, "minLength": 6, "forceChange": false}}
}

func (w *workstation) signs(a answer, lies ...softkey.Lie) map[string]any {
	w.t.Helper()
	var d due
	a.decode(w.t, &d)
	if a.status != http.StatusOK || d.Ceremony != "get" {
		w.t.Fatalf("%d %s", a.status, a.body)
	}
	response, err := w.applet.Get(w.base, d.Options, lies...)
	must(w.t, err)
	return map[string]any{"response": json.RawMessage(response)}
}

// upToProved goes as far as the card's certificate.
func (w *workstation) upToProved(code string) answer {
	w.t.Helper()
	if a := w.claims(code); a.status != http.StatusOK {
		w.t.Fatalf("claim: %d %s", a.status, a.body)
	}
	return w.call(w.CardURL, "{}")
}

// upToRegistered goes as far as the passkey that waits for its proof.
func (w *workstation) upToRegistered(code string) answer {
	w.t.Helper()
	return w.call("/enroll/register", w.creates(w.upToProved(code)))
}

// enrols goes the whole way.
func (w *workstation) enrols(code string) answer {
	w.t.Helper()
	return w.call("/enroll/prove", w.signs(w.upToRegistered(code)))
}

// state is where a ticket stands, and the names of its steps.
func (h *house) state(t *testing.T, ticket string) (enroll.TicketState, string) {
	t.Helper()
	found, err := h.registry.Ticket(t.Context(), ticket)
	must(t, err)
	var names []string
	for _, s := range found.Steps {
		name := s.Name
		if !s.OK {
			name += "!" + s.Detail
		}
		names = append(names, name)
	}
	return found.State, strings.Join(names, " ")
}
