package demo_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cpsgate/internal/demo"
)

func get(t *testing.T, h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestStart: the page leads to all that it speaks of, and hands out what a
// browser needs, and no more.
func TestStart(t *testing.T) {
	p, _ := made(t)
	h, err := demo.StartStack(p.Public, demo.Addresses{
		Start: "http://localhost:8080", SignOn: "https://sso.localhost:8443", Applications: [2]string{"https://app1.localhost:8443", "https://app2.localhost:8443"},
	})
	if err != nil {
		t.Fatal(err)
	}
	page := get(t, h, "/").Body.String()
	for _, want := range []string{
		`href="https://sso.localhost:8443/desk"`, `href="https://app1.localhost:8443/"`, `href="https://app2.localhost:8443/"`,
		"http://localhost:8080/chromium.sh", `href="/root.pem"`, "SPECIMEN Camille", "(en opposition)",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for path, want := range map[string]int{
		"/root.pem": 200, "/style.css": 200, "/cards/guichet.p12": 200, "/cards/cps4.p12": 200, "/cards/opposition.p12": 200,
		"/cards/guichet.pem": 404, "/cards/": 404, "/made": 404, "/cards/../../server/sso-key.pem": 404, "/cards/..%2F..%2Fserver%2Fsso-key.pem": 404,
	} {
		if w := get(t, h, path); w.Code != want && !(want == 404 && w.Code/100 == 3) {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	script := get(t, h, "/chromium.sh").Body
	check := exec.CommandContext(t.Context(), "sh", "-n")
	check.Stdin = bytes.NewReader(script.Bytes())
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("the script: %v %s", err, out)
	}
	if !strings.Contains(script.String(), "/cards/cps4.p12") {
		t.Error("the script imports no card")
	}
}

// TestStartSpeaksAsThePagesDo: what the page says to click stands there, in both
// languages.
func TestStartSpeaksAsThePagesDo(t *testing.T) {
	h := demo.Start(demo.Visit{Staff: "ESSAI Dominique", Holder: "SPECIMEN Camille", Revoked: "MODELE Claude"})
	page := strings.ReplaceAll(get(t, h, "/").Body.String(), "\u00a0", " ") // the words files leave French spaces to the program
	for file, keys := range map[string][]string{
		"fr-desk.txt": {"card.lost", "card.lost.button"}, "en-desk.txt": {"card.lost", "card.lost.button"},
		"fr-sso.txt": {"confirm.title"}, "en-sso.txt": {"confirm.title"},
	} {
		words, err := os.ReadFile(filepath.Join("..", "..", "web", "words", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			_, after, found := strings.Cut(string(words), "\n"+key+" = ")
			said, _, _ := strings.Cut(after, "\n")
			if !found || !strings.Contains(page, said) {
				t.Errorf("%s: the page does not say %q", key, said)
			}
		}
	}
}

// TestAuthorities: the card that is to be revoked stands in the CRL of a program
// that did not make it, and no other does; the directory has the same list.
func TestAuthorities(t *testing.T) {
	p, _ := made(t)
	authorities, err := demo.OpenAuthorities(p.Public)
	if err != nil {
		t.Fatal(err)
	}
	web, directory := listen(t), listen(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- authorities.Serve(ctx, web, directory) }()
	response, err := http.Get("http://" + web.Addr().String() + "/CRL/ACI-FO-PP-TEST.crl")
	if err != nil {
		t.Fatal(err)
	}
	der, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	crl, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	revoked := map[string]bool{}
	for _, e := range crl.RevokedCertificateEntries {
		revoked[e.SerialNumber.String()] = true
	}
	for _, s := range demo.Samples() {
		certificate, err := x509.ParseCertificate(demo.DER(t, p, s))
		if err != nil {
			t.Fatal(err)
		}
		if revoked[certificate.SerialNumber.String()] != s.Revoked {
			t.Errorf("%s: revoked %t", s.Holder(), !s.Revoked)
		}
	}
	if c, err := net.Dial("tcp", directory.Addr().String()); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAuthoritiesWithoutCards(t *testing.T) {
	if _, err := demo.OpenAuthorities(t.TempDir()); !os.IsNotExist(err) {
		t.Errorf("without cards: %v", err)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestHeaders: application 1 shows what it was told of the visitor, and nothing
// else of the request; a token's claims stand in the token's place.
func TestHeaders(t *testing.T) {
	page := get(t, demo.Headers(), "/",
		"Remote-User", "899900001027", "Remote-Name", "<b>Sacha</b>", "X-Cpsgate-Acr", "card", "Cookie", "secret", "Authorization", "Bearer secret",
		"X-Cpsgate-Token", "e30.eyJzdWIiOiJzYWNoYSJ9.c2VjcmV0").Body.String()
	for _, want := range []string{"899900001027", "&lt;b&gt;Sacha&lt;/b&gt;", "X-Cpsgate-Acr", "&#34;sub&#34;: &#34;sacha&#34;"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	for _, not := range []string{"secret", "c2VjcmV0"} {
		if strings.Contains(page, not) {
			t.Errorf("the page shows %q", not)
		}
	}
	for name, token := range map[string]string{"no token": "x", "no base64": "a.!.b", "no JSON": "a.eA.b"} {
		if page := get(t, demo.Headers(), "/", "X-Cpsgate-Token", token).Body.String(); !strings.Contains(page, "<pre>?</pre>") {
			t.Errorf("%s is shown as claims", name)
		}
	}
	if w := get(t, demo.Headers(), "/elsewhere"); w.Code != http.StatusNotFound {
		t.Errorf("elsewhere: %d", w.Code)
	}
}

// FuzzClaims: whatever a field holds, it is shown or is not, and is no markup.
func FuzzClaims(f *testing.F) {
	for _, seed := range []string{"e30.eyJzdWIiOiJ4In0.c2ln", "..", "a.e30.b", "a.PHNjcmlwdD4.b", "a.Ijxicj4i.b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["X-Cpsgate-Token"] = []string{token}
		demo.Headers().ServeHTTP(w, r)
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "<script") || strings.Contains(w.Body.String(), "<br>") {
			t.Errorf("%q: %d\n%s", token, w.Code, w.Body)
		}
	})
}
