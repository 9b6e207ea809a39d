package mtls

import "crypto/x509"

// For tests of rules that no certificate at hand reaches from outside.
var (
	ParsePoints = func(der, issuer []byte) (int, error) {
		points, err := parsePoints(der, issuer)
		return len(points), err
	}
	CheckConstraints = func(chain []*x509.Certificate) error { return checkConstraints(chain) }
)
