package mtls

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"strings"
	"time"
)

const ruleRevocation = "not revoked"

// The clauses of revocation checking.
const (
	clauseRevocation = "RFC 5280 §6.3"
	clauseScope      = "RFC 5280 §6.3.3 (b)"
	clauseSigner     = "RFC 5280 §6.3.3 (f), (g)"
	clauseFresh      = "RFC 5280 §5.1.2.4, §5.1.2.5"
	clauseCritical   = "RFC 5280 §5.2, §5.3"
	clauseEntry      = "RFC 5280 §6.3.3 (i), (j)"
)

// question asks whether one certificate is revoked. It is asked of a serial
// under an issuer, so that a remembered certificate can be asked about too.
type question struct {
	authority *x509.Certificate // whom it is about; nil: the leaf
	serial    *big.Int
	ca        bool
	points    []distributionPoint
	issuer    *x509.Certificate
	path      path // from the issuer to the anchor
}

// String names who is asked about.
func (q question) String() string {
	if q.authority == nil {
		return "the certificate"
	}
	return "authority " + nameOf(q.authority)
}

// revocation asks about the leaf and about every authority of its path.
func (j *judgement) revocation(p path) *Refusal {
	if r := j.ask(p[0], nil, p[1:]); r != nil {
		return r
	}
	return j.authorities(p[1:])
}

// authorities asks about the authorities of a path. The anchor is asked about
// when a certificate is held that truly issued it: its issuer's CRL is then at
// hand too, and ANS wants the issuing CA checked. Of other anchors nobody can
// tell (RFC 5280 §6.1: an anchor is trusted as such).
func (j *judgement) authorities(p path) *Refusal {
	for i := range len(p) - 1 {
		if r := j.ask(p[i], p[i], p[i+1:]); r != nil {
			return r
		}
	}
	anchor := p.anchor()
	issuers := j.trust.anchorIssuers[string(anchor.Raw)]
	var last *Refusal
	for _, issuer := range issuers {
		if err := validAt(issuer, j.now); err != nil {
			last = untrusted(err)
			continue
		}
		if last = j.ask(anchor, anchor, path{issuer}); last == nil {
			return nil
		}
	}
	if len(issuers) == 0 {
		j.holds("revocation of the anchor", "RFC 5280 §6.1", "%s is trusted as it is: what issued it is not held", named{anchor})
	}
	return last
}

// ask asks about c, issued by the first of above; authority is c unless c is
// the leaf.
func (j *judgement) ask(c, authority *x509.Certificate, above path) *Refusal {
	points, err := readPoints(c)
	q := question{authority: authority, serial: c.SerialNumber, ca: c.IsCA, points: points, issuer: above[0], path: above}
	if err != nil {
		r := refuse(Malformed, "RFC 5280 §4.2.1.13", q.String()+": "+err.Error())
		r.Err = err
		return j.refused(ruleRevocation, r)
	}
	return j.status(q)
}

// status answers a question by the policy of the issuer it is about.
func (j *judgement) status(q question) *Refusal {
	rule := j.policy.revocationFor(q.issuer.RawSubject)
	if rule.Mode == RevocationOff {
		j.holds(ruleRevocation, clauseRevocation, "%s: not looked at, revocation is off for %s", q, named{q.issuer})
		return nil
	}
	lists, faults := j.lists(q)
	usable := false
	for _, list := range lists {
		if entry, found := list.find(q.serial); found {
			return j.refused(ruleRevocation, refuse(Revoked, clauseEntry, fmt.Sprintf("%s is revoked: %s, %s, by %s",
				q, entry.Reason, entry.Date.Format(time.DateOnly), list)))
		}
		until, bounded := rule.usableUntil(list.nextUpdate())
		if bounded && j.now.After(until) {
			faults = append(faults, fault{list.complete, clauseFresh, "its nextUpdate was " + list.nextUpdate().Format(time.RFC3339)})
			continue
		}
		j.holds(ruleRevocation, clauseEntry, "%s is not in %s%s", q, list, j.lenience(list))
		usable = true
	}
	if usable {
		return nil
	}
	return j.unknown(q, rule, faults)
}

// lenience says in the reasoning that a stale list was let pass.
func (j *judgement) lenience(list evidenceList) string {
	if j.now.After(list.nextUpdate()) {
		return ", which is stale: the policy accepts it"
	}
	return ""
}

// unknown is what becomes of a certificate whose status nothing held can tell.
func (j *judgement) unknown(q question, rule RevocationPolicy, faults []fault) *Refusal {
	held := false
	for _, f := range faults {
		held = held || f.clause != clauseScope
	}
	switch {
	case rule.Mode == RevocationIfPresent && !held:
		j.holds(ruleRevocation, clauseRevocation, "%s: no CRL of %s is held and none is required", q, named{q.issuer})
		return nil
	case j.now.Before(rule.BypassUntil):
		j.holds(ruleRevocation, clauseRevocation, "%s: not known, bypassed until %s", q, rule.BypassUntil.UTC().Format(time.RFC3339))
		return nil
	}
	clause, detail := clauseRevocation, "no CRL of "+nameOf(q.issuer)+" is held"
	if len(faults) > 0 {
		clause = faults[0].clause
		words := make([]string, len(faults))
		for i, f := range faults {
			words[i] = f.String()
		}
		detail = strings.Join(words, "; ")
	}
	return j.refused(ruleRevocation, refuse(RevocationUnavailable, clause, q.String()+": "+detail))
}

// fault is why a CRL that is held is no evidence.
type fault struct {
	list   *CRL
	clause string
	why    string
}

func (f fault) String() string { return describe(f.list) + ": " + f.why }

func describe(c *CRL) string {
	kind := "CRL"
	if c.IsDelta() {
		kind = "delta CRL"
	}
	number := ""
	if c.Number != nil {
		number = " " + c.Number.String()
	}
	return fmt.Sprintf("%s%s of %s (%s)", kind, number, FormatName(c.Issuer), c.ThisUpdate.Format(time.RFC3339))
}

// evidenceList is a complete CRL that may be used, with the newest delta that
// fits it, or none.
type evidenceList struct {
	complete *CRL
	signer   *x509.Certificate
	delta    *CRL
}

func (l evidenceList) String() string {
	if l.delta == nil {
		return describe(l.complete)
	}
	return describe(l.complete) + " with " + describe(l.delta)
}

// find is §6.3.3 (i), (j): the delta first; removeFromCRL takes an entry of
// the base back.
func (l evidenceList) find(serial *big.Int) (RevokedEntry, bool) {
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
		signer, wrong := j.usable(c, q)
		if wrong != nil {
			faults = append(faults, *wrong)
			continue
		}
		found = keepNewest(found, evidenceList{complete: c, signer: signer})
	}
	for i := range found {
		faults = append(faults, j.addDelta(&found[i], held)...)
	}
	if len(found) == 0 && len(faults) == 0 && len(held) > 0 {
		faults = append(faults, fault{held[0], "RFC 5280 §5.2.4", "it is a delta and its base is not held"})
	}
	return found, faults
}

func keepNewest(found []evidenceList, list evidenceList) []evidenceList {
	for i := range found {
		if sameScope(found[i].complete, list.complete) {
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
func (j *judgement) usable(c *CRL, q question) (*x509.Certificate, *fault) {
	if ok, why := q.inScope(c); !ok {
		return nil, &fault{c, clauseScope, why}
	}
	if f := j.sound(c); f != nil {
		return nil, f
	}
	signer, err := j.signer(c, q)
	if err != nil {
		return nil, &fault{c, clauseSigner, err.Error()}
	}
	return signer, nil
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
// §6.3.3 (c), (h)).
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
		if list.delta == nil || newer(d, list.delta) {
			list.delta = d
		}
	}
	return faults
}

func (j *judgement) deltaFits(d *CRL, list evidenceList) *fault {
	base := list.complete
	switch {
	case base.Number == nil || d.Number == nil || base.Number.Cmp(d.BaseNumber) < 0:
		return &fault{d, "RFC 5280 §5.2.4 (c)", "its base is newer than the complete CRL"}
	case base.Number.Cmp(d.Number) >= 0:
		return &fault{d, "RFC 5280 §5.2.4 (d)", "it is older than the complete CRL"}
	case !sameAuthorityKey(d, base):
		return &fault{d, "RFC 5280 §6.3.3 (c)(3)", "it names another key than the complete CRL"}
	case j.now.After(d.NextUpdate):
		return &fault{d, clauseFresh, "its nextUpdate was " + d.NextUpdate.Format(time.RFC3339)}
	}
	if f := j.sound(d); f != nil {
		return f
	}
	if err := j.signatures.check(d, list.signer); err != nil {
		return &fault{d, "RFC 5280 §6.3.3 (h)", err.Error()}
	}
	return nil
}
