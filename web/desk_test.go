package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
)

var shownCode = regexp.MustCompile(`class="code"[^>]*><span>([0-9A-Z]{4})</span>.*?<span>([0-9A-Z]{4})</span>`)

// opens opens a ticket as the desk's form does, and gives its page and code.
func (b *browser) opens(form url.Values) (page answer, code string) {
	b.t.Helper()
	page = b.follow(b.submit("/desk/tickets", form))
	found := shownCode.FindStringSubmatch(page.body)
	if found == nil {
		b.t.Fatalf("no code: %d\n%s", page.status, page.text())
	}
	return page, found[1] + "-" + found[2]
}

// TestTicketPage: from the queue to the card in service, as an operator sees it.
func TestTicketPage(t *testing.T) {
	h := newHouse(t)
	operator, _ := h.staff(identity.RoleOperator)
	operator.get("/desk").says(t, http.StatusOK, "Guichet", "Aucun ticket en cours.")
	card := h.card(testpki.CardSpec{FamilyName: "EXEMPLE-ÉLU", GivenName: "Noé"})
	page, code := operator.opens(url.Values{"who": {""}})
	page.says(t, http.StatusOK, "La carte dira à qui elle est", "À saisir", "Ce code sert une fois", "lancez « cardside enroll »")
	at := page.url.Path

	t.Run("its code is for the session that opened it", func(t *testing.T) {
		h.t = t
		other, _ := h.staff(identity.RoleOperator)
		other.t = t
		a := other.get(at)
		a.says(t, http.StatusOK, "Le code ne s’affiche que là où le ticket a été ouvert")
		if strings.Contains(a.body, code[:4]) {
			t.Error("the code is shown to another session")
		}
	})
	h.t = t
	w := h.workstation(card)
	w.claims(code)
	a := operator.get(at)
	a.says(t, http.StatusOK, "En cours", "Code saisi sur le poste", "saisissez son code à 4 chiffres", "GUICHET-2")
	if strings.Contains(a.body, code[:4]) {
		t.Error("the code is still on the screen")
	}
	next := w.call(w.CardURL, "{}")
	operator.get(at).says(t, http.StatusOK, "EXEMPLE-ÉLU Noé — ", "Carte reconnue par son certificat", "Choisissez un nouveau code")
	next = w.call("/enroll/register", w.creates(next))
	operator.get(at).says(t, http.StatusOK, "Saisissez une dernière fois le code")
	w.call("/enroll/prove", w.signs(next))
	operator.get(at).says(t, http.StatusOK, "Terminé", "C’est fait, vous pouvez reprendre votre carte", "Passer au ticket suivant")

	t.Run("the next one, for the same person by number, is one Enter away", func(t *testing.T) {
		operator.t = t
		page, code := operator.opens(url.Values{"who": {card.IdNat}})
		page.says(t, http.StatusOK, "EXEMPLE-ÉLU Noé")
		operator.follow(operator.submit(page.url.Path+"/cancel", nil)).says(t, http.StatusOK, "Annulé", "Rien ne reste à moitié fait")
		operator.submit(page.url.Path+"/cancel", nil).says(t, http.StatusConflict, "Ce ticket est terminé")
		h.refusedFor(audit.KindTicketCancel, "ticket-ended")
		w := h.workstation(card)
		w.claims(code).refuses(t, http.StatusGone, "ticket-cancelled")
	})
	t.Run("by name, who is found is offered", func(t *testing.T) {
		operator.t = t
		found := operator.follow(operator.submit("/desk/tickets", url.Values{"who": {"exemple-elu"}}))
		found.says(t, http.StatusOK, "Personnes trouvées", "EXEMPLE-ÉLU Noé")
		if !strings.Contains(found.body, "autofocus") {
			t.Error("the first one found has no focus")
		}
		operator.follow(operator.submit("/desk/tickets", url.Values{"who": {"nobody at all"}})).says(t, http.StatusOK, "Personne ne correspond")
	})
	t.Run("what is not there, or not asked so", func(t *testing.T) {
		operator.t = t
		operator.get("/desk/tickets/none").says(t, http.StatusNotFound, "Ce ticket n’existe pas")
		operator.submit("/desk/tickets", url.Values{"holder": {"8none"}}).says(t, http.StatusNotFound, "Nous ne connaissons pas cette personne")
		operator.submit("/desk/tickets", url.Values{"who": {""}, "more": {""}}).says(t, http.StatusBadRequest)
		operator.submit(at+"/vouch", url.Values{"reason": {" "}}).says(t, http.StatusBadRequest, "Dites pourquoi")
	})
}

// TestLeavesAreAsked: by the default policy both need another person.
func TestLeavesAreAsked(t *testing.T) {
	h := newHouse(t)
	operator, _ := h.staff(identity.RoleOperator)
	holder := h.card(testpki.CardSpec{})
	h.browser().with(holder).signIn()
	page, code := operator.opens(url.Values{"who": {holder.IdNat}})
	w := h.workstation(nil)
	w.call("/enroll/claim", `{"code":"`+code+`","applet":{"blank":false,"credentials":2}}`).decode(t, w)
	w.call("/enroll/step", `{"step":"reset-needed"}`)
	page = operator.get(page.url.Path)
	page.says(t, http.StatusOK, "Cette carte contient déjà quelque chose", "Autoriser à vider la carte", "Se porter garant")
	for _, act := range []string{"/reset", "/vouch"} {
		operator.follow(operator.submit(page.url.Path+act, url.Values{"reason": {"carte d'un ancien poste"}})).
			says(t, http.StatusOK, "Une demande attend une autre personne")
	}
	a := w.call("/enroll/step", `{"step":"reset-needed"}`)
	if !strings.Contains(a.body, `"reset":"no"`) || !strings.Contains(a.body, `"sameCard":"required"`) {
		t.Errorf("before approval: %s", a.body)
	}
	if e := h.last(audit.KindApprovalRequest); e.Reason != "carte d'un ancien poste" {
		t.Errorf("%+v", e)
	}
}

// TestTicketStream: each step is told as it happens, with no secret in it; the
// stream ends with the ticket, and with the session.
func TestTicketStream(t *testing.T) {
	h := newHouse(t)
	operator, _ := h.staff(identity.RoleOperator)
	page, code := operator.opens(url.Values{"who": {""}})
	events := operator.watch(t, page.url.Path+"/events")
	if name, data := events(); name != "ticket" || !strings.Contains(data, `"state":"open"`) || strings.Contains(data, code[:4]) {
		t.Errorf("%s %s", name, data)
	}
	w := h.workstation(h.card(testpki.CardSpec{}))
	seen := map[string]bool{}
	go w.enrols(code)
	for {
		name, data := events()
		if name != "ticket" {
			if name != "end" || data != `{"over":true}` {
				t.Errorf("%s %s", name, data)
			}
			break
		}
		var news struct {
			State string
			Steps []struct{ Name string }
		}
		must(t, json.Unmarshal([]byte(data), &news))
		for _, s := range news.Steps {
			seen[s.Name] = true
		}
	}
	for _, name := range []string{"claimed", "card", "options", "registered", "active"} {
		if !seen[name] {
			t.Errorf("no %s among %v", name, seen)
		}
	}
	t.Run("of the queue, until the server stops", func(t *testing.T) {
		operator.t = t
		events := operator.watch(t, "/desk/events")
		if name, _ := events(); name != "queue" {
			t.Error(name)
		}
		h.t = t
		h.ticket("")
		if name, _ := events(); name != "queue" {
			t.Error(name)
		}
		h.web.EndStreams()
		for name, data := "queue", ""; name == "queue"; {
			if name, data = events(); name != "queue" && (name != "end" || data != `{"over":false}`) {
				t.Error(name, data)
			}
		}
	})
}

// watch opens a stream; each call gives the next event.
func (b *browser) watch(t *testing.T, path string) func() (name, data string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, mainOrigin+path, nil)
	must(t, err)
	r.Header.Set("Accept", "text/event-stream")
	response, err := b.client.Do(r)
	must(t, err)
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	lines := bufio.NewScanner(response.Body)
	return func() (name, data string) {
		for lines.Scan() {
			line := lines.Text()
			if v, is := strings.CutPrefix(line, "event: "); is {
				name = v
			}
			if v, is := strings.CutPrefix(line, "data: "); is {
				data = v
			}
			if line == "" && name != "" {
				return name, data
			}
		}
		return "closed", ""
	}
}
