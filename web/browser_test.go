package web_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
)

func fixed(pair tls.Certificate) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }
}

func plainTLS(pair tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

// browser is one browser of one workstation: cookies of its own, a card in the
// reader or none, and a FIDO2 card or none.
type browser struct {
	t       testing.TB
	h       *house
	client  *http.Client
	cookies *cookiejar.Jar
	inside  *testpki.Pair // what the reader offers
	lang    string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	url    *url.URL
}

func (h *house) browser() *browser {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	must(h.t, err)
	b := &browser{t: h.t, h: h, cookies: jar, lang: "fr-FR,fr;q=0.9"}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			to := h.mainAddr
			if strings.Contains(address, "cps.") {
				to = h.cardAddr
			}
			if other, found := h.others[address]; found {
				to = other
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		},
		TLSClientConfig: &tls.Config{RootCAs: h.roots(), GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if b.inside == nil {
				return &tls.Certificate{}, nil
			}
			pair := b.inside.TLS()
			return &pair, nil
		}},
	}
	h.t.Cleanup(transport.CloseIdleConnections)
	b.client = &http.Client{Transport: transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	return b
}

// with puts a card into the reader.
func (b *browser) with(card *testpki.Card) *browser {
	b.inside = &card.Authentication
	return b
}

func (b *browser) send(r *http.Request) answer {
	b.t.Helper()
	if r.Header.Get("Accept-Language") == "" {
		r.Header.Set("Accept-Language", b.lang)
	}
	response, err := b.client.Do(r)
	must(b.t, err)
	return answer{response.StatusCode, response.Header, read(b.t, response.Body), response.Request.URL}
}

func address(path string) string {
	if strings.HasPrefix(path, "/") {
		return mainOrigin + path
	}
	return path
}

// get asks for one page, as a click does.
func (b *browser) get(path string) answer {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, address(path), nil)
	must(b.t, err)
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(r)
}

// follow goes where redirects lead.
func (b *browser) follow(a answer) answer {
	b.t.Helper()
	for range 10 {
		to := a.header.Get("Location")
		if a.status != http.StatusSeeOther && a.status != http.StatusFound || to == "" {
			return a
		}
		next, err := a.url.Parse(to)
		must(b.t, err)
		if strings.HasPrefix(next.String(), appOrigin+"/") { // an application's: it ends here
			a.url = next
			return a
		}
		a = b.get(next.String())
	}
	b.t.Fatal("redirects without end")
	return a
}

// submit sends a form.
func (b *browser) submit(path string, form url.Values) answer {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodPost, address(path), strings.NewReader(form.Encode()))
	must(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(r)
}

// script sends JSON, as passkey.js does.
func (b *browser) script(path string, body any) answer {
	b.t.Helper()
	text, ok := body.(string)
	if !ok {
		encoded, err := json.Marshal(body)
		must(b.t, err)
		text = string(encoded)
	}
	r, err := http.NewRequest(http.MethodPost, address(path), strings.NewReader(text))
	must(b.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Origin", mainOrigin)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(r)
}

// signIn goes through the card door.
func (b *browser) signIn() answer {
	b.t.Helper()
	return b.follow(b.get("/login/card"))
}

// signedIn asserts that the account page opens, and gives it.
func (b *browser) signedIn() answer {
	b.t.Helper()
	a := b.get("/account")
	if a.status != http.StatusOK || !strings.Contains(a.body, "<h1>") {
		b.t.Fatalf("not signed in: %d\n%s", a.status, a.text())
	}
	return a
}

func (b *browser) signedOut() {
	b.t.Helper()
	if a := b.get("/account"); a.status == http.StatusOK {
		b.t.Error("still signed in")
	}
}

type begun struct {
	Ceremony  string          `json:"ceremony"`
	PublicKey json.RawMessage `json:"publicKey"`
}

func (a answer) decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		t.Fatalf("%d: %v in %q", a.status, err, a.body)
	}
}

// enrol adds a passkey to who is signed in.
func (b *browser) enrol(key *softkey.Device, name string, lies ...softkey.Lie) answer {
	b.t.Helper()
	a := b.script("/account/passkeys/options", struct{}{})
	if a.status != http.StatusOK {
		return a
	}
	var ceremony begun
	a.decode(b.t, &ceremony)
	response, err := key.Create(mainOrigin, ceremony.PublicKey, lies...)
	must(b.t, err)
	return b.script("/account/passkeys/finish", map[string]any{"ceremony": ceremony.Ceremony, "name": name, "response": json.RawMessage(response)})
}

// begin starts a passkey login and makes the key's answer.
func (b *browser) begin(key *softkey.Device, back string, lies ...softkey.Lie) map[string]any {
	b.t.Helper()
	a := b.script("/login/passkey/options", map[string]string{"return": back})
	if a.status != http.StatusOK {
		b.t.Fatalf("options: %d %s", a.status, a.body)
	}
	var ceremony begun
	a.decode(b.t, &ceremony)
	response, err := key.Get(mainOrigin, ceremony.PublicKey, lies...)
	must(b.t, err)
	return map[string]any{"ceremony": ceremony.Ceremony, "response": json.RawMessage(response)}
}

// useKey goes through the passkey door.
func (b *browser) useKey(key *softkey.Device, lies ...softkey.Lie) answer {
	b.t.Helper()
	return b.script("/login/passkey/finish", b.begin(key, "", lies...))
}

func (b *browser) cookie(name string) string {
	u, _ := url.Parse(mainOrigin)
	for _, c := range b.cookies.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func (b *browser) setCookie(name, value string) {
	u, _ := url.Parse(mainOrigin)
	b.cookies.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
}

var (
	tags   = regexp.MustCompile(`(?s)<(script|style|svg|template)\b.*?</(script|style|svg|template)>|<[^>]*>`)
	spaces = regexp.MustCompile(`[\s\x{a0}\x{202f}]+`)
)

// text is what a person reads of a page, with plain spaces.
func (a answer) text() string {
	return strings.TrimSpace(spaces.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(a.body, " ")), " "))
}

// says asserts the status and what the page says.
func (a answer) says(t testing.TB, status int, words ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d\n%s", a.status, status, a.text())
	}
	for _, w := range words {
		if !strings.Contains(a.text(), w) {
			t.Errorf("page does not say %q:\n%s", w, a.text())
		}
	}
}

func rawJSON(b []byte) json.RawMessage { return b }

// refuses asserts a script's answer: the status, the reason, the words and the
// event number.
func (a answer) refuses(t testing.TB, status int, reason string) {
	t.Helper()
	var told struct {
		Reason, Title, Why, Event string
		Do                        []string
	}
	if !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		t.Fatalf("%d %s is no JSON: %.200s", a.status, a.header.Get("Content-Type"), a.text())
	}
	a.decode(t, &told)
	if a.status != status || told.Reason != reason || told.Title == "" || told.Why == "" || len(told.Do) == 0 || told.Event == "" && !strings.HasPrefix(a.url.Path, "/api/v1/") {
		t.Errorf("%d %+v, want %d %s", a.status, told, status, reason)
	}
}

func idText(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

func read(t testing.TB, r io.ReadCloser) string {
	t.Helper()
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, 1<<20))
	must(t, err)
	return strings.ToValidUTF8(string(b), "?")
}
