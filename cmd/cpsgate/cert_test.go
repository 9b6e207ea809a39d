package main

import (
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// certTime is the time of the stories, $AT in them.
func certTime() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// TestCertScripts runs the stories of testdata/script/cert*.txtar. Besides
// "exits CODE cpsgate ARGUMENTS…" they have the real TEST certificates in $IGC,
// those of NIST PKITS in $PKITS, and a PKI of their own in their folder: see
// makeCertFiles.
func TestCertScripts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "script", "cert*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	original := t.TempDir()
	makeCertFiles(t, original)
	testdata, err := filepath.Abs("../../mtls/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files: files,
		Setup: func(env *testscript.Env) error {
			env.Setenv("IGC", filepath.Join(testdata, "igc-sante"))
			env.Setenv("PKITS", filepath.Join(testdata, "pkits"))
			env.Setenv("AT", certTime().Format(time.RFC3339))
			return os.CopyFS(env.WorkDir, os.DirFS(original))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": scriptExits},
	})
}

// certFiles makes the files of the stories.
type certFiles struct {
	t      *testing.T
	folder string
	pki    *testpki.PKI
}

// makeCertFiles makes anchors (FORT and STANDARD PERSONNES), authorities (the
// roots), crls (of all four) and cards: good, revoked, expired, service,
// signature, test; ocsp (good and revoked of the good card, authority of its
// issuer). Half of it is PEM, half DER.
func makeCertFiles(t *testing.T, folder string) {
	t.Helper()
	pki, err := testpki.New(testpki.Options{Now: certTime})
	if err != nil {
		t.Fatal(err)
	}
	f := certFiles{t, folder, pki}
	good := f.card("good", testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "ANNE", Profession: 60, IdNat: "899900000042"})
	f.save("good.der", "", good.Authentication.DER)
	f.save("signature.pem", "CERTIFICATE", good.Signature.DER)
	f.card("revoked", testpki.CardSpec{Type: identity.CardCPE}).Revoke(certTime().Add(-time.Hour), testpki.ReasonKeyCompromise)
	f.card("expired", testpki.CardSpec{NotBefore: certTime().AddDate(-4, 0, 0)})
	f.card("test", testpki.CardSpec{AlterAuth: func(c *testpki.Template) { c.Set(testpki.Category(0x80)) }})

	issuer, serial := pki.Issuer(testpki.Fort, testpki.Persons), good.Authentication.Certificate.SerialNumber
	f.answer("good", issuer, serial)
	f.answer("authority", pki.Root(testpki.Fort), issuer.Certificate.SerialNumber)
	issuer.Revoke(serial, certTime(), testpki.ReasonKeyCompromise)
	f.answer("revoked", issuer, serial)
	issuer.Release(serial, certTime())

	for _, r := range []testpki.Range{testpki.Fort, testpki.Standard} {
		root, issuer := pki.Root(r), pki.Issuer(r, testpki.Persons)
		f.save("anchors/"+issuer.Short+".pem", "CERTIFICATE", issuer.Certificate.Raw)
		f.save("authorities/"+root.Short+".cer", "", root.Certificate.Raw)
		f.crl("", issuer)
		f.crl("X509 CRL", root)
	}
}

// save writes DER, or PEM where a kind is named.
func (f certFiles) save(name, kind string, der []byte) {
	f.t.Helper()
	name = filepath.Join(f.folder, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if kind != "" {
		der = pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	if err := os.WriteFile(name, der, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f certFiles) card(name string, spec testpki.CardSpec) *testpki.Card {
	f.t.Helper()
	card, err := f.pki.Card(spec)
	if err != nil {
		f.t.Fatal(err)
	}
	f.save(name+".pem", "CERTIFICATE", card.Authentication.DER)
	return card
}

func (f certFiles) crl(kind string, a *testpki.Authority) {
	f.t.Helper()
	der, err := a.CRL(testpki.CRLSpec{})
	if err != nil {
		f.t.Fatal(err)
	}
	f.save("crls/"+a.Short+".crl", kind, der)
}

func (f certFiles) answer(name string, a *testpki.Authority, serial *big.Int) {
	f.t.Helper()
	question, err := mtls.OCSPQuestion{Serial: serial, Issuer: a.Certificate}.DER()
	if err != nil {
		f.t.Fatal(err)
	}
	request, err := testpki.ParseOCSPRequest(question)
	if err != nil {
		f.t.Fatal(err)
	}
	der, err := a.OCSPResponse(testpki.OCSPSpec{}, request)
	if err != nil {
		f.t.Fatal(err)
	}
	f.save("ocsp/"+name+".der", "", der)
}

// The suite of NIST through the command itself, with everything in its folders.
func TestCertVerifyPKITS(t *testing.T) {
	pkits := "../../mtls/testdata/pkits"
	raw, err := os.ReadFile(filepath.Join(pkits, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Tests []struct {
			ID, Expect, Target string
			Policy             struct {
				Initial        []string `json:"initial_policy_set"`
				Explicit       bool     `json:"initial_explicit_policy"`
				InhibitMapping bool     `json:"initial_policy_mapping_inhibit"`
				InhibitAny     bool     `json:"initial_inhibit_any_policy"`
			}
		}
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		t.Fatal(err)
	}
	anchors := t.TempDir()
	root, err := os.ReadFile(filepath.Join(pkits, "certs", "TrustAnchorRootCertificate.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(anchors, "root.crt"), root, 0o644); err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for i, c := range manifest.Tests {
		if i%8 != 0 { // a sample: package mtls runs them all
			continue
		}
		args := []string{"cert", "verify", "--profile", "any", "--at", "2026-01-01T00:00:00Z", "--anchors", anchors,
			"--intermediates", pkits + "/certs", "--crls", pkits + "/crls", pkits + "/" + c.Target}
		if c.Policy.Explicit || c.Policy.Initial[0] != "2.5.29.32.0" {
			for _, oid := range c.Policy.Initial {
				args = append(args, "--policy", oid)
			}
		}
		if c.Policy.InhibitMapping {
			args = append(args, "--inhibit-policy-mapping")
		}
		if c.Policy.InhibitAny {
			args = append(args, "--inhibit-any-policy")
		}
		code, stdout, stderr := runCommand(t, args...)
		if code == exitUnusable || c.Expect == "invalid" && code != exitRefused {
			t.Errorf("%s, %s: exit %d\n%s%s", c.ID, c.Expect, code, stdout, stderr)
		}
		if code == exitOK {
			accepted++
		}
	}
	if accepted == 0 {
		t.Error("nothing was accepted")
	}
}
