package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"cpsgate/audit"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
	"cpsgate/store"
)

// crlSite is a configured server's folders, and a PKI that publishes to it.
type crlSite struct {
	t      *testing.T
	demo   *demo
	issuer *testpki.Authority
	server *httptest.Server
	now    time.Time
}

func newCRLSite(t *testing.T) *crlSite {
	d, _, _ := demoConfig(t)
	s := &crlSite{t: t, demo: d, now: time.Now().Truncate(time.Second), issuer: d.pki.Issuer(testpki.Fort, testpki.Persons)}
	s.server = httptest.NewServer(d.pki.Handler())
	t.Cleanup(s.server.Close)
	return s
}

// configure puts a crl section into the configuration.
func (s *crlSite) configure(section map[string]any) {
	s.t.Helper()
	addition, err := yaml.Marshal(map[string]any{"crl": section})
	if err != nil {
		s.t.Fatal(err)
	}
	text := readFile(s.t, s.demo.Config)
	write(s.t, s.demo.Config, append(append(text, '\n'), addition...))
}

// fetching names the PKI's addresses for the authorities of persons' cards and
// the roots above them.
func (s *crlSite) fetching() {
	var sources []map[string]any
	for _, r := range []testpki.Range{testpki.Fort, testpki.Standard} {
		for _, a := range []*testpki.Authority{s.demo.pki.Issuer(r, testpki.Persons), s.demo.pki.Root(r)} {
			sources = append(sources, map[string]any{"issuer": a.Certificate.Subject.CommonName, "urls": []string{s.server.URL + "/CRL/" + a.Short + "-TEST.crl"}})
		}
	}
	s.configure(map[string]any{"sources": sources})
}

// run runs cpsgate crl with the configuration and gives all that it says.
func (s *crlSite) run(want int, args ...string) string {
	s.t.Helper()
	out, errs := s.outputs(want, args...)
	return out + errs
}

func (s *crlSite) outputs(want int, args ...string) (stdout, stderr string) {
	s.t.Helper()
	var out, errs bytes.Buffer
	env := &environment{ctx: s.t.Context(), stdin: strings.NewReader(""), stdout: &out, stderr: &errs, now: func() time.Time { return s.now }}
	full := append([]string{"crl", args[0], "--config", s.demo.Config}, args[1:]...)
	if code := run(env, full); code != want {
		s.t.Errorf("cpsgate %s: exit %d, want %d\n%s%s", strings.Join(full, " "), code, want, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

func (s *crlSite) report(want int) (r crlReport) {
	s.t.Helper()
	out, _ := s.outputs(want, "status", "--json")
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *crlSite) has(text, part string) {
	s.t.Helper()
	if !strings.Contains(text, part) {
		s.t.Errorf("%q is not in\n%s", part, text)
	}
}

const testIssuer = "test-ac-igc-sante-fort-personnes"

func TestCRLFetchAndStatus(t *testing.T) {
	s := newCRLSite(t)
	s.fetching()
	s.has(s.run(exitRefused, "status"), "missing")
	s.has(s.run(exitOK, "fetch"), testIssuer+": current")
	table := s.run(exitOK, "status")
	for _, part := range []string{"AUTHORITY", testIssuer, "fresh", s.server.URL + "/CRL/ACI-FO-PP-TEST.crl"} {
		s.has(table, part)
	}
	report := s.report(exitOK)
	if len(report.CRLs) != 4 || report.Bypass != nil {
		t.Errorf("report %+v", report)
	}
	for _, told := range report.CRLs {
		if told.Age == nil || *told.Age != int64(s.now.Sub(told.ThisUpdate).Seconds()) {
			t.Errorf("age of %+v", told)
		}
	}
	s.now = s.now.AddDate(0, 0, 5)
	s.has(s.run(exitRefused, "status"), "expiring")
	s.now = s.now.AddDate(0, 0, 2)
	s.has(s.run(exitRefused, "status"), "stale")
	s.has(s.run(exitUnusable, "fetch", "nobody"), "nobody")
	s.server.Close()
	s.has(s.run(exitRefused, "fetch", testIssuer), "not fetched")
}

func TestCRLImport(t *testing.T) {
	s := newCRLSite(t)
	files := map[string][]byte{"list.crl": mustCRL(t, s.issuer, testpki.CRLSpec{}), "page.html": []byte("<html>")}
	for name, content := range files {
		write(t, s.demo.path(name), content)
	}
	good, bad := s.demo.path("list.crl"), s.demo.path("page.html")
	s.has(s.run(exitOK, "import", good), "list.crl: "+testIssuer+" number")
	s.has(s.run(exitOK, "import", good), "in force already")
	mixed := s.run(exitRefused, "import", bad, good)
	s.has(mixed, "page.html: refused")
	s.has(mixed, "malformed")
	s.has(mixed, "list.crl: "+testIssuer)
	s.has(s.run(exitRefused, "import", s.demo.path("nowhere.crl")), "nowhere.crl")
	s.has(s.run(exitUnusable, "fetch"), "no authority has an address")
}

func TestCRLBypassCommand(t *testing.T) {
	s := newCRLSite(t)
	s.fetching()
	s.run(exitOK, "fetch")
	for name, args := range map[string][]string{
		"no end":          {"--reason", "r"},
		"no reason":       {"--until", "4h"},
		"not a time":      {"--until", "demain", "--reason", "r"},
		"too long":        {"--until", "200h", "--reason", "r"},
		"in the past":     {"--until", "2020-01-01T00:00:00Z", "--reason", "r"},
		"begun and ended": {"--until", "4h", "--reason", "r", "--end"},
	} {
		if s.run(exitUnusable, append([]string{"bypass"}, args...)...); s.report(exitOK).Bypass != nil {
			t.Errorf("%s: in force", name)
		}
	}
	s.run(exitOK, "bypass", "--until", "4h", "--reason", "hôte des CRL injoignable", "--by", "EXEMPLE Administrateur")
	report := s.report(exitRefused)
	if report.Bypass == nil || !report.Bypass.Until.Equal(s.now.Add(4*time.Hour)) || report.Bypass.Reason != "hôte des CRL injoignable" {
		t.Errorf("bypass %+v", report.Bypass)
	}
	s.has(s.run(exitRefused, "status"), "REVOCATION IS BYPASSED")
	s.run(exitOK, "bypass", "--end", "--by", "EXEMPLE Administrateur")
	if s.report(exitOK).Bypass != nil {
		t.Error("not ended")
	}
	if kinds := s.audited(); len(kinds) != 2 || kinds[0] != audit.KindRevocationBypass || kinds[1] != audit.KindRevocationBypass {
		t.Errorf("audited %v", kinds)
	}
}

// audited are the kinds of the events recorded.
func (s *crlSite) audited() (kinds []string) {
	s.t.Helper()
	db, err := store.Open(s.t.Context(), s.demo.path("data", store.FileName))
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	for event, err := range db.Events(s.t.Context(), 0) {
		if err != nil {
			s.t.Fatal(err)
		}
		if event.Outcome != audit.Done || event.Reason == "" && !strings.Contains(event.Detail, "ended") {
			s.t.Errorf("event %+v", event)
		}
		kinds = append(kinds, event.Kind)
	}
	return kinds
}

// An act that cannot be recorded is not done.
func TestCRLBypassUnrecorded(t *testing.T) {
	s := newCRLSite(t)
	write(t, s.demo.path("data", store.FileName), []byte("not a database, and long enough to be seen as none"))
	s.has(s.run(exitRefused, "bypass", "--until", "1h", "--reason", "r", "--by", "b"), "so not done")
	if b, err := mtls.ReadBypass(s.demo.path("data", crlFolderName), s.now); b != nil || err != nil {
		t.Errorf("in force: %+v %v", b, err)
	}
}

func TestCRLConfigRefuses(t *testing.T) {
	source := func(urls ...string) []map[string]any {
		return []map[string]any{{"issuer": "TEST AC IGC-SANTE FORT PERSONNES", "urls": urls}}
	}
	for name, tt := range map[string]struct {
		section map[string]any
		says    string
	}{
		"an address that is none":  {map[string]any{"sources": source("file:///etc/passwd")}, "crl.sources[0]"},
		"no address":               {map[string]any{"sources": source()}, "crl.sources[0]"},
		"an authority not trusted": {map[string]any{"sources": []map[string]any{{"issuer": "AC INCONNUE", "urls": []string{"http://x/"}}}}, "AC INCONNUE"},
		"every second":             {map[string]any{"every": "1s"}, "crl.every"},
		"a negative limit":         {map[string]any{"max_entries": -1}, "crl.max_bytes"},
		"a negative LDAP limit":    {map[string]any{"max_ldap_bytes": -1}, "crl.max_ldap_bytes"},
		"a vast LDAP limit":        {map[string]any{"max_ldap_bytes": 1 << 30}, "crl.max_ldap_bytes"},
		"a proxy by another name":  {map[string]any{"proxy": "socks5://x"}, "crl.proxy"},
		"an unknown key":           {map[string]any{"fetch_all": true}, "fetch_all"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCRLSite(t)
			s.configure(tt.section)
			s.has(s.run(exitUnusable, "status"), tt.says)
		})
	}
}

func TestCRLOverLDAPIsBounded(t *testing.T) {
	s := newCRLSite(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() { _ = s.demo.pki.ServeLDAP(listener) }()
	address, err := url.Parse(s.issuer.LDAPCRLURL())
	if err != nil {
		t.Fatal(err)
	}
	address.Host = listener.Addr().String()
	s.issuer.Publish(make([]byte, 80<<10))
	s.configure(map[string]any{
		"max_ldap_bytes": 1 << 10,
		"sources":        []map[string]any{{"issuer": s.issuer.Certificate.Subject.CommonName, "urls": []string{address.String()}}},
	})
	s.has(s.run(exitRefused, "fetch"), "too-large")
}

func TestCRLSourcesOfProduction(t *testing.T) {
	trust, err := mtls.DefaultTrust()
	if err != nil {
		t.Fatal(err)
	}
	sources, err := CRLConfig{Deltas: true}.sources(trust)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range sources {
		names = append(names, s.Name)
		if len(s.URLs) != 1 || s.URLs[0] != "http://igc-sante.esante.gouv.fr/CRL/"+strings.ToUpper(s.Name)+".crl" {
			t.Errorf("%s: %v", s.Name, s.URLs)
		}
		if (len(s.DeltaURLs) == 1) != strings.HasPrefix(s.Name, "aci-") {
			t.Errorf("%s: deltas %v", s.Name, s.DeltaURLs)
		}
	}
	if got := strings.Join(names, " "); got != "aci-fo-pp aci-st-pp acr-fo acr-st" {
		t.Errorf("sources %s", got)
	}
	off := false
	c := &Config{Data: t.TempDir(), CRL: CRLConfig{Fetch: &off}}
	refresher, err := openRefresher(c, trust, quiet(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := refresher.Fetch(t.Context(), "aci-fo-pp", false); err == nil || errors.Is(err, mtls.FetchUnreachable) {
		t.Errorf("fetched while fetching is off: %v", err)
	}
}

func mustCRL(t *testing.T, a *testpki.Authority, spec testpki.CRLSpec) []byte {
	t.Helper()
	der, err := a.CRL(spec)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
