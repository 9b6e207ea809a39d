package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"cpsgate/mtls"
)

// Run judges the certificate. The verdict goes to standard output; standard
// error carries nothing but what makes the input unusable.
func (c *certVerifyCommand) Run(env *environment) error {
	leaf, err := readLeaf(env, c.Leaf)
	if err != nil {
		return unusable(err)
	}
	verifier, broken, err := c.verifier(env)
	if err != nil {
		return unusable(err)
	}
	at := c.At
	if at.IsZero() {
		at = env.now()
	}
	verdict := verifier.Explain(mtls.Leaf{DER: leaf}, at)
	verdict.Refusal = c.heedBroken(verdict.Refusal, broken)
	if err := c.write(env, verdict, at); err != nil {
		return err
	}
	if verdict.Refusal != nil {
		return refused()
	}
	return nil
}

// verifier is made of the files named; broken are the CRLs among them that
// could not be read.
func (c *certVerifyCommand) verifier(env *environment) (v *mtls.Verifier, broken []error, err error) {
	trust, err := c.trust(env)
	if err != nil {
		return nil, nil, err
	}
	policies, err := parsePolicies(c.Policy)
	if err != nil {
		return nil, nil, err
	}
	var lists []*mtls.CRL
	if c.CRLs != "" {
		// Any certificate is judged as RFC 5280 does, cards as the listener does.
		limits := mtls.CRLLimits{AllowNegativeSerials: c.Profile == string(mtls.ProfileAny)}
		if lists, broken, err = crlsIn(env, c.CRLs, limits); err != nil {
			return nil, nil, err
		}
	}
	answers, err := ocspAnswers(env, c.OCSP)
	if err != nil {
		return nil, nil, err
	}
	policy := mtls.Policy{
		Profile:    mtls.Profile(c.Profile),
		Revocation: mtls.RevocationPolicy{Mode: mtls.RevocationMode(c.Revocation)},
		Certificates: mtls.CertificatePolicies{
			Required: policies, InhibitMapping: c.InhibitMapping, InhibitAny: c.InhibitAny,
		},
	}
	if len(answers) > 0 {
		policy.Revocation.OCSP = mtls.OCSPAlways
		policy.OCSP.UncheckedResponders = mtls.Accept // looked up in the CRLs given
	}
	if trust.HasTest() { // TEST cards, with their identifiers, are judged under TEST anchors alone
		policy.TestCards, policy.UnknownIdentifiers = mtls.Accept, mtls.Accept
	}
	v, err = mtls.NewVerifier(trust, policy, mtls.FileEvidence{CRLSet: mtls.NewCRLSet(lists...), Answers: answers})
	return v, broken, err
}

func (c *certVerifyCommand) trust(env *environment) (*mtls.Trust, error) {
	var intermediates []*x509.Certificate
	if c.Intermediates != "" {
		var err error
		// A broken one can only be missing from a path.
		if intermediates, _, err = certificatesIn(env, c.Intermediates); err != nil {
			return nil, err
		}
	}
	if c.Anchors == "" {
		builtIn, err := mtls.DefaultTrust()
		if err != nil {
			return nil, err
		}
		return mtls.NewTrust(builtIn.Anchors(), append(builtIn.Intermediates(), intermediates...))
	}
	given, broken, err := certificatesIn(env, c.Anchors)
	if err == nil {
		err = errors.Join(broken...)
	}
	if err != nil {
		return nil, err
	}
	anchors, others := mtls.ChooseAnchors(given, mtls.Profile(c.Profile))
	trust, err := mtls.NewTrust(anchors, append(others, intermediates...))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Anchors, err)
	}
	return trust, nil
}

func parsePolicies(texts []string) ([]x509.OID, error) {
	var policies []x509.OID
	for _, text := range texts {
		oid, err := x509.ParseOID(text)
		if err != nil {
			return nil, fmt.Errorf("--policy %s: not an object identifier", text)
		}
		policies = append(policies, oid)
	}
	return policies, nil
}

// heedBroken: a CRL that cannot be read may be the one that revokes. Where its
// absence would be let pass, it is not; where evidence is missing, it says why.
func (c *certVerifyCommand) heedBroken(r *mtls.Refusal, broken []error) *mtls.Refusal {
	if len(broken) == 0 || c.Revocation == string(mtls.RevocationOff) {
		return r
	}
	words := make([]string, len(broken))
	for i, err := range broken {
		words[i] = err.Error()
	}
	detail := "not read: " + strings.Join(words, "; ")
	switch {
	case r == nil && c.Revocation == string(mtls.RevocationIfPresent):
		return &mtls.Refusal{Reason: mtls.RevocationUnavailable, Clause: "RFC 5280 §6.3", Detail: detail, Err: errors.Join(broken...)}
	case r != nil && r.Reason == mtls.RevocationUnavailable:
		with := *r
		with.Detail += "; " + detail
		return &with
	}
	return r
}

func (c *certVerifyCommand) write(env *environment, v mtls.Verdict, at time.Time) error {
	report := reportVerdict(v, at, c.Profile == string(mtls.ProfileAny), c.Explain)
	if c.JSON {
		return writeJSON(env.stdout, report)
	}
	return writeVerdict(env.stdout, report)
}
