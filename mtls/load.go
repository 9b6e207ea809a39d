package mtls

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// Bounds on what is read from one file of certificates.
const (
	MaxCertificateFile = 4 << 20
	maxCertificateDER  = 64 << 10
	maxCertificates    = 1024
)

// ErrNoCertificate is a file that holds no certificate at all, as opposed to a
// broken one.
var ErrNoCertificate = errors.New("holds no certificate")

// ReadCertificates reads one DER certificate, or any number of PEM ones with
// whatever text stands around them; PEM blocks of another kind are passed
// over. It refuses the whole file when one certificate in it is broken.
func ReadCertificates(data []byte) ([]*x509.Certificate, error) {
	blocks, err := CertificateBlocks(data)
	if err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	for i, der := range blocks {
		certificate, err := ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i+1, err)
		}
		certificates = append(certificates, certificate)
	}
	return certificates, nil
}

// CertificateBlocks gives the DER of each certificate in a file, unparsed.
func CertificateBlocks(data []byte) ([][]byte, error) {
	if len(data) > MaxCertificateFile {
		return nil, fmt.Errorf("%d bytes, at most %d are read", len(data), MaxCertificateFile)
	}
	const sequence = 0x30 // the tag every DER certificate begins with
	if len(data) > 0 && data[0] == sequence && !bytes.Contains(data, []byte("-----BEGIN ")) {
		return [][]byte{data}, nil
	}
	var blocks [][]byte
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		if data = rest; block.Type != "CERTIFICATE" {
			continue
		}
		if blocks = append(blocks, block.Bytes); len(blocks) > maxCertificates {
			return nil, fmt.Errorf("more than %d certificates", maxCertificates)
		}
	}
	if len(blocks) == 0 {
		return nil, ErrNoCertificate
	}
	return blocks, nil
}

// ParseCertificate reads one DER certificate, to its last byte.
//
// crypto/x509 refuses a certificate whose CRL distribution point is named
// relative to its issuer, which RFC 5280 §4.2.1.13 allows: such a one is read
// with that extension hidden from it. The distribution points are read by this
// package, and the signature is verified over the certificate as it came.
func ParseCertificate(der []byte) (*x509.Certificate, error) {
	if len(der) > maxCertificateDER {
		return nil, fmt.Errorf("certificate of %d bytes, at most %d are read", len(der), maxCertificateDER)
	}
	certificate, err := x509.ParseCertificate(der)
	if err == nil {
		return certificate, nil
	}
	if hidden, ok := parseHidingPoints(der); ok {
		return hidden, nil
	}
	return nil, err
}
