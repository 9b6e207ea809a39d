package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cpsgate/internal/testpki"
)

// TestRevocationMetrics: what is told of each authority's list, also of one
// that is split by scope.
func TestRevocationMetrics(t *testing.T) {
	d, c, _ := demoConfig(t)
	issuer := d.pki.Issuer(testpki.Fort, testpki.Persons)
	host := httptest.NewServer(d.pki.Handler())
	defer host.Close()
	address := host.URL + "/CRL/" + issuer.Short + "-TEST.crl"
	c.CRL.Sources = []CRLSourceConfig{{Issuer: issuer.Certificate.Subject.CommonName, URLs: []string{address}}}
	later := testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{OnlyCACerts: true}, NextUpdate: time.Now().AddDate(0, 0, 90)}
	write(t, filepath.Join(c.Trust.CRLs, "split"), mustCRL(t, issuer, later))
	j, err := openJudge(t.Context(), c, quiet(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	j.crls.Scan(t.Context())
	if err := j.crls.FetchAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	code, body := scrape(j)
	for _, want := range []string{
		`verdict{authority="` + testIssuer + `",kind="complete",verdict="fresh"} 1`,
		`info{authority="` + testIssuer + `",kind="complete",number="`, `source="` + address + `"} 1`,
		`this_update_timestamp_seconds{authority="` + testIssuer + `",kind="complete"} `,
		`next_update_timestamp_seconds{authority="` + testIssuer + `",kind="complete"} `,
		`next_fetch_timestamp_seconds{authority="` + testIssuer + `",kind="complete"} `,
		`entries{authority="` + testIssuer + `",kind="complete"} `,
		`fetch_failing_seconds{authority="` + testIssuer + `",kind="complete"} 0`,
	} {
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%d: %q is not in\n%.3000s", code, want, body)
		}
	}
}

func scrape(j *judge) (code int, body string) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newRevocationCollector(j))
	recorder := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return recorder.Code, recorder.Body.String()
}

// TestMetricsOfAnyFileName: a dropped file may bear a name that is not UTF-8,
// which a label must be.
func TestMetricsOfAnyFileName(t *testing.T) {
	d, c, _ := demoConfig(t)
	issuer := d.pki.Issuer(testpki.Fort, testpki.Persons)
	c.Trust.CRLs = t.TempDir()
	name := filepath.Join(c.Trust.CRLs, "opposition\xe9.crl")
	if err := os.WriteFile(name, mustCRL(t, issuer, testpki.CRLSpec{}), 0o600); err != nil {
		t.Skip("the file system takes UTF-8 alone:", err)
	}
	j, err := openJudge(t.Context(), c, quiet(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if code, body := scrape(j); code != http.StatusOK || !strings.Contains(body, "opposition\uFFFD.crl") {
		t.Errorf("%d: %.2000s", code, body)
	}
}
