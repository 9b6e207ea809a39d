package rp_test

import (
	"crypto/x509"
	"testing"
	"time"

	"cpsgate/rp"
)

func TestNewRefusesOptionsThatProveLess(t *testing.T) {
	for _, c := range []struct {
		rule   string
		good   bool
		change func(*rp.Options)
	}{
		{"as it should be", true, func(*rp.Options) {}},
		{"no name", true, func(o *rp.Options) { o.Name = "" }},
		{"several origins", true, func(o *rp.Options) { o.Origins = append(o.Origins, "https://sso.example", "https://a.sso.example:1") }},
		{"localhost without TLS", true, func(o *rp.Options) {
			o.ID, o.Origins = "localhost", []string{"http://localhost:8080", "http://a.localhost"}
		}},
		{"a related origin, meant", true, func(o *rp.Options) { o.RelatedOrigins, o.Origins = true, []string{"https://other.example"} }},
		{"known models", true, func(o *rp.Options) { o.AttestationMode, o.AllowedAAGUIDs = rp.ModeRequireKnown, [][16]byte{aaguid} }},
		{"trusted roots", true, func(o *rp.Options) { o.AttestationMode, o.Roots = rp.ModeRequireTrustedRoots, attestationRoots(t) }},

		{"no RP ID", false, func(o *rp.Options) { o.ID = "" }},
		{"an RP ID with a scheme", false, func(o *rp.Options) { o.ID = "https://sso.example" }},
		{"an RP ID with a port", false, func(o *rp.Options) { o.ID = "sso.example:8443" }},
		{"an RP ID that is an address", false, func(o *rp.Options) { o.ID = "192.0.2.1" }},
		{"an RP ID that is no domain", false, func(o *rp.Options) { o.ID = "intranet" }},
		{"an RP ID in upper case", false, func(o *rp.Options) { o.ID = "SSO.example" }},
		{"no origin", false, func(o *rp.Options) { o.Origins = nil }},
		{"an origin without TLS", false, func(o *rp.Options) { o.Origins = []string{"http://sso.example"} }},
		{"an origin with a path", false, func(o *rp.Options) { o.Origins = []string{"https://sso.example/"} }},
		{"an origin with a query", false, func(o *rp.Options) { o.Origins = []string{"https://sso.example?x"} }},
		{"an origin with a user", false, func(o *rp.Options) { o.Origins = []string{"https://u@sso.example"} }},
		{"an origin in upper case", false, func(o *rp.Options) { o.Origins = []string{"https://SSO.example"} }},
		{"an origin with the default port", false, func(o *rp.Options) { o.Origins = []string{"https://sso.example:443"} }},
		{"an origin with an empty port", false, func(o *rp.Options) { o.Origins = []string{"https://sso.example:"} }},
		{"an origin without host", false, func(o *rp.Options) { o.Origins = []string{"https://"} }},
		{"an origin that is no URL", false, func(o *rp.Options) { o.Origins = []string{"https://%"} }},
		{"an origin of another domain", false, func(o *rp.Options) { o.Origins = []string{"https://other.example"} }},
		{"an origin whose name only ends alike", false, func(o *rp.Options) { o.Origins = []string{"https://evilsso.example"} }},
		{"an unknown mode", false, func(o *rp.Options) { o.AttestationMode = "strict" }},
		{"known models, and none named", false, func(o *rp.Options) { o.AttestationMode = rp.ModeRequireKnown }},
		{"the zero model allowed", false, func(o *rp.Options) { o.AllowedAAGUIDs = [][16]byte{aaguid, {}} }},
		{"trusted roots, and none given", false, func(o *rp.Options) { o.AttestationMode = rp.ModeRequireTrustedRoots }},
		{"trusted roots, and an empty pool", false, func(o *rp.Options) { o.AttestationMode, o.Roots = rp.ModeRequireTrustedRoots, x509.NewCertPool() }},
		{"an unknown sign count policy", false, func(o *rp.Options) { o.SignCount = "ignore" }},
		{"a negative timeout", false, func(o *rp.Options) { o.Timeout = -time.Second }},
	} {
		o := rp.Options{ID: rpID, Name: "n", Origins: []string{origin}}
		c.change(&o)
		if _, err := rp.New(o); (err == nil) != c.good {
			t.Errorf("%s: %v", c.rule, err)
		}
	}
}

// What was given to New may change afterwards without changing the party.
func TestRelyingPartyKeepsItsOwnLists(t *testing.T) {
	origins := []string{origin}
	p, err := rp.New(rp.Options{ID: rpID, Origins: origins, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	origins[0] = "https://evil.example"
	l := newLogin(t, p)
	if _, err := p.FinishLogin(l.pending, l.answer(t), l.find, now); err != nil {
		t.Error(err)
	}
}

func TestAAGUIDText(t *testing.T) {
	const text = "1d2c3b04-0506-0708-090a-0b0c0d0e0f10"
	if s := rp.FormatAAGUID(aaguid); s != text {
		t.Errorf("%s", s)
	}
	for _, good := range []string{text, "1D2C3B04-0506-0708-090A-0B0C0D0E0F10"} {
		if a, err := rp.ParseAAGUID(good); err != nil || a != aaguid {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "1d2c3b040506070809 0a0b0c0d0e0f10", "1d2c3b04-0506-0708-090a-0b0c0d0e0f1", text + "0", "1d2c3b04-0506-0708-090a-0b0c0d0e0f1g", "{1d2c3b04-0506-0708-090a-0b0c0d0e0f}"} {
		if _, err := rp.ParseAAGUID(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
