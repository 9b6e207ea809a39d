package main

import (
	"bytes"
	"log/slog"
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
