package mtls

import (
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// ErrUnchanged is a CRL that is held already.
var ErrUnchanged = errors.New("this CRL is already in force")

// acceptable decides whether a CRL signed by issuer may replace the one before.
func (r *Refresher) acceptable(list *CRL, issuer *x509.Certificate, before, complete *heldCRL) error {
	if err := understood(list, issuer); err != nil {
		return err
	}
	if now := r.options.Now(); list.ThisUpdate.After(now.Add(r.options.ClockSkew)) {
		return crlFault(CRLNotYet, 0, "thisUpdate is %s", list.ThisUpdate.Format(time.RFC3339))
	}
	if before != nil {
		if err := supersedes(list, before.list); err != nil {
			return err
		}
	}
	if list.IsDelta() {
		return fits(list, complete)
	}
	return nil
}

// understood: by its issuer's current key, and of a kind a Verifier can use
// (RFC 5280 §5.2, §5.3, §6.3.3).
func understood(list *CRL, issuer *x509.Certificate) error {
	point := list.IssuingDistributionPoint
	switch {
	case list.AuthorityKeyID != nil && len(issuer.SubjectKeyId) > 0 && !slices.Equal(list.AuthorityKeyID, issuer.SubjectKeyId):
		return crlFault(CRLOtherIssuer, 0, "it names key %x", list.AuthorityKeyID)
	case len(list.UnknownCritical) > 0:
		return crlFault(CRLUnsupportedExtension, 0, "%s", list.UnknownCritical[0])
	case len(list.UnknownCriticalEntry) > 0:
		return crlFault(CRLUnsupportedExtension, 0, "%s, of an entry", list.UnknownCriticalEntry[0])
	case point != nil && point.Indirect, list.CertificateIssuer:
		return crlFault(CRLUnsupportedScope, 0, "an indirect CRL")
	case point != nil && point.OnlySomeReasons:
		return crlFault(CRLUnsupportedScope, 0, "split by reason")
	case list.NextUpdate.IsZero():
		return crlFault(CRLStale, 0, "it has no nextUpdate (§5.1.2.5)")
	}
	return nil
}

// supersedes: a higher number (§5.2.3), and not issued earlier. Numbers never
// go back; who lets them has lost entries.
func supersedes(list, before *CRL) error {
	if list.Number != nil && before.Number != nil {
		switch order := list.Number.Cmp(before.Number); {
		case order < 0:
			return crlFault(CRLOlder, 0, "number %s, %s is in force", list.Number, before.Number)
		case order == 0 && list.ThisUpdate.Equal(before.ThisUpdate):
			return ErrUnchanged
		case order == 0:
			return crlFault(CRLOlder, 0, "number %s again, with another thisUpdate", list.Number)
		}
	} else if before.Number != nil {
		return crlFault(CRLOlder, 0, "it has no number, %s is in force", before.Number)
	}
	switch {
	case list.ThisUpdate.Equal(before.ThisUpdate) && list.Number == nil:
		return ErrUnchanged
	case list.ThisUpdate.Before(before.ThisUpdate):
		return crlFault(CRLOlder, 0, "of %s, that of %s is in force", list.ThisUpdate.Format(time.RFC3339), before.ThisUpdate.Format(time.RFC3339))
	}
	return nil
}

// fits: a delta is of use only upon a complete CRL that is at least its base
// (§5.2.4 (c)). One that is not must not take the place of one that is.
func fits(delta *CRL, complete *heldCRL) error {
	switch {
	case complete == nil:
		return crlFault(CRLDeltaMismatch, 0, "no complete CRL is held")
	case complete.list.Number == nil || delta.Number == nil:
		return crlFault(CRLDeltaMismatch, 0, "delta and complete CRL must be numbered")
	case complete.list.Number.Cmp(delta.BaseNumber) < 0:
		return crlFault(CRLDeltaMismatch, 0, "its base is %s, %s is held", delta.BaseNumber, complete.list.Number)
	}
	return nil
}
