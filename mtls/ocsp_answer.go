package mtls

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // as in ocsp.go
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"
)

// ReadOCSP judges an OCSP response as the answer to q: who signed it, whether it
// is about that certificate, this question and this time (RFC 6960 §3.2). A
// revoked certificate is an answer and no error; every error is an *OCSPError.
func ReadOCSP(der []byte, q OCSPQuestion, policy OCSPPolicy, now time.Time) (OCSPAnswer, error) {
	if len(der) > maxOCSPBytes {
		return OCSPAnswer{}, ocspFault(OCSPMalformed, "%d octets", len(der))
	}
	response, err := ocsp.ParseResponse(der, nil)
	if err != nil {
		return OCSPAnswer{}, parseFault(err)
	}
	// The library checks no more of the CertID than the serial, and reads no
	// extensions of the response.
	data, err := readResponseData(response.TBSResponseData)
	if err != nil {
		return OCSPAnswer{}, err
	}
	responder, err := signerOf(response, q.Issuer, policy, now)
	if err != nil {
		return OCSPAnswer{}, err
	}
	if err := namesResponder(response, responder); err != nil {
		return OCSPAnswer{}, err
	}
	if err := data.answers(q, policy.Nonce); err != nil {
		return OCSPAnswer{}, err
	}
	if err := policy.fresh(response, now); err != nil {
		return OCSPAnswer{}, err
	}
	return answerOf(response, responder), nil
}

// parseFault maps the library's errors to ours.
func parseFault(err error) error {
	var refused ocsp.ResponseError
	if errors.As(err, &refused) {
		return ocspFault(OCSPResponderError, "%s", refused.Status)
	}
	return &OCSPError{Fault: OCSPMalformed, Err: err}
}

func answerOf(response *ocsp.Response, responder *x509.Certificate) OCSPAnswer {
	answer := OCSPAnswer{
		Status: OCSPUnknown, ProducedAt: response.ProducedAt.UTC(), ThisUpdate: response.ThisUpdate.UTC(),
		NextUpdate: response.NextUpdate.UTC(), Responder: responder,
	}
	switch response.Status {
	case ocsp.Good:
		answer.Status = OCSPGood
	case ocsp.Revoked:
		answer.Status, answer.RevokedAt = OCSPRevoked, response.RevokedAt.UTC()
		answer.Reason = reasonOfCode(int64(response.RevocationReason))
	}
	return answer
}

// fresh is RFC 6960 §3.2 (5), (6) and §4.2.2.1.
func (p OCSPPolicy) fresh(response *ocsp.Response, now time.Time) error {
	skew := orDefault(p.ClockSkew, DefaultOCSPSkew)
	switch maxAge := orDefault(p.MaxAge, DefaultOCSPAge); {
	case response.ThisUpdate.After(now.Add(skew)):
		return ocspFault(OCSPNotYet, "thisUpdate is %s", response.ThisUpdate.UTC().Format(time.RFC3339))
	case now.After(response.ThisUpdate.Add(maxAge + skew)):
		return ocspFault(OCSPStale, "thisUpdate is %s, at most %s are allowed", response.ThisUpdate.UTC().Format(time.RFC3339), maxAge)
	case !response.NextUpdate.IsZero() && now.After(response.NextUpdate.Add(skew)):
		return ocspFault(OCSPStale, "nextUpdate was %s", response.NextUpdate.UTC().Format(time.RFC3339))
	}
	return nil
}

// signerOf finds who signed, and whether they may: the issuer itself, or whom
// the issuer delegated (RFC 6960 §4.2.2.2). ParseResponse has verified the
// signature by the certificate that came with the answer, if one did.
func signerOf(response *ocsp.Response, issuer *x509.Certificate, policy OCSPPolicy, now time.Time) (*x509.Certificate, error) {
	signer := response.Certificate
	if signer == nil {
		signer = issuer
		if err := response.CheckSignatureFrom(issuer); err != nil {
			return nil, &OCSPError{Fault: OCSPSignature, Err: err}
		}
	}
	if err := policy.Strength.key(signer.PublicKey); err != nil {
		return nil, &OCSPError{Fault: OCSPWeak, Err: err}
	}
	if err := signatureStrength(response.SignatureAlgorithm); err != nil {
		return nil, &OCSPError{Fault: OCSPWeak, Err: err}
	}
	if bytes.Equal(signer.RawSubjectPublicKeyInfo, issuer.RawSubjectPublicKeyInfo) && bytes.Equal(signer.RawSubject, issuer.RawSubject) {
		return signer, nil
	}
	if why := delegated(signer, issuer, policy, now); why != nil {
		return nil, &OCSPError{Fault: OCSPResponder, Detail: nameOf(signer), Err: why}
	}
	return signer, nil
}

var oidOCSPNoCheck = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}

// delegated: issued directly by the issuer, for signing OCSP answers and by that
// very purpose (anyExtendedKeyUsage is not enough), and valid now.
func delegated(signer, issuer *x509.Certificate, policy OCSPPolicy, now time.Time) error {
	noCheck := slices.ContainsFunc(signer.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidOCSPNoCheck) })
	const signs = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	switch {
	case !bytes.Equal(signer.RawIssuer, issuer.RawSubject):
		return errors.New("another authority issued its certificate")
	case !slices.Contains(signer.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("its certificate is not for signing OCSP answers")
	case signer.KeyUsage != 0 && signer.KeyUsage&signs == 0:
		return errors.New("its certificate is not for signing")
	case len(signer.UnhandledCriticalExtensions) > 0:
		return errors.New("its certificate has a critical extension that is not understood")
	case !noCheck && policy.UncheckedResponders != Accept:
		return errors.New("its certificate lacks id-pkix-ocsp-nocheck")
	}
	if err := validAt(signer, now); err != nil {
		return err
	}
	if err := policy.Strength.refuses(signer, false); err != nil {
		return err
	}
	return signer.CheckSignatureFrom(issuer)
}

// responseData is what the library leaves unread of ResponseData.
type responseData struct {
	id    cryptobyte.String // CertID of the one answer
	nonce cryptobyte.String // content of the extension's OCTET STRING
}

func readResponseData(tbs []byte) (d responseData, err error) {
	malformed := ocspFault(OCSPMalformed, "response data")
	content, ok := onlySequence(tbs)
	var responder, answers, single, extensions cryptobyte.String
	var tag cbasn1.Tag
	var extended bool
	if !ok || !content.SkipOptionalASN1(contextTag(0).Constructed()) || !content.ReadAnyASN1(&responder, &tag) ||
		!content.SkipASN1(cbasn1.GeneralizedTime) || !content.ReadASN1(&answers, cbasn1.SEQUENCE) ||
		!content.ReadOptionalASN1(&extensions, &extended, contextTag(1).Constructed()) || !content.Empty() {
		return d, malformed
	}
	if !answers.ReadASN1(&single, cbasn1.SEQUENCE) || !answers.Empty() || !single.ReadASN1(&d.id, cbasn1.SEQUENCE) {
		return d, malformed
	}
	if !extended {
		return d, nil
	}
	list, ok := onlySequence(extensions)
	if !ok {
		return d, malformed
	}
	err = eachExtension(list, d.extension)
	var broken *CRLError // the walk is shared with CRLs
	if errors.As(err, &broken) {
		return d, &OCSPError{Fault: OCSPMalformed, Detail: broken.Detail}
	}
	return d, err
}

func (d *responseData) extension(e crlExtension) error {
	switch {
	case e.oid.Equal(oidOCSPNonce):
		value := cryptobyte.String(e.value)
		// RFC 8954 wraps the nonce in an OCTET STRING of its own; older
		// responders send it bare, and so does who repeats such a request.
		if !value.ReadASN1(&d.nonce, cbasn1.OCTET_STRING) || !value.Empty() {
			d.nonce = e.value
		}
	case e.critical:
		return ocspFault(OCSPCriticalExtension, "%s", e.oid)
	}
	return nil
}

// answers: about this certificate, and to this question (RFC 6960 §3.2 (1)).
func (d responseData) answers(q OCSPQuestion, mode NonceMode) error {
	asked, err := q.certID()
	if err != nil {
		return &OCSPError{Fault: OCSPOtherCertificate, Err: err}
	}
	if !asked.matches(d.id) {
		return ocspFault(OCSPOtherCertificate, "")
	}
	switch {
	case q.Nonce == nil:
		return nil
	case d.nonce == nil && mode == NonceIfPresent:
		return nil
	case d.nonce == nil:
		return ocspFault(OCSPNonce, "none in the answer")
	case !bytes.Equal(d.nonce, q.Nonce):
		return ocspFault(OCSPNonce, "that of another question")
	}
	return nil
}

// matches compares with the content of a CertID in DER.
func (id certID) matches(der cryptobyte.String) bool {
	var algorithm, name, key cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !der.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
		!der.ReadASN1(&name, cbasn1.OCTET_STRING) || !der.ReadASN1(&key, cbasn1.OCTET_STRING) {
		return false
	}
	serial, ok := onlyInteger(der)
	return ok && oid.Equal(oidSHA1) && bytes.Equal(name, id.nameHash[:]) && bytes.Equal(key, id.keyHash[:]) && serial.Cmp(id.serial) == 0
}

// namesResponder: the responder's identifier is that of who signed (RFC 6960 §4.2.2.3).
func namesResponder(response *ocsp.Response, signer *x509.Certificate) error {
	if response.RawResponderName != nil {
		if !bytes.Equal(response.RawResponderName, signer.RawSubject) {
			return ocspFault(OCSPResponder, "it names another than who signed")
		}
		return nil
	}
	key, err := publicKeyBits(signer)
	if hash := sha1.Sum(key); err != nil || !bytes.Equal(response.ResponderKeyHash, hash[:]) { //nolint:gosec // as in ocsp.go
		return ocspFault(OCSPResponder, "it names another key than the one that signed")
	}
	return nil
}

// onlyInteger reads an INTEGER that is all of der.
func onlyInteger(der cryptobyte.String) (*big.Int, bool) {
	n := new(big.Int)
	return n, der.ReadASN1Integer(n) && der.Empty()
}
