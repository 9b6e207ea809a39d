package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const goodConfig = `
data: /var/lib/cpsgate
main:
  origin: https://sso.exemple.test
  certificate: /etc/cpsgate/tls.crt
  key: /etc/cpsgate/tls.key
card:
  origin: https://cps.exemple.test:8444
trust:
  crls: /var/lib/cpsgate/crls
`

func TestLoadConfigAppliesDefaults(t *testing.T) {
	c, err := loadConfig(writeConfig(t, goodConfig), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]any{
		"mode":             {c.Mode, "production"},
		"card tls":         {c.Card.MaximumTLS, "1.2"},
		"card wildcard":    {*c.Card.Wildcard, true},
		"card certificate": {c.Card.Certificate, "/etc/cpsgate/tls.crt"},
		"revocation":       {c.Trust.Revocation, "required"},
		"stale":            {c.Trust.Stale, "refuse"},
		"OCSP skew":        {c.OCSP.ClockSkew, 5 * time.Minute},
		"attestation":      {c.Passkeys.Attestation, "record"},
		"rp id":            {c.Passkeys.RPID, "sso.exemple.test"},
		"idle":             {c.Sessions.Idle, 30 * time.Minute},
		"absolute":         {c.Sessions.Absolute, 10 * time.Hour},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s = %v, want %v", name, pair[0], pair[1])
		}
	}
}

func TestEnvironmentOverridesFile(t *testing.T) {
	c, err := loadConfig(writeConfig(t, goodConfig), []string{
		"HOME=/root", "CPSGATE_CONFIG=/elsewhere.yaml",
		"CPSGATE_MAIN_LISTEN=127.0.0.1:9443", "CPSGATE_CARD_WILDCARD=false",
		"CPSGATE_SESSIONS_IDLE=5m", "CPSGATE_TRUST_ANCHORS=a.pem,b.pem",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Main.Listen != "127.0.0.1:9443" || *c.Card.Wildcard || c.Sessions.Idle != 5*time.Minute || len(c.Trust.Anchors) != 2 {
		t.Errorf("environment not applied: %+v", c)
	}
}

func TestLoadConfigRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, edit, with string
		env              []string
		says             string
	}{
		{name: "unknown key", edit: "main:", with: "mian:", says: "mian"},
		{name: "repeated key", edit: "data: /var/lib/cpsgate", with: "data: /a\ndata: /b", says: "data"},
		{name: "unknown variable", env: []string{"CPSGATE_MAIN_LISTNE=:1"}, says: "CPSGATE_MAIN_LISTNE"},
		{name: "variable that is no duration", env: []string{"CPSGATE_SESSIONS_IDLE=half an hour"}, says: "CPSGATE_SESSIONS_IDLE"},
		{name: "variable that is no boolean", env: []string{"CPSGATE_CARD_WILDCARD=perhaps"}, says: "CPSGATE_CARD_WILDCARD"},
		{name: "no data folder", edit: "data: /var/lib/cpsgate", with: "", says: "data"},
		{name: "unknown mode", edit: "data:", with: "mode: staging\ndata:", says: "mode"},
		{name: "http origin", edit: "https://sso", with: "http://sso", says: "main.origin"},
		{name: "origin with a path", edit: "sso.exemple.test", with: "sso.exemple.test/login", says: "main.origin"},
		{name: "origin in upper case", edit: "sso.exemple.test", with: "SSO.exemple.test", says: "main.origin"},
		{name: "origin with a trailing dot", edit: "sso.exemple.test", with: "sso.exemple.test.", says: "main.origin"},
		{name: "one origin for both", edit: "https://cps.exemple.test:8444", with: "https://sso.exemple.test", says: "card.origin"},
		{name: "unknown stale mode", edit: "crls: /var/lib/cpsgate/crls", with: "stale: sometimes", says: "trust.stale"},
		{name: "grace of no length", edit: "crls: /var/lib/cpsgate/crls", with: "stale: grace:0s", says: "trust.stale"},
		{name: "unknown OCSP use", edit: "crls: /var/lib/cpsgate/crls", with: "ocsp: maybe", says: "trust.ocsp"},
		{name: "authority without a name", edit: "crls: /var/lib/cpsgate/crls", with: "authorities: [{stale: accept}]", says: "trust.authorities[0].issuer"},
		{name: "authority with an unknown rule", edit: "crls: /var/lib/cpsgate/crls", with: "authorities: [{issuer: AC, revocation: no}]", says: "trust.authorities[0].revocation"},
		{name: "unknown nonce mode", edit: "data:", with: "ocsp: {nonce: never}\ndata:", says: "ocsp.nonce"},
		{name: "OCSP clocks a day apart", edit: "data:", with: "ocsp: {clock_skew: 24h}\ndata:", says: "ocsp.clock_skew"},
		{name: "OCSP clocks that differ backwards", edit: "data:", with: "ocsp: {clock_skew: -1m}\ndata:", says: "ocsp.clock_skew"},
		{name: "OCSP answers of no age", edit: "data:", with: "ocsp: {maximum_age: -1h}\ndata:", says: "ocsp.maximum_age"},
		{name: "no time to answer by OCSP", edit: "data:", with: "ocsp: {deadline: -1s}\ndata:", says: "ocsp.deadline"},
		{name: "unknown revocation mode", edit: "crls:", with: "revocation: maybe\n  crls:", says: "trust.revocation"},
		{name: "idle under a minute", edit: "data:", with: "sessions: {idle: 5s}\ndata:", says: "sessions"},
		{name: "rp id of somebody else", edit: "data:", with: "passkeys: {rp_id: exemple.org}\ndata:", says: "passkeys.rp_id"},
		{name: "unknown attestation mode", edit: "data:", with: "passkeys: {attestation: trust-me}\ndata:", says: "passkeys.attestation"},
		{name: "unknown sign count policy", edit: "data:", with: "passkeys: {sign_count: ignore}\ndata:", says: "passkeys.sign_count"},
		{name: "listen without a port", edit: "data:", with: "admin: {listen: localhost}\ndata:", says: "listen"},
		{name: "unknown TLS version", edit: "  origin: https://cps", with: "  maximum_tls: \"1.0\"\n  origin: https://cps", says: "card.maximum_tls"},
		{name: "no key", edit: "  key: /etc/cpsgate/tls.key", with: "", says: "main.key"},
		{name: "unknown time zone", edit: "data:", with: "pages: {time_zone: Mars/Olympus}\ndata:", says: "pages.time_zone"},
		{name: "unknown rule of the desk", edit: "data:", with: "desk: {reset: two-eyes}\ndata:", says: "desk.reset"},
		{name: "desk proof of no rule", edit: "data:", with: "desk: {desk_proof: preferred}\ndata:", says: "desk.desk_proof"},
		{name: "a ticket of a day", edit: "data:", with: "desk: {ticket: 24h}\ndata:", says: "desk.ticket"},
		{name: "a PIN that is never stale", edit: "data:", with: "desk: {fresh_pin: 10h}\ndata:", says: "desk.fresh_pin"},
		{name: "a request of a second", edit: "data:", with: "desk: {request: 1s}\ndata:", says: "desk.request"},
		{name: "any number of wrong codes", edit: "data:", with: "desk: {wrong_codes: 1000}\ndata:", says: "desk.wrong_codes"},
		{name: "a lock of a second", edit: "data:", with: "desk: {lock: 1s}\ndata:", says: "desk.lock"},
		{name: "a PIN below CTAP's", edit: "data:", with: "desk: {min_pin_length: 3}\ndata:", says: "desk.min_pin_length"},
		{name: "a PIN beyond CTAP's", edit: "data:", with: "desk: {min_pin_length: 64}\ndata:", says: "desk.min_pin_length"},
		{name: "no such protection", edit: "data:", with: "desk: {cred_protect: 4}\ndata:", says: "desk.cred_protect"},
		{name: "self-enrolment of anything", edit: "data:", with: "desk: {self_enrolment: any}\ndata:", says: "desk.self_enrolment"},
		{name: "self-enrolment of cards of no model", edit: "data:", with: "desk: {self_enrolment: cards}\ndata:", says: "desk.card_models"},
		{name: "a card model of no form", edit: "data:", with: "desk: {card_models: [cps4]}\ndata:", says: "desk.card_models"},
		{name: "the card model of nobody", edit: "data:", with: "desk: {card_models: [00000000-0000-0000-0000-000000000000]}\ndata:", says: "desk.card_models"},
		{name: "events kept for a day", edit: "data:", with: "audit: {retention: 24h}\ndata:", says: "audit.retention"},
		{name: "variable that is no number", env: []string{"CPSGATE_DESK_WRONG_CODES=few"}, says: "CPSGATE_DESK_WRONG_CODES"},
		{name: "variable that is neither true nor false", env: []string{"CPSGATE_DESK_FORCE_PIN_CHANGE=perhaps"}, says: "CPSGATE_DESK_FORCE_PIN_CHANGE"},
		{name: "a second document", edit: "trust:", with: "pages: {name: A}\n---\ntrust:", says: "second"},
		{name: "not YAML", edit: "data:", with: "data: [", says: "[3:1]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.edit != "" && !strings.Contains(goodConfig, tc.edit) {
				t.Fatalf("the good configuration has no %q", tc.edit)
			}
			path := writeConfig(t, strings.Replace(goodConfig, tc.edit, tc.with, 1))
			_, err := loadConfig(path, tc.env)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("want one line naming %q, got %q", tc.says, err)
			}
		})
	}
}

func FuzzLoadConfig(f *testing.F) {
	f.Add(goodConfig)
	f.Add("mode: {")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := loadConfig(writeConfig(t, text), nil)
		if err == nil && (c.Data == "" || c.Main.Key == "") {
			t.Errorf("accepted without what is needed: %+v", c)
		}
	})
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cpsgate.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
