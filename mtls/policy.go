package mtls

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Profile is what a certificate must be beside valid.
type Profile string

// The profiles.
const (
	// ProfileCPS: the authentication certificate of a person's card, in full.
	ProfileCPS Profile = "cps"
	// ProfileAny: any valid certificate. It names nobody: the cardholder that
	// comes with it is what the certificate says, and not a card's holder.
	ProfileAny Profile = "any"
)

// Leniency says whether something doubtful is let through. Each use is a named
// field of Policy; the zero value refuses.
type Leniency string

// The leniencies.
const (
	Refuse Leniency = ""
	Accept Leniency = "accept"
)

// RevocationMode says what must be known about revocation.
type RevocationMode string

// The modes. The zero value of a policy is RevocationRequired.
const (
	RevocationRequired  RevocationMode = "required"   // no evidence, no entry
	RevocationIfPresent RevocationMode = "if-present" // evidence held is heeded, none is needed
	RevocationOff       RevocationMode = "off"        // not looked at
)

// StaleMode says what a CRL past its nextUpdate is worth.
type StaleMode string

// The modes. The zero value of a policy is StaleRefuse. A stale CRL that names
// the certificate refuses it in every mode.
const (
	StaleRefuse StaleMode = "refuse"
	StaleGrace  StaleMode = "grace"  // good for Grace after nextUpdate
	StaleAccept StaleMode = "accept" // good for ever
)

// OCSPUse says when OCSP answers count beside CRLs.
type OCSPUse string

// The uses. The zero value of a policy is OCSPNever. Whoever is revoked by one
// of the two is refused in every case but OCSPNever.
const (
	OCSPNever            OCSPUse = "never"
	OCSPIfCRLUnavailable OCSPUse = "if-crl-unavailable" // only where no CRL can tell
	OCSPAlways           OCSPUse = "always"             // at each judgement; CRLs tell where no answer came
)

// RevocationPolicy holds for the certificates that one CA issued.
type RevocationPolicy struct {
	Mode  RevocationMode // "" = required
	Stale StaleMode      // "" = refuse
	Grace time.Duration  // with StaleGrace
	OCSP  OCSPUse        // "" = never
}

// Policy is what the house asks of certificates. The zero value is the
// strictest: cards of persons, none of TEST, known identifiers, revocation
// required.
type Policy struct {
	Profile Profile // "" = cps
	// TestCards: cards and authorities of the TEST branch.
	TestCards Leniency
	// UnknownIdentifiers: PS_IdNat of an undocumented form. A known form with a
	// wrong key is the authority's business, which signed it: it is let
	// through, and Check of the identifier flags it.
	UnknownIdentifiers Leniency
	// Revocation holds for every CA that PerIssuer does not name.
	Revocation RevocationPolicy
	// PerIssuer is keyed by NameKey of the issuing CA's name.
	PerIssuer map[string]RevocationPolicy
	// ClockSkew is how far in the future a CRL's thisUpdate may lie.
	ClockSkew time.Duration
	// OCSP says what an answer must be.
	OCSP OCSPPolicy
	// Strength of keys and signatures; the zero value is the current one.
	Strength Strength
	// Certificates are the policy inputs of path validation.
	Certificates CertificatePolicies
}

// CertificatePolicies is the user's part of policy processing (RFC 5280
// §6.1.1 (c), (e), (f), (g)).
type CertificatePolicies struct {
	// Required: the path must be valid for one of these policies; anyPolicy
	// asks for any policy at all. Empty asks for none.
	Required []x509.OID
	// Acceptable is the initial policy set without the demand that a policy
	// be there, unless a certificate of the path demands it.
	Acceptable     []x509.OID
	InhibitMapping bool
	InhibitAny     bool
}

// check refuses a policy that says nothing sensible.
func (p Policy) check() error {
	if p.Profile != "" && p.Profile != ProfileCPS && p.Profile != ProfileAny {
		return fmt.Errorf("profile %q is none of cps, any", p.Profile)
	}
	for _, leniency := range []Leniency{p.TestCards, p.UnknownIdentifiers} {
		if leniency != Refuse && leniency != Accept {
			return fmt.Errorf("leniency %q is not accept", leniency)
		}
	}
	if p.ClockSkew < 0 {
		return errors.New("clock skew is negative")
	}
	if len(p.Certificates.Required) > 0 && len(p.Certificates.Acceptable) > 0 {
		return errors.New("certificate policies are both required and merely acceptable")
	}
	if err := p.Revocation.check(); err != nil {
		return err
	}
	for issuer, rule := range p.PerIssuer {
		if err := rule.check(); err != nil {
			return fmt.Errorf("issuer %s: %w", issuer, err)
		}
	}
	return p.Strength.check()
}

func (r RevocationPolicy) check() error {
	switch r.Mode {
	case "", RevocationRequired, RevocationIfPresent, RevocationOff:
	default:
		return fmt.Errorf("revocation %q is none of required, if-present, off", r.Mode)
	}
	switch r.OCSP {
	case "", OCSPNever, OCSPIfCRLUnavailable, OCSPAlways:
	default:
		return fmt.Errorf("OCSP %q is none of never, if-crl-unavailable, always", r.OCSP)
	}
	switch r.Stale {
	case "", StaleRefuse, StaleAccept:
		if r.Grace != 0 {
			return errors.New("a grace period is given, but stale is not grace")
		}
	case StaleGrace:
		if r.Grace <= 0 {
			return errors.New("stale is grace, but its period is not positive")
		}
	default:
		return fmt.Errorf("stale %q is none of refuse, grace, accept", r.Stale)
	}
	return nil
}

// RevocationFor is the policy for what the issuer of that name (DER) issued,
// with nothing left to a default.
func (p Policy) RevocationFor(issuerName []byte) RevocationPolicy {
	rule, found := p.PerIssuer[NameKey(issuerName)]
	if !found {
		rule = p.Revocation
	}
	if rule.Mode == "" {
		rule.Mode = RevocationRequired
	}
	rule.Stale, rule.OCSP = cmp.Or(rule.Stale, StaleRefuse), cmp.Or(rule.OCSP, OCSPNever)
	return rule
}

// UsesOCSP tells whether a rule of the policy lets OCSP answers count.
func (p Policy) UsesOCSP() bool {
	uses := func(r RevocationPolicy) bool { return r.OCSP != "" && r.OCSP != OCSPNever }
	for _, rule := range p.PerIssuer {
		if uses(rule) {
			return true
		}
	}
	return uses(p.Revocation)
}

// usableUntil is when evidence with that nextUpdate stops being worth
// anything; false: never.
func (r RevocationPolicy) usableUntil(nextUpdate time.Time) (time.Time, bool) {
	switch r.Stale {
	case StaleAccept:
		return time.Time{}, false
	case StaleGrace:
		return nextUpdate.Add(r.Grace), true
	}
	return nextUpdate, true
}
