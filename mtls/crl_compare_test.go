package mtls_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"testing"
	"time"

	"cpsgate/mtls"
)

// compareWithX509 wants what both this package and crypto/x509 accept to be the
// same CRL.
func compareWithX509(t *testing.T, der []byte) {
	ours, err := mtls.ReadCRL(bytes.NewReader(der), mtls.CRLLimits{MaxBytes: 1 << 20, AllowNegativeSerials: true})
	if err != nil {
		return
	}
	theirs, err := x509.ParseRevocationList(der)
	if err != nil {
		return
	}
	if !bytes.Equal(ours.Issuer, theirs.RawIssuer) || !bytes.Equal(ours.AuthorityKeyID, theirs.AuthorityKeyId) {
		t.Error("issuer or authority key identifier")
	}
	if !ours.ThisUpdate.Equal(theirs.ThisUpdate) || !ours.NextUpdate.Equal(theirs.NextUpdate) {
		t.Errorf("updates: %s %s, %s %s", ours.ThisUpdate, theirs.ThisUpdate, ours.NextUpdate, theirs.NextUpdate)
	}
	if (ours.Number == nil) != (theirs.Number == nil) || ours.Number != nil && ours.Number.Cmp(theirs.Number) != 0 {
		t.Errorf("number: %s, %s", ours.Number, theirs.Number)
	}
	compareEntries(t, ours, theirs)
}

func compareEntries(t *testing.T, ours *mtls.CRL, theirs *x509.RevocationList) {
	if ours.Len() != len(theirs.RevokedCertificateEntries) {
		t.Fatalf("%d entries, %d", ours.Len(), len(theirs.RevokedCertificateEntries))
	}
	for _, want := range theirs.RevokedCertificateEntries {
		got, found := ours.Find(want.SerialNumber)
		if !found {
			t.Fatalf("serial %x not found", want.SerialNumber)
		}
		if ours.CertificateIssuer {
			continue // a serial may stand there once for each issuer
		}
		if int(got.Reason) != want.ReasonCode && got.Reason != mtls.ReasonOther {
			t.Errorf("serial %x: reason %d, %d", want.SerialNumber, got.Reason, want.ReasonCode)
		}
		day := want.RevocationTime.UTC().Truncate(24 * time.Hour)
		if day.After(ours.ThisUpdate) {
			day = ours.ThisUpdate.Truncate(24 * time.Hour)
		}
		if !got.Date.IsZero() && !got.Date.Equal(day) {
			t.Errorf("serial %x: revoked on %s, %s", want.SerialNumber, got.Date, day)
		}
	}
	for serial := range ours.Entries() {
		if !listed(theirs, serial) {
			t.Fatalf("serial %x is not in the CRL", serial)
		}
	}
}

func listed(list *x509.RevocationList, serial *big.Int) bool {
	for _, entry := range list.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(serial) == 0 {
			return true
		}
	}
	return false
}

func readCertificateFile(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}
