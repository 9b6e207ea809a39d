package mtls

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
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

	responders []string // that the certificate names
	remembered bool     // by issuer and serial: its points and responders are not known
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
	q := question{authority: authority, serial: c.SerialNumber, ca: c.IsCA, points: points, issuer: above[0], path: above, responders: c.OCSPServer}
	if err != nil {
		r := refuse(Malformed, "RFC 5280 §4.2.1.13", q.String()+": "+err.Error())
		r.Err = err
		return j.refused(ruleRevocation, r)
	}
	return j.status(q)
}

// status answers a question by the policy of the issuer it is about.
func (j *judgement) status(q question) *Refusal {
	rule := j.policy.RevocationFor(q.issuer.RawSubject)
	if rule.Mode == RevocationOff {
		j.allow(AllowedUnchecked)
		j.holds(ruleRevocation, clauseRevocation, "%s: not looked at, revocation is off for %s", q, named{q.issuer})
		return nil
	}
	usable, faults, revoked := j.byCRL(q, rule)
	if revoked != nil {
		revoked.authority = q.authority
		return j.refused(ruleRevocation, revoked)
	}
	if rule.OCSP == OCSPAlways || rule.OCSP == OCSPIfCRLUnavailable && !usable {
		good, more, revoked := j.byOCSP(q)
		if revoked != nil {
			revoked.authority = q.authority
			return j.refused(ruleRevocation, revoked)
		}
		usable = usable || good
		faults = append(faults, more...)
	}
	if usable {
		return nil
	}
	return j.unknown(q, rule, faults)
}

// own: signed by the very certificate that issued the one in question. While
// such a list is held, those of other keys under the issuer's name may revoke,
// and tell of nobody that they are good: they may be about what those keys
// signed.
func (q question) own(list evidenceList) bool { return list.signer.Equal(q.issuer) }

// byCRL: usable means that a list which may be used does not hold the serial.
func (j *judgement) byCRL(q question, rule RevocationPolicy) (usable bool, faults []fault, revoked *Refusal) {
	lists, faults := j.lists(q)
	own := slices.ContainsFunc(lists, q.own)
	for _, list := range lists {
		j.explainList(q, list)
		if entry, found := list.find(q.serial); found {
			return false, nil, revokedBy(q, entry, list)
		}
		if list.unsure {
			faults = append(faults, fault{list.complete, clauseScope, "it is for one distribution point, and those of the certificate are not remembered"})
			continue
		}
		if own && !q.own(list) {
			continue
		}
		until, bounded := rule.usableUntil(list.nextUpdate())
		if bounded && j.now.After(until) {
			faults = append(faults, fault{list.complete, clauseFresh, "its nextUpdate was " + list.nextUpdate().Format(time.RFC3339)})
			continue
		}
		stale := ""
		if j.now.After(list.nextUpdate()) {
			j.allow(AllowedStale)
			stale = ", which is stale: the policy accepts it"
		}
		j.holds(ruleRevocation, clauseEntry, "%s is not in %s%s", q, list, stale)
		usable = true
	}
	return usable, faults, nil
}

func revokedBy(q question, entry RevokedEntry, list evidenceList) *Refusal {
	return refuse(Revoked, clauseEntry, fmt.Sprintf("%s is revoked: %s, %s, by %s", q, entry.Reason, entry.Date.Format(time.DateOnly), list))
}

// byOCSP is the same of the answers held.
func (j *judgement) byOCSP(q question) (good bool, faults []fault, revoked *Refusal) {
	answer, found, faults := j.answer(q)
	switch {
	case !found && j.open != nil:
		*j.open = append(*j.open, OCSPQuestion{Serial: q.serial, Issuer: q.issuer, Responders: q.responders, Remembered: q.remembered})
		return true, nil, nil // to be asked about what comes after, too
	case !found:
		return false, faults, nil
	case answer.Status == OCSPRevoked:
		return false, nil, refuse(Revoked, clauseOCSP, fmt.Sprintf("%s is revoked: %s, %s, by the OCSP answer of %s",
			q, answer.Reason, answer.RevokedAt.Format(time.DateOnly), nameOf(answer.Responder)))
	}
	j.holds(ruleRevocation, clauseOCSP, "%s is good by the OCSP answer of %s, %s", q, named{answer.Responder}, answer.ThisUpdate.Format(time.RFC3339))
	return true, faults, nil
}

// unknown is what becomes of a certificate whose status nothing held can tell.
func (j *judgement) unknown(q question, rule RevocationPolicy, faults []fault) *Refusal {
	held := false
	for _, f := range faults {
		held = held || f.clause != clauseScope
	}
	switch {
	case rule.Mode == RevocationIfPresent && !held:
		j.allow(AllowedUnknown)
		j.holds(ruleRevocation, clauseRevocation, "%s: no CRL of %s is held and none is required", q, named{q.issuer})
		return nil
	case j.now.Before(j.bypassedUntil(q)):
		j.allow(AllowedByBypass)
		j.holds(ruleRevocation, clauseRevocation, "%s: not known, bypassed until %s", q, j.bypassedUntil(q).UTC().Format(time.RFC3339))
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

func (j *judgement) bypassedUntil(q question) time.Time {
	if evidence, ok := j.evidence.(BypassEvidence); ok {
		return evidence.BypassedUntil(q.issuer.RawSubject)
	}
	return time.Time{}
}

// fault is why a CRL that is held, or an answer, is no evidence.
type fault struct {
	list   *CRL // nil: an OCSP answer
	clause string
	why    string
}

func (f fault) String() string {
	if f.list == nil {
		return f.why
	}
	return describe(f.list) + ": " + f.why
}

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
