package web_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"html"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"cpsgate/internal/proxies"
	"cpsgate/internal/testpki"
)

// forgedClaims are fields that an application behind mod_auth_openidc believes,
// under the spellings that some of them read as the same.
var forgedClaims = []string{"OIDC_CLAIM_sub", "OIDC_CLAIM_SubjectNameID", "OIDC-CLAIM-sub", "oidc_claim_sub", "Oidc_Claim-Sub", "OIDC_access_token", "OIDC_id_token"}

// TestApacheForged: by no spelling of a path and no method does a request reach
// an application behind Apache, set up as docs/integrate.md says, without a
// sign-in; and with one, no field that a browser forged.
func TestApacheForged(t *testing.T) {
	proxies.NeedApache(t)
	o, origin := chromiumSignOn(t)
	front := o.behindApache(t, origin)
	o.h.others = map[string]string{strings.TrimPrefix(front.site, "https://"): front.address}

	front.spells(t, o, "")
	if reached := front.app.forget(); len(reached) != 0 {
		t.Errorf("reached the application without a sign-in: %q", reached)
	}

	b := o.h.browser().with(o.h.card(testpki.CardSpec{}))
	page := b.follow(b.get(front.site + "/dossier"))
	link := cardLink.FindStringSubmatch(page.body)
	if link == nil {
		t.Fatalf("no sign-in page: %d %s", page.status, page.body)
	}
	if in := b.follow(b.get(origin + html.UnescapeString(link[1]))); in.status != http.StatusOK || !strings.Contains(in.body, "Oidc_claim_sub") {
		t.Fatalf("%d at %s: %s", in.status, in.url, in.body)
	}
	front.forges(t, b)
	front.app.forget()
	front.spells(t, o, cookiesOf(t, b, front.site))
	reached := front.app.forget()
	if !slices.Contains(reached, "/patients") {
		t.Errorf("with a sign-in, %q reached the application", reached)
	}
	for _, uri := range reached {
		if uri == "/bye" || strings.HasPrefix(uri, "/bye/") || strings.HasPrefix(uri, "/oidc/") {
			t.Errorf("%s is not the application's", uri)
		}
	}
}

// forges sends forged fields along with a sign-in.
func (f apacheFront) forges(t *testing.T, b *browser) {
	t.Helper()
	for _, path := range []string{"/dossier", "/bye", "/bye/x", "/byebye", "/oidc", "/oidc/x"} {
		r, err := http.NewRequest(http.MethodGet, f.site+path, nil)
		must(t, err)
		for _, name := range forgedClaims {
			r.Header[name] = []string{"forged", "forged-too"}
		}
		if got := b.send(r); strings.Contains(got.body, "forged") {
			t.Errorf("%s: what was forged reached the application: %s", path, got.body)
		}
	}
}

// spells sends addresses that no client library sends, with forged fields, and
// wants none of these to come through.
func (f apacheFront) spells(t *testing.T, o *signOn, cookies string) {
	t.Helper()
	for _, uri := range []string{
		"/patients", "/bye", "/bye/", "/bye/patients", "/bye/..;/patients", "/bye/..%3b/patients", "/bye;/../patients", "/bye/../patients", "/bye/%2e%2e/patients",
		"/bye%2f..%2fpatients", "/bye%2fpatients", "/%62ye/..;/patients", "/BYE/..;/patients", "//bye/..;/patients", "/./bye/..;/patients", "/x/../bye/..;/patients",
		"/bye//..;/patients", "/bye%00/patients", `/bye/..\patients`, "/bye?x=/patients", "/bye/index.html", "/bye.html", "/byebye",
		"/oidc/..;/patients", "/oidc/../patients", "/oidc/callback/..;/patients", "/oidc", "/oidc/",
	} {
		for _, head := range []string{"GET " + uri, "OPTIONS " + uri, "HEAD " + uri, "GET " + f.site + uri} {
			answer := f.raw(t, o, head+" HTTP/1.1\r\nHost: "+strings.TrimPrefix(f.site, "https://")+"\r\nAccess-Control-Request-Method: GET\r\nOrigin: https://evil.test\r\n", cookies)
			if strings.Contains(answer, "forged") {
				t.Errorf("%s: what was forged reached the application: %s", head, answer)
			}
		}
	}
}

// raw sends a head as it is, with forged fields, and gives the body. A proxy
// that answers nothing has let nothing through.
func (f apacheFront) raw(t *testing.T, o *signOn, head, cookies string) string {
	t.Helper()
	c, err := (&tls.Dialer{Config: &tls.Config{RootCAs: o.h.roots(), ServerName: "app.localhost"}}).DialContext(context.Background(), "tcp", f.address)
	must(t, err)
	defer c.Close()
	for _, name := range forgedClaims {
		head += name + ": forged\r\n"
	}
	if cookies != "" {
		head += "Cookie: " + cookies + "\r\n"
	}
	_, err = io.WriteString(c, head+"Connection: close\r\n\r\n")
	must(t, err)
	method, _, _ := strings.Cut(head, " ")
	response, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return string(body)
}

// cookiesOf are a browser's cookies for a site, as a head has them.
func cookiesOf(t *testing.T, b *browser, site string) string {
	t.Helper()
	u, err := url.Parse(site + "/")
	must(t, err)
	var cookies []string
	for _, cookie := range b.cookies.Cookies(u) {
		cookies = append(cookies, cookie.Name+"="+cookie.Value)
	}
	if len(cookies) == 0 {
		t.Fatal("the browser has no cookie of the application")
	}
	return strings.Join(cookies, "; ")
}
