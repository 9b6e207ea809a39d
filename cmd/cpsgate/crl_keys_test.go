package main

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// TestBareKeyIsTold: a second key of one name without a CRL is told at the start
// and at a reload; one with a list, or a second certificate of one key, is not.
func TestBareKeyIsTold(t *testing.T) {
	d, c, _ := demoConfig(t)
	fort := d.pki.Issuer(testpki.Fort, testpki.Persons)
	successor, err := d.pki.NewAuthority(testpki.AuthoritySpec{
		Short: "ACI-FO-PP-2", Name: fort.Name, Parent: fort.Parent, Key: d.pki.Issuer(testpki.Fort, testpki.Organisations).Key, PathLen: 0,
	})
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := d.pki.NewAuthority(testpki.AuthoritySpec{Short: "ACI-FO-PP-3", Name: fort.Name, Parent: fort.Parent, Key: fort.Key, PathLen: 0})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	told := func(when string, want int) {
		t.Helper()
		if n := strings.Count(log.String(), "two keys bear the name"); n != want || n > 0 && !strings.Contains(log.String(), mtls.Fingerprint(successor.Certificate)) {
			t.Errorf("%s: told %d times, want %d, in %s", when, n, want, log.String())
		}
		log.Reset()
	}
	write(t, d.path("anchors", "renewed.pem"), pemOf(renewed.Certificate.Raw))
	j, err := openJudge(t.Context(), c, logger, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	told("two certificates of one key, at the start", 0)
	write(t, d.path("anchors", "successor.pem"), pemOf(successor.Certificate.Raw))
	if err := j.trust.Reload(); err != nil {
		t.Fatal(err)
	}
	told("at the reload", 1)
	if _, err := openJudge(t.Context(), c, logger, time.Now); err != nil {
		t.Fatal(err)
	}
	told("at the start", 1)
	write(t, filepath.Join(c.Trust.CRLs, "successor.crl"), mustCRL(t, successor, testpki.CRLSpec{}))
	if _, err := openJudge(t.Context(), c, logger, time.Now); err != nil {
		t.Fatal(err)
	}
	told("with its list", 0)
}
