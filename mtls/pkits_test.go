package mtls_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cpsgate/mtls"
)

const pkits = "testdata/pkits"

// pkitsTime lies within the validity of everything that is to be valid.
func pkitsTime() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

type pkitsCase struct {
	ID            string   `json:"id"`
	Section       string   `json:"section"`
	Title         string   `json:"title"`
	Expect        string   `json:"expect"`
	Anchors       []string `json:"trust_anchors"`
	Intermediates []string `json:"intermediates"`
	Target        string   `json:"target"`
	CRLs          []string `json:"crls"`
	Policy        struct {
		Initial        []string `json:"initial_policy_set"`
		Explicit       bool     `json:"initial_explicit_policy"`
		InhibitMapping bool     `json:"initial_policy_mapping_inhibit"`
		InhibitAny     bool     `json:"initial_inhibit_any_policy"`
	} `json:"policy"`
	Features []string `json:"features"`
}

func pkitsCases(t *testing.T) []pkitsCase {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(pkits, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Tests []pkitsCase `json:"tests"`
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest.Tests) != 249 {
		t.Fatalf("%d cases, want 249", len(manifest.Tests))
	}
	return manifest.Tests
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func pkitsFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(pkits, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// certificates leaves out those that Go cannot read, as cert verify does with
// its folders.
func pkitsCertificates(t *testing.T, names []string) []*x509.Certificate {
	t.Helper()
	var certificates []*x509.Certificate
	for _, name := range names {
		if found, err := mtls.ReadCertificates(pkitsFile(t, name)); err == nil {
			certificates = append(certificates, found...)
		}
	}
	return certificates
}

func pkitsEvidence(t *testing.T, names []string) mtls.CRLSet {
	t.Helper()
	var lists []*mtls.CRL
	for _, name := range names {
		list, err := mtls.ReadCRL(bytes.NewReader(pkitsFile(t, name)), mtls.CRLLimits{AllowNegativeSerials: true})
		if err != nil {
			continue // unreadable evidence is none
		}
		lists = append(lists, list)
	}
	return mtls.NewCRLSet(lists...)
}

func pkitsPolicies(t *testing.T, c pkitsCase) mtls.CertificatePolicies {
	t.Helper()
	p := mtls.CertificatePolicies{InhibitMapping: c.Policy.InhibitMapping, InhibitAny: c.Policy.InhibitAny}
	var oids []x509.OID
	for _, text := range c.Policy.Initial {
		oid, err := x509.ParseOID(text)
		if err != nil {
			t.Fatal(err)
		}
		oids = append(oids, oid)
	}
	if c.Policy.Explicit {
		p.Required = oids
	} else {
		p.Acceptable = oids
	}
	return p
}

func pkitsVerdict(t *testing.T, c pkitsCase) mtls.Verdict {
	t.Helper()
	trust, err := mtls.NewTrust(pkitsCertificates(t, c.Anchors), pkitsCertificates(t, c.Intermediates))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := mtls.NewVerifier(trust, mtls.Policy{Profile: mtls.ProfileAny, Certificates: pkitsPolicies(t, c)}, pkitsEvidence(t, c.CRLs))
	if err != nil {
		t.Fatal(err)
	}
	return verifier.Explain(mtls.Leaf{DER: pkitsFile(t, c.Target)}, pkitsTime())
}

// The valid cases that stay refused, by what they need; docs/revocation.md
// says why for each group.
func pkitsRefused() map[string]string {
	refused := map[string]string{}
	for need, ids := range map[string][]string{
		"DSA":                       {"4.1.4", "4.1.5"},
		"name comparison":           {"4.3.3", "4.3.4", "4.3.5", "4.3.10", "4.3.11"},
		"self-issued path length":   {"4.6.15", "4.6.17"},
		"directoryName constraints": {"4.13.1", "4.13.4", "4.13.5", "4.13.6", "4.13.11", "4.13.14", "4.13.18", "4.13.19", "4.13.27"},
		"exclusion of one host":     {"4.13.25", "4.13.36"},
		"CRLs split by reason":      {"4.14.18", "4.14.19"},
		"indirect CRLs":             {"4.14.22", "4.14.24", "4.14.25", "4.14.28", "4.14.29", "4.14.30", "4.14.33"},
	} {
		for _, id := range ids {
			refused[id] = need
		}
	}
	return refused
}

// No case is wrongly accepted; the valid ones that are refused are the ones
// listed, no more and no fewer.
func TestPKITS(t *testing.T) {
	refused := pkitsRefused()
	for _, c := range pkitsCases(t) {
		t.Run(c.ID+" "+c.Title, func(t *testing.T) {
			verdict := pkitsVerdict(t, c)
			need, listed := refused[c.ID]
			switch accepted := verdict.Refusal == nil; {
			case c.Expect == "invalid" && accepted:
				t.Errorf("wrongly accepted: %+v", verdict.Steps)
			case c.Expect == "valid" && !accepted && !listed:
				t.Errorf("wrongly refused: %v", verdict.Refusal)
			case accepted && listed:
				t.Errorf("accepted, though listed as needing %s", need)
			}
		})
	}
}

// The sections that must be right both ways hold no listed case but those of
// indirect CRLs and CRLs split by reason.
func TestPKITSRightBothWays(t *testing.T) {
	refused := pkitsRefused()
	for _, c := range pkitsCases(t) {
		switch need := refused[c.ID]; c.Section {
		case "4.4", "4.7", "4.15":
			if need != "" {
				t.Errorf("%s is refused for %s", c.ID, need)
			}
		case "4.14":
			if need != "" && need != "indirect CRLs" && need != "CRLs split by reason" {
				t.Errorf("%s is refused for %s", c.ID, need)
			}
		}
	}
}

// Every case again with all certificates and all CRLs of the suite at hand:
// what does not belong to a case must not change it.
func TestPKITSWithEverythingHeld(t *testing.T) {
	all := func(folder string) (names []string) {
		entries, err := os.ReadDir(filepath.Join(pkits, folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, folder+"/"+e.Name())
		}
		return names
	}
	evidence := pkitsEvidence(t, all("crls"))
	certificates := pkitsCertificates(t, all("certs"))
	for _, c := range pkitsCases(t) {
		trust, err := mtls.NewTrust(pkitsCertificates(t, c.Anchors), certificates)
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := mtls.NewVerifier(trust, mtls.Policy{Profile: mtls.ProfileAny, Certificates: pkitsPolicies(t, c)}, evidence)
		if err != nil {
			t.Fatal(err)
		}
		_, err = verifier.Verify(mtls.Leaf{DER: pkitsFile(t, c.Target)}, pkitsTime())
		if alone := pkitsVerdict(t, c).Refusal; (err == nil) != (alone == nil) {
			t.Errorf("%s %s: alone %v, with everything %v", c.ID, c.Title, alone, err)
		}
	}
}
