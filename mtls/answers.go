package mtls

import (
	"crypto/x509/pkix"
	"errors"
	"slices"
	"time"

	"cpsgate/identity"
)

const clauseOCSP = "RFC 6960 §3.2"

// answer looks for an OCSP answer to the question. The newest that may be taken
// counts; the faults of the others are told, but for those about another
// certificate.
func (j *judgement) answer(q question) (best OCSPAnswer, found bool, faults []fault) {
	source, ok := j.evidence.(OCSPEvidence)
	if !ok {
		return best, false, nil
	}
	asked := OCSPQuestion{Serial: q.serial, Issuer: q.issuer}
	for _, der := range source.OCSPAnswers(q.issuer, q.serial) {
		answer, err := ReadOCSP(der, asked, j.policy.OCSP, j.now)
		switch {
		case errors.Is(err, OCSPOtherCertificate):
			continue
		case err == nil && j.responderRevoked(answer, q):
			err = errors.New("its responder is revoked")
		case err == nil && answer.Status == OCSPUnknown:
			err = errors.New("the responder does not know the certificate")
		}
		if err != nil {
			faults = append(faults, fault{clause: clauseOCSP, why: "OCSP answer: " + err.Error()})
			continue
		}
		if !found || answer.ThisUpdate.After(best.ThisUpdate) {
			best, found = answer, true
		}
	}
	return best, found, faults
}

// responderRevoked: a delegated responder whose certificate does not exempt it
// (id-pkix-ocsp-nocheck, RFC 6960 §4.2.2.2.1) is looked up in its issuer's
// CRLs; whether one whose CRL is missing may be believed is OCSPPolicy's to say.
func (j *judgement) responderRevoked(answer OCSPAnswer, q question) bool {
	responder := answer.Responder
	if responder.Equal(q.issuer) || slices.ContainsFunc(responder.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidOCSPNoCheck) }) {
		return false
	}
	points, err := readPoints(responder)
	if err != nil {
		return true
	}
	lists, _ := j.lists(question{serial: responder.SerialNumber, points: points, issuer: q.issuer, path: q.path})
	return slices.ContainsFunc(lists, func(l evidenceList) bool { _, revoked := l.find(responder.SerialNumber); return revoked })
}

// Questions are those whose OCSP answers would count in judging the certificate
// and are not held: what to ask a responder before Verify, by the policy of
// each issuer. It decides nothing.
func (v *Verifier) Questions(leaf Leaf, now time.Time) []OCSPQuestion {
	unverified, err := leaf.parse()
	if err != nil {
		return nil
	}
	var open []OCSPQuestion
	j := v.begin(now, nil)
	j.open = &open
	j.certificate(ReadClaims(unverified)) //nolint:errcheck // a refusal asks nothing more
	return open
}

// StoredQuestions are those of Recheck, as Questions are those of Verify.
func (v *Verifier) StoredQuestions(stored identity.Certificate, now time.Time) []OCSPQuestion {
	var open []OCSPQuestion
	j := v.begin(now, nil)
	j.open = &open
	j.stored(stored) //nolint:errcheck // a refusal asks nothing more
	return open
}
