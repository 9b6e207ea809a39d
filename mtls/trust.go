package mtls

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// Trust is the certificates a judgement may build on: the anchors, where every
// path must end, and others that may stand in between, sign CRLs, or have
// issued an anchor. It is immutable.
type Trust struct {
	anchors       []*x509.Certificate
	intermediates []*x509.Certificate

	anchorPool       *x509.CertPool
	intermediatePool *x509.CertPool
	bySubject        map[string][]*x509.Certificate // DER name → all of the above
	// anchorIssuers holds, by the anchor's bytes, those of the certificates
	// held that truly signed it: their CRLs can revoke the anchor.
	anchorIssuers map[string][]*x509.Certificate
	written       map[string]string // DER name → FormatName of it, of the anchors
}

// ErrNoAnchors is a set of anchors with nothing in it: such a trust would
// refuse everybody, or worse, be taken for the system's.
var ErrNoAnchors = errors.New("no trust anchors")

// NewTrust refuses an empty set of anchors, and anchors that are not
// certificates of authorities. Certificates given twice count once, and an
// anchor is never also an intermediate.
func NewTrust(anchors, intermediates []*x509.Certificate) (*Trust, error) {
	t := &Trust{
		anchorPool: x509.NewCertPool(), intermediatePool: x509.NewCertPool(),
		bySubject: map[string][]*x509.Certificate{}, anchorIssuers: map[string][]*x509.Certificate{},
		written: map[string]string{},
	}
	for _, anchor := range anchors {
		if anchor == nil || !anchor.BasicConstraintsValid || !anchor.IsCA {
			return nil, fmt.Errorf("trust anchor %s: not the certificate of an authority (RFC 5280 §4.2.1.9)", nameOf(anchor))
		}
		if t.add(anchor) {
			t.anchors = append(t.anchors, anchor)
			t.written[string(anchor.RawSubject)] = nameOf(anchor)
			t.anchorPool.AddCert(anchor)
		}
	}
	if len(t.anchors) == 0 {
		return nil, ErrNoAnchors
	}
	for _, intermediate := range intermediates {
		if intermediate != nil && t.add(intermediate) {
			t.intermediates = append(t.intermediates, intermediate)
			t.intermediatePool.AddCert(intermediate)
		}
	}
	for _, anchor := range t.anchors {
		t.findIssuers(anchor)
	}
	return t, nil
}

func nameOf(c *x509.Certificate) string {
	if c == nil {
		return "(none)"
	}
	return FormatName(c.RawSubject)
}

// add reports whether the certificate is new.
func (t *Trust) add(c *x509.Certificate) bool {
	key := string(c.RawSubject)
	if slices.ContainsFunc(t.bySubject[key], c.Equal) {
		return false
	}
	t.bySubject[key] = append(t.bySubject[key], c)
	return true
}

func (t *Trust) findIssuers(anchor *x509.Certificate) {
	if selfIssued(anchor) {
		return
	}
	for _, candidate := range t.bySubject[string(anchor.RawIssuer)] {
		if anchor.CheckSignatureFrom(candidate) == nil {
			key := string(anchor.Raw)
			t.anchorIssuers[key] = append(t.anchorIssuers[key], candidate)
		}
	}
}

// Anchors returns the trust anchors, in the order they were given.
func (t *Trust) Anchors() []*x509.Certificate { return slices.Clone(t.anchors) }

// Intermediates returns the other certificates held.
func (t *Trust) Intermediates() []*x509.Certificate { return slices.Clone(t.intermediates) }

// Issuers returns those whose CRLs a judgement may ask for: the anchors, the
// intermediates that are authorities, and what issued them.
func (t *Trust) Issuers() []*x509.Certificate {
	issuers := t.Anchors()
	for _, c := range t.intermediates {
		if c.IsCA {
			issuers = append(issuers, c)
		}
	}
	return issuers
}

// HasTest tells whether an anchor belongs to a TEST branch.
func (t *Trust) HasTest() bool {
	return slices.ContainsFunc(t.anchors, func(c *x509.Certificate) bool { return classify(c.Subject).Test })
}

// CheckPersons refuses, for a server that lets persons in, the anchors of the
// IGC-Santé that must not be: roots, ELEMENTAIRE and ORGANISATIONS authorities
// (organisations' certificates carry clientAuth too), and TEST authorities
// unless they are accepted. Authorities outside the IGC-Santé are taken as
// configured.
func (t *Trust) CheckPersons(testAuthorities Leniency) error {
	for _, anchor := range t.anchors {
		class := classify(anchor.Subject)
		switch {
		case class.Test && testAuthorities != Accept:
			return fmt.Errorf("trust anchor %s is a TEST authority: refused in production", nameOf(anchor))
		case class.IGC && !class.issuesCards():
			return fmt.Errorf("trust anchor %s issues no cards of persons: the anchors are FORT PERSONNES and STANDARD PERSONNES", nameOf(anchor))
		}
	}
	return nil
}

// issuersByKey finds the authorities whose name has that NameKey.
func (t *Trust) issuersByKey(key string) []*x509.Certificate {
	for name, certificates := range t.bySubject {
		if NameKey([]byte(name)) == key {
			return certificates
		}
	}
	return nil
}

func (t *Trust) isAnchor(c *x509.Certificate) bool {
	return slices.ContainsFunc(t.anchors, func(a *x509.Certificate) bool { return bytes.Equal(a.Raw, c.Raw) })
}

// ChooseAnchors sorts certificates that somebody put into one folder into
// anchors and others. Where authorities that issue persons' cards are among
// them, the rest of the IGC-Santé (roots, ELEMENTAIRE, ORGANISATIONS) is held
// beside them and not trusted; else, and for ProfileAny, every authority is an
// anchor. What is no authority is left aside.
func ChooseAnchors(certificates []*x509.Certificate, profile Profile) (anchors, others []*x509.Certificate) {
	cards := profile != ProfileAny && slices.ContainsFunc(certificates, func(c *x509.Certificate) bool {
		return c.IsCA && classify(c.Subject).issuesCards()
	})
	for _, c := range certificates {
		class := classify(c.Subject)
		switch {
		case !c.BasicConstraintsValid || !c.IsCA:
		case cards && class.IGC && !class.issuesCards():
			others = append(others, c)
		default:
			anchors = append(anchors, c)
		}
	}
	return anchors, others
}
