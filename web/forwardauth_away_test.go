package web_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"cpsgate/internal/proxies"
)

// TestNginxWhileCpsgateIsAway: where cpsgate cannot tell, or is not there, nobody
// gets to an application behind nginx; a page says so and tries again, and only
// pages do. What the application itself answers comes through as it is.
func TestNginxWhileCpsgateIsAway(t *testing.T) {
	proxies.NeedNginx(t)
	b := atProxy(t)
	var says atomic.Int32
	pair, err := b.pki.ServerCertificate("sso.hopital.test")
	must(t, err)
	cpsgate := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(says.Load())) }))
	cpsgate.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	cpsgate.StartTLS()
	t.Cleanup(cpsgate.Close)
	b.nginx(t, strings.TrimPrefix(cpsgate.URL, "https://"))
	a := b.browser()

	away := func(path string) {
		t.Helper()
		page := a.get(dossier + path)
		page.says(t, http.StatusServiceUnavailable, "Nous ne pouvons pas vérifier votre session pour le moment", "We cannot check your session at the moment")
		if h := page.header; h.Get("Retry-After") != "5" || h.Get("Refresh") != "5" || h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%v", h)
		}
	}
	for _, status := range []int32{http.StatusServiceUnavailable, http.StatusInternalServerError, http.StatusTooManyRequests} {
		says.Store(status)
		away("/patients")
	}
	r, err := http.NewRequest(http.MethodPost, dossier+"/notes", strings.NewReader("texte=bonjour"))
	must(t, err)
	if form := a.send(r); form.status != http.StatusServiceUnavailable || form.header.Get("Retry-After") != "5" || form.header.Get("Refresh") != "" {
		t.Errorf("a form: %d %v", form.status, form.header)
	}
	says.Store(http.StatusBadRequest)
	if bad := a.get(dossier + "/patients"); bad.status != http.StatusBadRequest || bad.header.Get("Retry-After") != "" {
		t.Errorf("in bad form: %d %v", bad.status, bad.header)
	}
	if reached := b.app.forget(); len(reached) != 0 {
		t.Errorf("reached the application: %q", reached)
	}

	says.Store(http.StatusOK)
	for _, status := range []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable} {
		b.app.answers(status)
		if page := a.get(dossier + "/patients"); page.status != status || !strings.Contains(page.body, `"URI":"/patients"`) {
			t.Errorf("the application's own %d: %d %s", status, page.status, page.body)
		}
	}

	cpsgate.Close()
	away("/patients")
	away("/.cpsgate/sign-in?return=%2F")
}
