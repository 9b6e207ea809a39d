package mtls_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

func TestNotACertificate(t *testing.T) {
	pki := newPKI(t, false)
	v := newVerifier(t, trustOf(t, pki), mtls.Policy{}, freshCRLs(t, pki))
	good := newCard(t, pki, testpki.CardSpec{}).DER
	for rule, test := range map[string]struct {
		der  []byte
		want mtls.Reason
	}{
		"nothing at all":      {nil, mtls.NoCertificate},
		"no bytes":            {[]byte{}, mtls.NoCertificate},
		"text":                {[]byte("bonjour"), mtls.Malformed},
		"truncated":           {good[:len(good)-1], mtls.Malformed},
		"with trailing bytes": {append(good[:len(good):len(good)], 0), mtls.Malformed},
		"oversized":           {make([]byte, 1<<20), mtls.Malformed},
	} {
		t.Run(rule, func(t *testing.T) {
			if r := wantRefusal(t, v, test.der, test.want); r.Claimed != nil {
				t.Errorf("claims %+v of something unreadable", r.Claimed)
			}
		})
	}
}

func TestValidity(t *testing.T) {
	pki := newPKI(t, false)
	v := newVerifier(t, trustOf(t, pki), mtls.Policy{}, freshCRLs(t, pki))
	card := newCard(t, pki, testpki.CardSpec{NotBefore: today(), NotAfter: today()})
	if _, err := v.Verify(mtls.Leaf{DER: card.DER}, today()); err != nil {
		t.Errorf("valid for this very second: %v", err)
	}
	expired := newCard(t, pki, testpki.CardSpec{NotBefore: today().AddDate(-3, 0, 0), NotAfter: today().Add(-time.Second)})
	r := wantRefusal(t, v, expired.DER, mtls.Expired)
	if !r.NotAfter.Equal(expired.Certificate.NotAfter) || !r.NotBefore.Equal(expired.Certificate.NotBefore) {
		t.Errorf("validity told: %v to %v", r.NotBefore, r.NotAfter)
	}
	wantRefusal(t, v, newCard(t, pki, testpki.CardSpec{NotBefore: today().Add(time.Second)}).DER, mtls.NotYetValid)

	// Of a stranger's certificate the issuer is what is wrong, not the date.
	stranger := testpki.CardSpec{Issuer: pki.Impostor(testpki.Fort, testpki.Persons), NotBefore: today().AddDate(-4, 0, 0)}
	wantRefusal(t, v, newCard(t, pki, stranger).DER, mtls.UntrustedIssuer)
}

// What a refusal claims is there for the audit, whoever issued it.
func TestRefusalTellsWhatIsClaimed(t *testing.T) {
	pki := newPKI(t, false)
	v := newVerifier(t, trustOf(t, pki), mtls.Policy{}, freshCRLs(t, pki))
	card := newCard(t, pki, testpki.CardSpec{FamilyName: "EXEMPLE", Issuer: pki.Impostor(testpki.Fort, testpki.Persons)})
	r := wantRefusal(t, v, card.DER, mtls.UntrustedIssuer)
	if r.Claimed == nil || r.Claimed.Professional.FamilyName != "EXEMPLE" || r.Claimed.Certificate.Serial != mtls.FormatSerial(card.Certificate.SerialNumber) {
		t.Errorf("claimed: %+v", r.Claimed)
	}
	if r.Unwrap() == nil {
		t.Error("nothing behind the refusal")
	}
}

func TestRealTestCertificates(t *testing.T) {
	at := time.Date(2018, 6, 1, 0, 0, 0, 0, time.UTC)
	read := func(name string) []byte {
		t.Helper()
		data, err := os.ReadFile("testdata/igc-sante/" + name)
		if err != nil {
			t.Fatal(err)
		}
		blocks, err := mtls.CertificateBlocks(data)
		if err != nil {
			t.Fatal(err)
		}
		return blocks[0]
	}
	anchor, err := mtls.ParseCertificate(read("ca/TEST-ACI-ST-PP.pem"))
	if err != nil {
		t.Fatal(err)
	}
	trust, err := mtls.NewTrust(certs(anchor), nil)
	if err != nil {
		t.Fatal(err)
	}
	off := mtls.Policy{TestCards: mtls.Accept, Revocation: mtls.RevocationPolicy{Mode: mtls.RevocationOff}}
	v := newVerifier(t, trust, off, nil)

	holder, err := v.Verify(mtls.Leaf{DER: read("leaf/TEST-CPE-2600301752-AUTH.pem")}, at)
	if err != nil {
		t.Fatal(err)
	}
	want := identity.Professional{
		IdNat: "30B0057881/CPET0002", FamilyName: "ADMINISTRATIF-CH057880002", GivenName: "CHARLES",
		Title: "Personnel santé ou social", Structure: "10B0057881", Employer: "HOPITAL DES 3 DAMES",
	}
	if got := holder.Professional; got.IdNat != want.IdNat || got.FamilyName != want.FamilyName || got.GivenName != want.GivenName ||
		got.Title != want.Title || got.Structure != want.Structure || got.Employer != want.Employer || got.Profession != 0 {
		t.Errorf("holder %+v, want %+v", got, want)
	}
	if holder.Card.TokenID != "8025000001/2600301752" || holder.Card.Type != identity.CardCPE || !holder.Card.Test {
		t.Errorf("card %+v", holder.Card)
	}

	_, err = v.Verify(mtls.Leaf{DER: read("leaf/TEST-CPS-FORT-medecin-899900063480.pem")}, at)
	var r *mtls.Refusal
	if !errors.As(err, &r) || r.Reason != mtls.SignatureCertificate {
		t.Fatalf("the signature certificate: %v", err)
	}
	if who := r.Claimed.Professional; who.IdNat != "899900063480" || who.Profession != 10 || len(who.Specialties) != 1 || who.Specialties[0] != "SM26" {
		t.Errorf("claimed %+v", who)
	}

	_, err = v.Verify(mtls.Leaf{DER: read("leaf/TEST-CPE-2600301752-AUTH.pem")}, today())
	if !errors.As(err, &r) || r.Reason != mtls.Expired {
		t.Errorf("eight years later: %v", err)
	}
}

func TestPolicyThatSaysNothingSensible(t *testing.T) {
	pki := newPKI(t, false)
	trust := trustOf(t, pki)
	for rule, policy := range map[string]mtls.Policy{
		"unknown profile":         {Profile: "cpx"},
		"unknown leniency":        {TestCards: "maybe"},
		"unknown revocation mode": {Revocation: mtls.RevocationPolicy{Mode: "sometimes"}},
		"unknown stale mode":      {Revocation: mtls.RevocationPolicy{Stale: "whatever"}},
		"grace without a period":  {Revocation: mtls.RevocationPolicy{Stale: mtls.StaleGrace}},
		"a period without grace":  {Revocation: mtls.RevocationPolicy{Grace: time.Hour}},
		"negative skew":           {ClockSkew: -time.Second},
		"weak RSA":                {Strength: mtls.Strength{MinRSABits: 1024}},
		"bad issuer policy":       {PerIssuer: map[string]mtls.RevocationPolicy{"00": {Mode: "never"}}},
	} {
		if _, err := mtls.NewVerifier(trust, policy, nil); err == nil {
			t.Errorf("%s: accepted", rule)
		}
	}
	if _, err := mtls.NewVerifier(nil, mtls.Policy{}, nil); !errors.Is(err, mtls.ErrNoAnchors) {
		t.Errorf("no trust: %v", err)
	}
}

func TestRecheck(t *testing.T) {
	pki := newPKI(t, false)
	issuer := pki.Issuer(testpki.Fort, testpki.Persons)
	card := newCard(t, pki, testpki.CardSpec{})
	before := newVerifier(t, trustOf(t, pki), mtls.Policy{}, freshCRLs(t, pki))
	holder, err := before.Verify(mtls.Leaf{DER: card.DER}, today())
	if err != nil {
		t.Fatal(err)
	}
	stored := holder.Certificate
	if err := before.Recheck(stored, today()); err != nil {
		t.Errorf("a good one: %v", err)
	}

	issuer.Revoke(card.Certificate.SerialNumber, today(), testpki.ReasonKeyCompromise)
	revoked := newVerifier(t, trustOf(t, pki), mtls.Policy{}, freshCRLs(t, pki))
	pki.Root(testpki.Fort).Revoke(issuer.Certificate.SerialNumber, today(), testpki.ReasonCACompromise)
	without := newVerifier(t, trustOf(t, pki), mtls.Policy{}, nil)
	stranger := stored
	stranger.IssuerKey = "00"
	broken := stored
	broken.Serial = "-5"
	for _, test := range []struct {
		rule   string
		v      *mtls.Verifier
		stored identity.Certificate
		at     time.Time
		want   mtls.Reason
	}{
		{"revoked since", revoked, stored, today(), mtls.Revoked},
		{"no evidence", without, stored, today(), mtls.RevocationUnavailable},
		{"expired since", before, stored, stored.NotAfter.Add(time.Second), mtls.Expired},
		{"not yet valid", before, stored, stored.NotBefore.Add(-time.Second), mtls.NotYetValid},
		{"issuer not held any more", before, stranger, today(), mtls.UntrustedIssuer},
		{"a serial that is none", before, broken, today(), mtls.Malformed},
	} {
		t.Run(test.rule, func(t *testing.T) {
			var r *mtls.Refusal
			if err := test.v.Recheck(test.stored, test.at); !errors.As(err, &r) || r.Reason != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	// The authority's own revocation reaches what it issued.
	other := newCard(t, pki, testpki.CardSpec{})
	holder, err = before.Verify(mtls.Leaf{DER: other.DER}, today())
	if err != nil {
		t.Fatal(err)
	}
	var r *mtls.Refusal
	if err := newVerifier(t, trustOf(t, pki), mtls.Policy{}, freshCRLs(t, pki)).Recheck(holder.Certificate, today()); !errors.As(err, &r) || r.Reason != mtls.Revoked {
		t.Errorf("its authority is revoked: %v", err)
	}
}

func TestExplain(t *testing.T) {
	pki := newPKI(t, false)
	v := newVerifier(t, trustOf(t, pki), mtls.Policy{}, freshCRLs(t, pki))
	accepted := v.Explain(mtls.Leaf{DER: newCard(t, pki, testpki.CardSpec{}).DER}, today())
	if accepted.Refusal != nil || len(accepted.Path) != 2 || len(accepted.Steps) < 10 {
		t.Fatalf("%+v", accepted)
	}
	for _, step := range accepted.Steps {
		if !step.Holds || step.Rule == "" || step.Clause == "" {
			t.Errorf("step %+v", step)
		}
	}
	refused := v.Explain(mtls.Leaf{DER: newCard(t, pki, testpki.CardSpec{NotAfter: today().Add(-time.Hour)}).DER}, today())
	last := refused.Steps[len(refused.Steps)-1]
	if refused.Refusal == nil || last.Holds || last.Clause != refused.Refusal.Clause {
		t.Errorf("refused by %+v, but the last step is %+v", refused.Refusal, last)
	}
}

// Authorities that share a name and vouch for nothing cost a bounded time.
func TestPathBudget(t *testing.T) {
	pki := newPKI(t, false)
	impostor := pki.Impostor(testpki.Fort, testpki.Persons)
	others := pki.Roots()
	for range 120 {
		again, err := pki.NewAuthority(testpki.AuthoritySpec{Short: "ACI-FO-PP", Name: impostor.Name, Parent: pki.Root(testpki.Standard), Key: impostor.Key, PathLen: 0})
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, again.Certificate)
	}
	trust, err := mtls.NewTrust(certs(pki.Issuer(testpki.Standard, testpki.Persons).Certificate), others)
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, trust, mtls.Policy{}, nil)
	r := wantRefusal(t, v, newCard(t, pki, testpki.CardSpec{}).DER, mtls.UntrustedIssuer)
	if !strings.Contains(r.Detail, "limit") {
		t.Errorf("refused as %v, not for its budget", r)
	}
}
