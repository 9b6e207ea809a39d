package web_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"cpsgate/internal/testpki"
	"cpsgate/web"
)

// request is one sent by hand.
type request struct {
	method, path, body string
	header             map[string]string
}

func (b *browser) raw(q request) answer {
	b.t.Helper()
	r, err := http.NewRequest(q.method, address(q.path), strings.NewReader(q.body))
	must(b.t, err)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	return b.send(r)
}

var (
	asJSON = map[string]string{"Content-Type": "application/json", "Accept": "application/json"}
	asForm = map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
)

// TestBadBodies: a typed 4xx each, and nothing stored.
func TestBadBodies(t *testing.T) {
	h := newHouse(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	b.signIn().says(t, http.StatusOK, "Mon compte")
	before := len(h.events())
	large := `{"return":"` + strings.Repeat("a", 70<<10) + `"}`
	for _, c := range []struct {
		name   string
		q      request
		status int
		reason string
	}{
		{"JSON as it should be", request{"POST", "/login/passkey/options", `{"return":"/account"}`, asJSON}, 200, ""},
		{"JSON under another type", request{"POST", "/login/passkey/options", `{}`, map[string]string{"Content-Type": "text/plain", "Accept": "application/json"}}, 415, "unsupported-media-type"},
		{"JSON without a type", request{"POST", "/login/passkey/options", `{}`, map[string]string{"Accept": "application/json"}}, 415, "unsupported-media-type"},
		{"a form where JSON is due", request{"POST", "/login/passkey/finish", `ceremony=x`, map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}}, 415, "unsupported-media-type"},
		{"no JSON", request{"POST", "/login/passkey/options", `{`, asJSON}, 400, "bad-request"},
		{"an array", request{"POST", "/login/passkey/options", `[]`, asJSON}, 400, "bad-request"},
		{"nothing", request{"POST", "/login/passkey/options", ``, asJSON}, 400, "bad-request"},
		{"an unknown member", request{"POST", "/login/passkey/options", `{"return":"/","extra":1}`, asJSON}, 400, "bad-request"},
		{"a member in another case", request{"POST", "/login/passkey/options", `{"Return":"/"}`, asJSON}, 400, "bad-request"},
		{"a member twice", request{"POST", "/login/passkey/options", `{"return":"/","return":"/a"}`, asJSON}, 400, "bad-request"},
		{"a member of another type", request{"POST", "/login/passkey/options", `{"return":7}`, asJSON}, 400, "bad-request"},
		{"bytes after the object", request{"POST", "/login/passkey/options", `{} {}`, asJSON}, 400, "bad-request"},
		{"an unknown member of an answer", request{"POST", "/login/passkey/finish", `{"ceremony":"x","response":{},"user":"y"}`, asJSON}, 400, "bad-request"},
		{"a member for options that take none", request{"POST", "/account/passkeys/options", `{"user":"y"}`, asJSON}, 400, "bad-request"},
		{"an unknown member of a registration", request{"POST", "/account/passkeys/finish", `{"holder":"x"}`, asJSON}, 400, "bad-request"},
		{"64 KiB and more", request{"POST", "/login/passkey/options", large, asJSON}, 413, "too-large"},
		{"deep nesting", request{"POST", "/login/passkey/finish", `{"response":` + strings.Repeat("[", 20_000), asJSON}, 400, "bad-request"},
		{"a method that a path has not", request{"PUT", "/login/passkey/options", `{}`, asJSON}, 405, "method-not-allowed"},
		{"a path that is none", request{"POST", "/login/passkey", `{}`, asJSON}, 404, "not-found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			a := b.raw(c.q)
			if c.reason != "" {
				a.refuses(t, c.status, c.reason)
			} else if a.status != c.status {
				t.Errorf("status %d: %s", a.status, a.body)
			}
		})
	}
	t.Run("64 KiB and more, without a length", func(t *testing.T) {
		r, err := http.NewRequest(http.MethodPost, mainOrigin+"/login/passkey/options", io.MultiReader(strings.NewReader(large)))
		must(t, err)
		r.Header.Set("Content-Type", "application/json")
		b.send(r).refuses(t, http.StatusRequestEntityTooLarge, "too-large")
	})
	if after := len(h.events()); after != before {
		t.Errorf("%d events were recorded", after-before)
	}
}

// TestBadForms: the same for pages without script.
func TestBadForms(t *testing.T) {
	h := newHouse(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	b.signIn().says(t, http.StatusOK, "Mon compte")
	before := len(h.events())
	for _, c := range []struct {
		name   string
		q      request
		status int
		words  string
	}{
		{"an unknown field", request{"POST", "/account/sessions/end", "id=x&also=y", asForm}, 400, "Nous n’avons pas compris cette demande"},
		{"a field twice", request{"POST", "/account/sessions/end", "id=x&id=y", asForm}, 400, "Rien n’a été fait."},
		{"a field in the address", request{"POST", "/account/sessions/end?id=x", "", asForm}, 400, "Rien n’a été fait."},
		{"a field for a form that has none", request{"POST", "/logout", "x=y", asForm}, 400, "Rien n’a été fait."},
		{"a bad escape", request{"POST", "/account/sessions/end", "id=%zz", asForm}, 400, "Rien n’a été fait."},
		{"another type", request{"POST", "/account/sessions/end", "id=x", map[string]string{"Content-Type": "text/plain"}}, 415, "Elle n’est pas dans le format attendu."},
		{"several parts", request{"POST", "/account/passkeys/remove", "--x", map[string]string{"Content-Type": "multipart/form-data; boundary=x"}}, 415, "Elle n’est pas dans le format attendu."},
		{"too large", request{"POST", "/account/passkeys/rename", "name=" + strings.Repeat("a", 70<<10), asForm}, 413, "Cette demande est trop grosse"},
		{"by GET", request{"GET", "/logout", "", asForm}, 405, "Cette page ne s’utilise pas ainsi"},
		{"by DELETE", request{"DELETE", "/account", "", asForm}, 405, "Cette page ne s’utilise pas ainsi"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			a := b.raw(c.q)
			a.says(t, c.status, c.words, "Revenir à")
			if c.status == http.StatusMethodNotAllowed && a.header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
	if after := len(h.events()); after != before {
		t.Errorf("%d events were recorded", after-before)
	}
	b.t = t
	b.signedIn()
}

// TestCrossSite: what another site makes a browser send is refused, whatever
// the cookies that come with it.
func TestCrossSite(t *testing.T) {
	h := newHouse(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	b.signIn().says(t, http.StatusOK, "Mon compte")
	for _, path := range []string{
		"/logout", "/login/passkey/options", "/login/passkey/finish", "/account/passkeys/options", "/account/passkeys/finish",
		"/account/passkeys/rename", "/account/passkeys/remove", "/account/sessions/end", "/account/sessions/end-others",
	} {
		for name, header := range map[string]map[string]string{
			"by Sec-Fetch-Site": {"Sec-Fetch-Site": "cross-site"},
			"from a sub-domain": {"Sec-Fetch-Site": "same-site"},
			"by Origin":         {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
			"from nowhere":      {"Sec-Fetch-Site": "", "Origin": "null"},
		} {
			a := b.raw(request{"POST", path, "", header})
			if a.status != http.StatusForbidden || !strings.Contains(a.text(), "Cette demande ne vient pas de nos pages") {
				t.Errorf("%s %s: %d\n%s", path, name, a.status, a.text())
			}
		}
	}
	b.signedIn()
}

// FuzzReadJSON: what the reader accepts is JSON, and encoding/json reads the
// same members from it.
func FuzzReadJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"name":"x"}`, `{"name":"x","name":"y"}`, `{"response":{"a":[1,2]}}`, `{"name":`, `[]`, `{"name":"x"}{}`, "\xff", `{"name":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := http.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		var name string
		var response json.RawMessage
		if web.ReadJSON(r, map[string]any{"name": &name, "response": &response}) != nil {
			return
		}
		var again struct {
			Name     string          `json:"name"`
			Response json.RawMessage `json:"response"`
		}
		if err := json.Unmarshal(body, &again); err != nil || again.Name != name || !bytes.Equal(again.Response, response) {
			t.Errorf("%q read as %q and %q: %v", body, name, response, err)
		}
	})
}
