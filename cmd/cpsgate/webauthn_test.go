package main

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
)

const (
	captureRPID   = "sso.example"
	captureOrigin = "https://sso.example:8443"
)

var (
	captureTime      = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)
	captureModel     = [16]byte{0x1D, 0x2C, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	captureChallenge = base64.RawURLEncoding.EncodeToString([]byte("sixteen bytes or more of it"))
)

// capture is a browser whose answers are kept, as a help desk gets them.
type capture struct {
	device *softkey.Device
	folder string
	roots  string // of the device's attestation
}

func newCapture(tb testing.TB, folder string) *capture {
	tb.Helper()
	pki, err := testpki.New(testpki.Options{Now: func() time.Time { return captureTime }, Test: true})
	if err != nil {
		tb.Fatal(err)
	}
	pair, err := pki.Attestation(captureModel)
	if err != nil {
		tb.Fatal(err)
	}
	c := &capture{folder: folder, roots: filepath.Join(folder, "roots"), device: softkey.New(softkey.Options{
		AAGUID: captureModel, Attestation: softkey.Certified, AttestationKey: pair.Key, Chain: [][]byte{pair.DER},
	})}
	if err := os.MkdirAll(c.roots, 0o755); err != nil {
		tb.Fatal(err)
	}
	c.writeRoot(tb, pki.AttestationRoot())
	return c
}

func (c *capture) writeRoot(tb testing.TB, root *x509.Certificate) {
	tb.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})
	if err := os.WriteFile(filepath.Join(c.roots, "root.pem"), text, 0o644); err != nil {
		tb.Fatal(err)
	}
}

// answer has the device answer and keeps what it said in a file.
func (c *capture) answer(tb testing.TB, ceremony string, lies ...softkey.Lie) (file string) {
	tb.Helper()
	var (
		body []byte
		err  error
	)
	if ceremony == "registration" {
		body, err = c.device.Create(captureOrigin, []byte(fmt.Sprintf(
			`{"rp":{"id":%q},"user":{"id":"dXNlcg"},"challenge":%q,"attestation":"direct","pubKeyCredParams":[{"type":"public-key","alg":-7}]}`,
			captureRPID, captureChallenge)), lies...)
	} else {
		body, err = c.device.Get(captureOrigin, []byte(fmt.Sprintf(`{"rpId":%q,"challenge":%q}`, captureRPID, captureChallenge)), lies...)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return c.keep(tb, ceremony+".json", body)
}

func (c *capture) keep(tb testing.TB, name string, data []byte) (file string) {
	tb.Helper()
	file = filepath.Join(c.folder, name)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		tb.Fatal(err)
	}
	return file
}

// verify runs the command on a capture; flags replace its own of the same name.
func verify(tb testing.TB, ceremony string, flags ...string) (code int, report ceremonyReport, stderr string) {
	tb.Helper()
	args := []string{"webauthn", "verify", "--json", "--at", captureTime.Format(time.RFC3339)}
	for name, value := range map[string]string{"--ceremony": ceremony, "--rp-id": captureRPID, "--origin": captureOrigin, "--challenge": captureChallenge} {
		if !slices.Contains(flags, name) {
			args = append(args, name, value)
		}
	}
	var out, errs bytes.Buffer
	env := &environment{ctx: tb.Context(), stdin: strings.NewReader(""), stdout: &out, stderr: &errs, now: time.Now}
	code = run(env, append(args, flags...))
	if code != exitUnusable {
		if err := json.Unmarshal(out.Bytes(), &report); err != nil {
			tb.Fatalf("%v: %s %s", err, out.Bytes(), errs.Bytes())
		}
	}
	return code, report, errs.String()
}

func TestWebauthnVerifyRegistration(t *testing.T) {
	c := newCapture(t, t.TempDir())
	for _, w := range []struct {
		rule   string
		reason string // "" = accepted
		flags  []string
		lies   []softkey.Lie
	}{
		{"as captured", "", nil, nil},
		{"under its roots", "", []string{"--attestation-roots", c.roots}, nil},
		{"from one of several origins", "", []string{"--origin", "https://other.example", "--origin", captureOrigin}, nil},
		{"verification preferred, and none", "", []string{"--user-verification", "preferred"}, []softkey.Lie{softkey.Clear(softkey.FlagUV)}},
		{"a challenge with padding", "", []string{"--challenge", captureChallenge + "="}, nil},
		{"a platform authenticator", "", nil, []softkey.Lie{func(d *softkey.Draft) { d.Attachment = "platform" }}},
		{"another type", "type", nil, []softkey.Lie{softkey.Type("webauthn.get")}},
		{"another challenge", "challenge", []string{"--challenge", "AAAAAAAAAAAAAAAAAAAAAA"}, nil},
		{"another origin", "origin", []string{"--origin", "https://sso.example"}, nil},
		{"another RP ID", "rp-id", []string{"--rp-id", "example.org"}, nil},
		{"nobody there", "user-presence", nil, []softkey.Lie{softkey.Clear(softkey.FlagUP)}},
		{"nobody verified", "user-verification", nil, []softkey.Lie{softkey.Clear(softkey.FlagUV)}},
		{"backup eligible", "backup-eligible", nil, []softkey.Lie{softkey.Set(softkey.FlagBE)}},
		{"backed up alone", "backup-state", nil, []softkey.Lie{softkey.Set(softkey.FlagBS)}},
		{"a wrong signature", "attestation", nil, []softkey.Lie{softkey.BadSignature()}},
		{"self attestation under roots", "attestation", []string{"--attestation-roots", c.roots}, []softkey.Lie{softkey.Format("none"), softkey.Statement(softkey.Map{})}},
		{"judged when its certificate had expired", "attestation", []string{"--at", "2040-01-01T00:00:00Z"}, nil},
		{"no attStmt", "malformed", nil, []softkey.Lie{softkey.WithoutMember("attStmt")}},
		{"half of it", "malformed", nil, []softkey.Lie{softkey.AlterBody(func(b []byte) []byte { return b[:len(b)/2] })}},
		{"too large", "malformed", nil, []softkey.Lie{softkey.AlterBody(func(b []byte) []byte { return append(b, bytes.Repeat([]byte(" "), 65<<10)...) })}},
	} {
		t.Run(w.rule, func(t *testing.T) {
			code, report, stderr := verify(t, "registration", append(w.flags, c.answer(t, "registration", w.lies...))...)
			want := ceremonyReport{Verdict: "accepted"}
			if w.reason != "" {
				want.Verdict, want.Reason = "refused", w.reason
			}
			if report.Verdict != want.Verdict || report.Reason != want.Reason || (code == exitOK) != (w.reason == "") || code == exitUnusable {
				t.Errorf("exit %d, %+v %s", code, report, stderr)
			}
			if (report.Credential != nil) != (w.reason == "") || (report.Detail != "") == (w.reason == "") || stderr != "" {
				t.Errorf("%+v, standard error %q", report, stderr)
			}
		})
	}
}

func TestWebauthnVerifyAuthentication(t *testing.T) {
	c := newCapture(t, t.TempDir())
	code, report, stderr := verify(t, "registration", "--attestation-roots", c.roots, c.answer(t, "registration"))
	if code != exitOK {
		t.Fatalf("%+v %s", report, stderr)
	}
	whole := c.keep(t, "whole.json", mustEncode(t, report))
	alone := c.keep(t, "alone.json", mustEncode(t, report.Credential))
	with := func(name string, change func(*credentialReport)) string {
		k := *report.Credential
		change(&k)
		return c.keep(t, name, mustEncode(t, k))
	}
	owned := with("owned.json", func(k *credentialReport) { k.UserHandle = octets("user") })
	for _, w := range []struct {
		rule       string
		reason     string
		credential string
		flags      []string
		lies       []softkey.Lie
	}{
		{"with the registration's verdict", "", whole, nil, nil},
		{"with the credential alone", "", alone, nil, nil},
		{"with a credential whose owner is known", "", owned, nil, nil},
		{"without user handle, owner not on file", "", alone, nil, []softkey.Lie{softkey.UserHandle(nil)}},
		{"verification preferred, and none", "", alone, []string{"--user-verification", "preferred"}, []softkey.Lie{softkey.Clear(softkey.FlagUV)}},
		{"under the roots of its registration", "", alone, []string{"--attestation-roots", c.roots}, nil},
		{"without user handle, owner on file", "user-handle", owned, nil, []softkey.Lie{softkey.UserHandle(nil)}},
		{"of another user", "user-handle", owned, nil, []softkey.Lie{softkey.UserHandle([]byte("other"))}},
		{"of another credential", "passkey-unknown", with("a.json", func(k *credentialReport) { k.ID = octets("x") }), nil, nil},
		{"of another credential with an owner", "passkey-unknown", with("b.json", func(k *credentialReport) { k.ID, k.UserHandle = octets("x"), octets("user") }), nil, nil},
		{"another challenge", "challenge", alone, []string{"--challenge", "AAAA"}, nil},
		{"another origin", "origin", alone, []string{"--origin", "https://sso.example"}, nil},
		{"another RP ID", "rp-id", alone, []string{"--rp-id", "example.org"}, nil},
		{"another type", "type", alone, nil, []softkey.Lie{softkey.Type("webauthn.create")}},
		{"nobody there", "user-presence", alone, nil, []softkey.Lie{softkey.Clear(softkey.FlagUP)}},
		{"nobody verified", "user-verification", alone, nil, []softkey.Lie{softkey.Clear(softkey.FlagUV)}},
		{"a wrong signature", "signature", alone, nil, []softkey.Lie{softkey.BadSignature()}},
		{"a count that fell", "sign-count", with("c.json", func(k *credentialReport) { k.SignCount = 1000 }), nil, nil},
		{"not trusted at registration", "attestation", with("d.json", func(k *credentialReport) { k.Attestation = "recorded" }), []string{"--attestation-roots", c.roots}, nil},
		{"a registration", "malformed", alone, nil, []softkey.Lie{softkey.AlterInner(func(m map[string]any) { delete(m, "signature") })}},
	} {
		t.Run(w.rule, func(t *testing.T) {
			flags := append(w.flags, "--credential", w.credential, c.answer(t, "authentication", w.lies...))
			code, report, stderr := verify(t, "authentication", flags...)
			if report.Reason != w.reason || (code == exitOK) != (w.reason == "") || code == exitUnusable || stderr != "" {
				t.Errorf("exit %d, %+v %s", code, report, stderr)
			}
			if w.reason == "" && report.Credential.SignCount < 2 {
				t.Errorf("sign count %d after the login", report.Credential.SignCount)
			}
		})
	}
}

func TestWebauthnVerifyUnusable(t *testing.T) {
	c := newCapture(t, t.TempDir())
	good := c.answer(t, "registration")
	_, accepted, _ := verify(t, "registration", good)
	credential := func(name, text string) []string { return []string{"--credential", c.keep(t, name, []byte(text)), good} }
	alone := string(mustEncode(t, accepted.Credential))
	empty := filepath.Join(c.folder, "empty")
	if err := os.MkdirAll(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct {
		rule, ceremony string
		flags          []string
	}{
		{"no file", "registration", []string{filepath.Join(c.folder, "nothing.json")}},
		{"a file of something else", "registration", []string{c.keep(t, "x.pem", []byte("-----BEGIN CERTIFICATE-----"))}},
		{"an empty file", "registration", []string{c.keep(t, "empty.json", nil)}},
		{"an unknown ceremony", "login", []string{good}},
		{"a challenge that is no base64url", "registration", []string{"--challenge", "++++", good}},
		{"an empty challenge", "registration", []string{"--challenge", "", good}},
		{"an origin that is none", "registration", []string{"--origin", "sso.example", good}},
		{"an origin with a path", "registration", []string{"--origin", captureOrigin + "/login", good}},
		{"an RP ID that is none", "registration", []string{"--rp-id", "https://sso.example", good}},
		{"an unknown requirement", "registration", []string{"--user-verification", "discouraged", good}},
		{"a time that is none", "registration", []string{"--at", "yesterday", good}},
		{"no folder of roots", "registration", []string{"--attestation-roots", filepath.Join(c.folder, "nothing"), good}},
		{"an empty folder of roots", "registration", []string{"--attestation-roots", empty, good}},
		{"no credential", "authentication", []string{good}},
		{"no credential file", "authentication", []string{"--credential", filepath.Join(c.folder, "nothing.json"), good}},
		{"a credential of a refused registration", "authentication", credential("1.json", `{"verdict":"refused","reason":"origin","detail":"x","at":""}`)},
		{"a credential without id", "authentication", credential("2.json", strings.Replace(alone, `"id"`, `"aaguid"`, 1))},
		{"a credential without public key", "authentication", credential("3.json", `{"id":"AAAA"}`)},
		{"a credential with a broken public key", "authentication", credential("4.json", `{"id":"AAAA","publicKey":"AAAA"}`)},
		{"a credential with a broken model", "authentication", credential("5.json", strings.Replace(alone, `"aaguid":"1d`, `"aaguid":"1`, 1))},
		{"a credential with an unknown member", "authentication", credential("6.json", strings.Replace(alone, `"signCount"`, `"sign_count"`, 1))},
		{"a credential with bytes after it", "authentication", credential("7.json", alone+"{}")},
		{"two credentials", "authentication", credential("8.json", strings.Replace(alone, `{`, `{"credential":`+alone+`,`, 1))},
		{"a credential that is none", "authentication", credential("9.json", `[]`)},
	} {
		if code, _, stderr := verify(t, w.ceremony, w.flags...); code != exitUnusable || !strings.HasPrefix(lastLine(stderr), "cpsgate: ") {
			t.Errorf("%s: exit %d, %q", w.rule, code, stderr)
		}
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func mustEncode(tb testing.TB, v any) []byte {
	tb.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// A credential file that is read can be written and read again, the same.
func FuzzParseCredential(f *testing.F) {
	c := newCapture(f, f.TempDir())
	_, report, _ := verify(f, "registration", c.answer(f, "registration"))
	f.Add(mustEncode(f, report))
	f.Add(mustEncode(f, report.Credential))
	f.Add([]byte(`{"id":"AA==","publicKey":"pQECAyYgASFYIA"}`))
	f.Add([]byte(`{"verdict":"refused"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		passkey, err := parseCredential(data)
		if err != nil {
			return
		}
		again, err := parseCredential(mustEncode(t, reportCeremony(passkey, nil, captureTime)))
		if err != nil || !bytes.Equal(again.ID, passkey.ID) || !bytes.Equal(again.PublicKey, passkey.PublicKey) || again.SignCount != passkey.SignCount {
			t.Errorf("%v: %+v then %+v", err, passkey, again)
		}
	})
}
