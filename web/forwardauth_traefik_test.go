package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"cpsgate/internal/proxies"
	"cpsgate/internal/testpki"
	"cpsgate/sso/forwardauth"
)

// TestTraefik replays what Traefik's ForwardAuth sends by its documentation,
// with trustForwardHeader false: the browser's own fields, and X-Forwarded-
// fields that it sets itself. Traefik itself runs in TestTraefikProgram.
func TestTraefik(t *testing.T) {
	h := forwarding(t)
	cookie := h.intoDossier(t, h.browser().with(h.card(testpki.CardSpec{})))
	traefik := func(r *http.Request) {
		for name, value := range map[string]string{
			"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "dossier.hopital.test", "X-Forwarded-Uri": "/patients?id=1",
			"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Port": "443", "X-Forwarded-Server": "edge", "X-Real-Ip": "192.0.2.7",
			"Sec-Fetch-Mode": "navigate", "Accept-Encoding": "gzip",
		} {
			r.Header.Set(name, value)
		}
	}
	a := h.asks("/forward-auth/redirect", traefik)
	if to := a.header.Get("Location"); a.status != http.StatusFound || !strings.HasPrefix(to, dossier+"/.cpsgate/sign-in?return=%2Fpatients%3Fid%3D1") {
		t.Errorf("not signed in: %d to %q", a.status, to)
	}
	a = h.asks("/forward-auth/redirect", traefik, with("Cookie", "__Host-cpsgate="+cookie))
	if a.status != http.StatusOK || a.header.Get("Remote-Name") != "Camille EXEMPLE" {
		t.Errorf("signed in: %d, %v", a.status, a.header)
	}
	// What passHostHeader: false hands on of cpsgate's own paths has no method
	// and no address beside its own.
	own := func(r *http.Request) {
		traefik(r)
		r.Header.Del("X-Forwarded-Method")
		r.Header.Del("X-Forwarded-Uri")
	}
	if a := h.asks("/.cpsgate/sign-in?return=%2F", own); a.status != http.StatusSeeOther || cookieOf(a, "__Host-cpsgate-attempt") == "" {
		t.Errorf("its own path: %d", a.status)
	}
}

// TestTraefikSnippet: the pattern takes away every field of ours in every
// spelling, before it copies ours; the rest is as the proxy's documentation
// wants it.
func TestTraefikSnippet(t *testing.T) {
	text := proxies.Snippet(t, forwardAuthPage, "traefik")
	for _, want := range []string{"address: https://sso.hopital.example/forward-auth/redirect\n", "trustForwardHeader: false\n", "passHostHeader: false\n", "PathPrefix(`/.cpsgate/`)\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the snippet does not hold %q", want)
		}
	}
	_, after, _ := strings.Cut(text, "authResponseHeadersRegex: ")
	pattern, _, _ := strings.Cut(after, "\n")
	expression, err := regexp.Compile(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range forwardauth.FieldNames() {
		for _, spelling := range []string{name, strings.ToLower(name), strings.Replace(name, "-", "_", 1)} {
			if !expression.MatchString(spelling) && !strings.Contains(text, "\n          "+spelling+": \"\"\n") {
				t.Errorf("%s gets through", spelling)
			}
		}
	}
	for _, name := range []string{"Authorization", "Cookie", "X-Forwarded-For", "Remote-Control"} {
		if expression.MatchString(name) {
			t.Errorf("%s is taken away", name)
		}
	}
}
