package testpki

import (
	"bytes"
	"crypto/sha1" // CertID's default hash, RFC 6960 §4.1.1
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// OCSPRequest is what a responder needs of a request for one certificate.
type OCSPRequest struct {
	CertID        []byte // DER, repeated in the answer
	IssuerKeyHash []byte
	Serial        *big.Int
	Nonce         []byte // extnValue as sent; nil = none
}

// about tells whether the request names that issuer's key, by SHA-1.
func (r OCSPRequest) about(issuer *x509.Certificate) bool {
	content, err := keyBytes(issuer.PublicKey)
	if err != nil {
		return false
	}
	sum := sha1.Sum(content)
	return bytes.Equal(sum[:], r.IssuerKeyHash)
}

const maxOCSPRequest = 8 << 10

var errOCSPRequest = errors.New("malformed OCSP request")

func readOCSPRequest(r *http.Request) (OCSPRequest, error) {
	if r.Method == http.MethodGet { // RFC 6960 appendix A.1
		encoded := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, ocspPath), "/")
		der, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return OCSPRequest{}, errOCSPRequest
		}
		return ParseOCSPRequest(der)
	}
	der, err := io.ReadAll(io.LimitReader(r.Body, maxOCSPRequest))
	if err != nil {
		return OCSPRequest{}, errOCSPRequest
	}
	return ParseOCSPRequest(der)
}

// ParseOCSPRequest reads the first certificate asked about, and the nonce (RFC
// 6960 §4.1.1).
func ParseOCSPRequest(der []byte) (OCSPRequest, error) {
	input := cryptobyte.String(der)
	var outer, tbs, list, single, certID, fields cryptobyte.String
	var request OCSPRequest
	if !input.ReadASN1(&outer, cbasn1.SEQUENCE) || !outer.ReadASN1(&tbs, cbasn1.SEQUENCE) ||
		!tbs.SkipOptionalASN1(tagged(0).Constructed()) || !tbs.SkipOptionalASN1(tagged(1).Constructed()) ||
		!tbs.ReadASN1(&list, cbasn1.SEQUENCE) || !list.ReadASN1(&single, cbasn1.SEQUENCE) ||
		!single.ReadASN1Element(&certID, cbasn1.SEQUENCE) {
		return request, errOCSPRequest
	}
	request.CertID = bytes.Clone(certID)
	var algorithm, nameHash, keyHash cryptobyte.String
	request.Serial = new(big.Int)
	if !certID.ReadASN1(&fields, cbasn1.SEQUENCE) || !fields.ReadASN1(&algorithm, cbasn1.SEQUENCE) ||
		!fields.ReadASN1(&nameHash, cbasn1.OCTET_STRING) || !fields.ReadASN1(&keyHash, cbasn1.OCTET_STRING) ||
		!fields.ReadASN1Integer(request.Serial) {
		return request, errOCSPRequest
	}
	request.IssuerKeyHash = bytes.Clone(keyHash)
	nonce, err := requestNonce(tbs)
	request.Nonce = nonce
	return request, err
}

// requestNonce looks through requestExtensions [2].
func requestNonce(tbs cryptobyte.String) ([]byte, error) {
	var explicit, list cryptobyte.String
	var present bool
	if !tbs.ReadOptionalASN1(&explicit, &present, tagged(2).Constructed()) {
		return nil, errOCSPRequest
	}
	if !present {
		return nil, nil
	}
	if !explicit.ReadASN1(&list, cbasn1.SEQUENCE) {
		return nil, errOCSPRequest
	}
	for !list.Empty() {
		var extension, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !list.ReadASN1(&extension, cbasn1.SEQUENCE) || !extension.ReadASN1ObjectIdentifier(&oid) ||
			!extension.SkipOptionalASN1(cbasn1.BOOLEAN) || !extension.ReadASN1(&value, cbasn1.OCTET_STRING) {
			return nil, errOCSPRequest
		}
		if oid.Equal(ExtensionOCSPNonce) {
			return bytes.Clone(value), nil
		}
	}
	return nil, nil
}
