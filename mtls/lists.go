package mtls

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"time"
)

// evidenceList is a complete CRL that may be used, with the newest delta that
// fits it, or none.
type evidenceList struct {
	complete *CRL
	signer   *x509.Certificate
	delta    *CRL
	// stale is the newest delta that fits and is past its nextUpdate, unless
	// delta is newer. It revokes and does nothing else: who was revoked does
	// not become good by the passing of time.
	stale *CRL
	// unsure: it may be about other certificates of its issuer than the one in
	// question, whose distribution points are not known. It revokes and does
	// nothing else: a serial is given once by an issuer.
	unsure bool
}

func (l evidenceList) String() string {
	words := describe(l.complete)
	if l.delta != nil {
		words += " with " + describe(l.delta)
	}
	if l.stale != nil {
		words += " with " + describe(l.stale) + ", which is stale"
	}
	return words
}

// find is §6.3.3 (i), (j): the delta first; removeFromCRL takes an entry of
// the base back.
func (l evidenceList) find(serial *big.Int) (RevokedEntry, bool) {
	if l.stale != nil {
		if entry, found := l.stale.Find(serial); found && entry.Reason != ReasonRemoveFromCRL {
			return entry, true
		}
	}
	if l.delta != nil {
		if entry, found := l.delta.Find(serial); found {
			return entry, entry.Reason != ReasonRemoveFromCRL
		}
	}
	return l.complete.Find(serial)
}

// nextUpdate: base and delta together are as fresh as the delta (§5.2.4).
func (l evidenceList) nextUpdate() time.Time {
	if l.delta != nil && l.delta.NextUpdate.After(l.complete.NextUpdate) {
		return l.delta.NextUpdate
	}
	return l.complete.NextUpdate
}

// lists are the lists that may answer the question, the newest of each scope,
// stale ones included; and what is wrong with the others.
func (j *judgement) lists(q question) ([]evidenceList, []fault) {
	held := j.evidence.CRLs(q.issuer.RawSubject)
	var found []evidenceList
	var faults []fault
	for _, c := range held {
		if c.IsDelta() {
			continue
		}
		list, wrong := j.usable(c, q)
		if wrong != nil {
			faults = append(faults, *wrong)
			continue
		}
		found = keepNewest(found, list)
	}
	for i := range found {
		faults = append(faults, j.addDelta(&found[i], held)...)
	}
	if len(found) == 0 && len(faults) == 0 && len(held) > 0 {
		faults = append(faults, fault{held[0], "RFC 5280 §5.2.4", "it is a delta and its base is not held"})
	}
	return found, faults
}

// keepNewest: lists of two keys that bear one name are numbered apart, so both
// count.
func keepNewest(found []evidenceList, list evidenceList) []evidenceList {
	for i := range found {
		if found[i].signer.Equal(list.signer) && sameScope(found[i].complete, list.complete) {
			if newer(list.complete, found[i].complete) {
				found[i] = list
			}
			return found
		}
	}
	return append(found, list)
}

// usable checks everything about a list but whether it is stale, and finds who
// signed it.
func (j *judgement) usable(c *CRL, q question) (evidenceList, *fault) {
	ok, unsure, why := q.inScope(c)
	if !ok {
		return evidenceList{}, &fault{c, clauseScope, why}
	}
	if f := j.sound(c); f != nil {
		return evidenceList{}, f
	}
	signer, err := j.signer(c, q)
	if err != nil {
		return evidenceList{}, &fault{c, clauseSigner, err.Error()}
	}
	return evidenceList{complete: c, signer: signer, unsure: unsure}, nil
}

// sound: nothing in the list that is not understood, and it is not from the
// future.
func (j *judgement) sound(c *CRL) *fault {
	switch {
	case len(c.UnknownCritical) > 0:
		return &fault{c, clauseCritical, fmt.Sprintf("unknown critical extension %s", c.UnknownCritical[0])}
	case len(c.UnknownCriticalEntry) > 0:
		return &fault{c, clauseCritical, fmt.Sprintf("unknown critical entry extension %s", c.UnknownCriticalEntry[0])}
	case c.CertificateIssuer:
		return &fault{c, clauseScope, "indirect CRLs are not supported"}
	case c.ThisUpdate.After(j.now.Add(j.policy.ClockSkew)):
		return &fault{c, clauseFresh, "its thisUpdate is in the future"}
	case c.NextUpdate.IsZero():
		return &fault{c, clauseFresh, "it has no nextUpdate"}
	}
	return nil
}

// addDelta picks the newest delta that fits the base (RFC 5280 §5.2.4,
// §6.3.3 (c), (h)), and the newest of those that are stale.
func (j *judgement) addDelta(list *evidenceList, held []*CRL) []fault {
	var faults []fault
	for _, d := range held {
		if !d.IsDelta() || !sameScope(d, list.complete) {
			continue
		}
		if why := j.deltaFits(d, *list); why != nil {
			faults = append(faults, *why)
			continue
		}
		place := &list.delta
		if j.now.After(d.NextUpdate) {
			faults = append(faults, fault{d, clauseFresh, "its nextUpdate was " + d.NextUpdate.Format(time.RFC3339)})
			place = &list.stale
		}
		if *place == nil || newer(d, *place) {
			*place = d
		}
	}
	if list.delta != nil && list.stale != nil && newer(list.delta, list.stale) {
		list.stale = nil
	}
	return faults
}

// deltaFits checks everything about a delta but whether it is stale.
func (j *judgement) deltaFits(d *CRL, list evidenceList) *fault {
	base := list.complete
	switch {
	case base.Number == nil || d.Number == nil || base.Number.Cmp(d.BaseNumber) < 0:
		return &fault{d, "RFC 5280 §5.2.4 (c)", "its base is newer than the complete CRL"}
	case base.Number.Cmp(d.Number) >= 0:
		return &fault{d, "RFC 5280 §5.2.4 (d)", "it is older than the complete CRL"}
	case !sameAuthorityKey(d, base):
		return &fault{d, "RFC 5280 §6.3.3 (c)(3)", "it names another key than the complete CRL"}
	}
	if f := j.sound(d); f != nil {
		return f
	}
	if err := j.signatures.check(d, list.signer); err != nil {
		return &fault{d, "RFC 5280 §6.3.3 (h)", err.Error()}
	}
	return nil
}
