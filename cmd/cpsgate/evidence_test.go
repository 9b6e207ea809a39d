package main

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"cpsgate/enroll"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// bypassed is evidence under a manual bypass.
type bypassed struct{ mtls.CRLSet }

func (bypassed) BypassedUntil([]byte) time.Time { return certTime().Add(time.Hour) }

// TestLeniencyAtThePasskeyDoor: a remembered certificate that only a leniency
// lets in is logged at the door, and is not good to the card record.
func TestLeniencyAtThePasskeyDoor(t *testing.T) {
	pki, err := testpki.New(testpki.Options{Now: certTime})
	if err != nil {
		t.Fatal(err)
	}
	trust, err := mtls.NewTrust(pki.CardIssuers(), nil)
	if err != nil {
		t.Fatal(err)
	}
	card, err := pki.Card(testpki.CardSpec{WithoutSignature: true})
	if err != nil {
		t.Fatal(err)
	}
	issuer := pki.Issuer(testpki.Fort, testpki.Persons)
	list := func(spec testpki.CRLSpec) mtls.CRLSet {
		der, err := issuer.CRL(spec)
		if err != nil {
			t.Fatal(err)
		}
		crl, err := mtls.ReadCRL(bytes.NewReader(der), mtls.CRLLimits{})
		if err != nil {
			t.Fatal(err)
		}
		return mtls.NewCRLSet(crl)
	}
	fresh := list(testpki.CRLSpec{})
	stale := list(testpki.CRLSpec{ThisUpdate: certTime().Add(-48 * time.Hour), NextUpdate: certTime().Add(-time.Hour)})
	card.Authentication.Revoke(certTime(), testpki.ReasonKeyCompromise)
	revoking := list(testpki.CRLSpec{})
	for _, test := range []struct {
		rule     string
		policy   mtls.RevocationPolicy
		evidence mtls.Evidence
		opens    bool
		logged   string
		verdict  enroll.Verdict
	}{
		{"a fresh list", mtls.RevocationPolicy{}, fresh, true, "", enroll.Good},
		{"a bypass", mtls.RevocationPolicy{}, bypassed{mtls.NewCRLSet()}, true, "bypass", enroll.Doubtful},
		{"a stale list accepted", mtls.RevocationPolicy{Stale: mtls.StaleAccept}, stale, true, "stale-crl", enroll.Doubtful},
		{"none held, none required", mtls.RevocationPolicy{Mode: mtls.RevocationIfPresent}, nil, true, "revocation-if-present", enroll.Doubtful},
		{"not looked at", mtls.RevocationPolicy{Mode: mtls.RevocationOff}, fresh, true, "revocation-off", enroll.Doubtful},
		{"none held", mtls.RevocationPolicy{}, nil, false, "", enroll.Doubtful},
		{"revoked, though bypassed", mtls.RevocationPolicy{}, bypassed{revoking}, false, "", enroll.Revoked},
	} {
		var log bytes.Buffer
		v, err := mtls.NewVerifier(trust, mtls.Policy{Revocation: test.policy}, test.evidence)
		if err != nil {
			t.Fatal(err)
		}
		j := &judge{Verifier: v, log: slog.New(slog.NewTextHandler(&log, nil)), now: certTime}
		stored := storedOf(t, card.Authentication.DER)
		if err := j.Recheck(stored, certTime()); (err == nil) != test.opens {
			t.Errorf("%s: %v", test.rule, err)
		}
		if told := strings.Contains(log.String(), "leniency used"); told != (test.logged != "") || !strings.Contains(log.String(), test.logged) {
			t.Errorf("%s: logged %q, want %q", test.rule, log.String(), test.logged)
		}
		if got := j.verdictOn(stored); got != test.verdict {
			t.Errorf("%s: verdict %d, want %d", test.rule, got, test.verdict)
		}
	}
}

// TestRulesFollowAReload: an authority that comes by another certificate, whose
// name is written in another way, falls under the rule that its name was given;
// and an authority that goes takes no rule with it. A reload that the rules
// refuse leaves the trust in force its CRLs.
func TestRulesFollowAReload(t *testing.T) {
	const name = "TEST AC IGC-SANTE FORT PERSONNES"
	r := serveDemo(t, func(c *Config) {
		c.Trust.Revocation, c.Trust.Authorities = "if-present", []AuthorityConfig{{Issuer: name, Revocation: "required"}}
	})
	fort, standard := r.pki.Issuer(testpki.Fort, testpki.Persons), r.pki.Issuer(testpki.Standard, testpki.Persons)
	const printableString = 19
	written := testpki.Name{}
	for _, rdn := range fort.Name {
		written = append(written, testpki.RDN{{Type: rdn[0].Type, Value: rdn[0].Value, Tag: printableString}})
	}
	again, err := r.pki.NewAuthority(testpki.AuthoritySpec{Short: "ACI-FO-PP-2", Name: written, Parent: fort.Parent, Key: fort.Key, PathLen: 0})
	if err != nil {
		t.Fatal(err)
	}
	j := r.program.judge
	want := func(rule string, mode mtls.RevocationMode, issuer *testpki.Authority) {
		t.Helper()
		if got := j.Policy().RevocationFor(issuer.Certificate.RawSubject).Mode; got != mode {
			t.Errorf("%s: %s, want %s", rule, got, mode)
		}
	}
	want("at the start", mtls.RevocationRequired, fort)
	anchor := r.path("anchors", "another.pem")
	write(t, anchor, pemOf(again.Certificate.Raw))
	if err := j.trust.Reload(); err != nil {
		t.Fatal(err)
	}
	want("the other certificate", mtls.RevocationRequired, again)
	want("another authority", mtls.RevocationIfPresent, standard)
	for _, c := range []string{anchor, r.path("anchors", "issuer-1.pem"), r.path("anchors", "issuer-2.pem")} {
		write(t, c, pemOf(standard.Certificate.Raw))
	}
	if err := j.trust.Reload(); err != nil {
		t.Fatal(err)
	}
	want("the authority gone", mtls.RevocationRequired, fort)
	stranger, err := r.pki.NewAuthority(testpki.AuthoritySpec{
		Short: "OTHER", Name: fort.Name.Without(testpki.AttributeUnit), Parent: fort.Parent, Key: fort.Key, PathLen: 0,
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(j.crls.CRLs(standard.Certificate.RawSubject)) == 0 {
		t.Fatal("no CRL is held of the authority in force")
	}
	write(t, anchor, slices.Concat(pemOf(fort.Certificate.Raw), pemOf(stranger.Certificate.Raw)))
	for _, c := range []string{r.path("anchors", "issuer-1.pem"), r.path("anchors", "issuer-2.pem")} {
		write(t, c, pemOf(fort.Certificate.Raw))
	}
	if err := j.trust.Reload(); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("two authorities of one common name: %v", err)
	}
	if len(j.crls.CRLs(standard.Certificate.RawSubject)) == 0 {
		t.Error("the trust in force lost its CRL to a reload that was refused")
	}
}
