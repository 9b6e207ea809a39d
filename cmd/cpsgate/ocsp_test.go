package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// TestOCSPByTheCertificatesAddresses: configured as documented, with no
// responders, those that the cards name are asked, at both doors.
func TestOCSPByTheCertificatesAddresses(t *testing.T) {
	const national, house = "http://ocsp.esante.gouv.fr", "http://ocsp.hospital.example"
	for _, test := range []struct {
		door     string
		fallback []string
		asked    string
	}{
		{"certificate", nil, national}, {"passkey", nil, national},
		{"certificate", []string{house}, national}, {"passkey", []string{house}, house},
	} {
		t.Run(test.door+" "+strings.Join(test.fallback, ""), func(t *testing.T) {
			r := serveDemo(t, func(c *Config) {
				c.OCSP.Hosts, c.OCSP.Fallback = []string{nationalResponder, "ocsp.hospital.example"}, test.fallback
				c.Trust.Authorities = []AuthorityConfig{{Issuer: "TEST AC IGC-SANTE FORT PERSONNES", OCSP: "always"}}
			})
			authority := r.pki.Issuer(testpki.Fort, testpki.Persons)
			var asked []string
			j := r.program.judge
			j.ocsp.Fetch = func(_ context.Context, address string, question []byte) ([]byte, error) {
				asked = append(asked, address)
				request, err := testpki.ParseOCSPRequest(question)
				if err != nil {
					return nil, err
				}
				return authority.OCSPResponse(testpki.OCSPSpec{}, request)
			}
			card := r.card(t, "good").Leaf
			authority.Revoke(card.SerialNumber, r.now(), testpki.ReasonKeyCompromise)
			var err error
			if test.door == "certificate" {
				_, err = j.Verify(mtls.Leaf{DER: card.Raw}, r.now())
			} else {
				err = j.Recheck(storedOf(t, card.Raw), r.now())
			}
			var refused *mtls.Refusal
			if !errors.As(err, &refused) || refused.Reason != mtls.Revoked {
				t.Errorf("known as revoked to the responder alone: %v", err)
			}
			if !slices.Equal(asked, []string{test.asked}) {
				t.Errorf("asked %s", strings.Join(asked, ", "))
			}
		})
	}
}

// TestOCSPOfHostsNotAllowed: nobody is asked on a host that is not named, and
// that nobody can be asked is told once, at either door.
func TestOCSPOfHostsNotAllowed(t *testing.T) {
	var log bytes.Buffer
	r := serveDemo(t, func(c *Config) {
		c.Trust.Authorities = []AuthorityConfig{{Issuer: "TEST AC IGC-SANTE FORT PERSONNES", OCSP: "always"}}
		c.OCSP.Hosts, c.OCSP.Fallback = []string{"ocsp.hospital.example"}, nil
	})
	j := r.program.judge
	j.log = slog.New(slog.NewTextHandler(&log, nil))
	j.ocsp.Fetch = func(_ context.Context, address string, _ []byte) ([]byte, error) {
		t.Errorf("asked %s", address)
		return nil, errors.New("not allowed")
	}
	card := r.card(t, "good").Leaf
	for range 2 {
		if _, err := j.Verify(mtls.Leaf{DER: card.Raw}, r.now()); err != nil {
			t.Fatal(err)
		}
		if err := j.Recheck(storedOf(t, card.Raw), r.now()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "OCSP: nobody to ask"); n != 1 {
		t.Errorf("told %d times: %q", n, log.String())
	}
}

// storedOf is what is remembered of a certificate.
func storedOf(t *testing.T, der []byte) identity.Certificate {
	t.Helper()
	c, err := mtls.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return mtls.ReadClaims(c).Unverified().Certificate
}

// TestOCSPPolicyOfTheConfiguration: age and skew reach the policy, and what is
// laxer than the defaults is logged.
func TestOCSPPolicyOfTheConfiguration(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	o := OCSPConfig{}
	o.setDefaults()
	if o.policy(logger); log.Len() > 0 {
		t.Errorf("the defaults are logged: %s", log.String())
	}
	o.MaximumAge, o.ClockSkew, o.Nonce = 48*time.Hour, 30*time.Minute, "if-present"
	want := mtls.OCSPPolicy{MaxAge: 48 * time.Hour, ClockSkew: 30 * time.Minute, Nonce: mtls.NonceIfPresent}
	if got := o.policy(logger); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if n := strings.Count(log.String(), "leniency in force"); n != 3 {
		t.Errorf("%d leniencies logged: %s", n, log.String())
	}
}
