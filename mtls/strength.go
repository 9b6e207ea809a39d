package mtls

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// Strength is the policy on keys and signatures. The zero value is the current
// strength: RSA of at least 2048 bits, ECDSA on P-256 and above, SHA-2. SHA-1
// and MD5 are below every strength: crypto/x509 has no say in it and neither
// has a configuration.
type Strength struct {
	// MinRSABits is 2048 when zero, and never less.
	MinRSABits int
}

const minRSABits = 2048

// minCurveBits is P-256 (ANSSI RGS B1, NIST SP 800-57).
const minCurveBits = 256

func (s Strength) check() error {
	if s.MinRSABits != 0 && s.MinRSABits < minRSABits {
		return fmt.Errorf("RSA keys below %d bits are never accepted", minRSABits)
	}
	return nil
}

// refuses says what is weak in a certificate: its key and, unless it is an
// anchor, whose signature proves nothing, the signature on it.
func (s Strength) refuses(c *x509.Certificate, anchor bool) error {
	if err := s.key(c.PublicKey); err != nil {
		return err
	}
	if anchor {
		return nil
	}
	return signatureStrength(c.SignatureAlgorithm)
}

func (s Strength) key(public any) error {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < max(s.MinRSABits, minRSABits) {
			return fmt.Errorf("its RSA key has %d bits, at least %d are asked", bits, max(s.MinRSABits, minRSABits))
		}
	case *ecdsa.PublicKey:
		if bits := key.Curve.Params().BitSize; bits < minCurveBits {
			return fmt.Errorf("its curve has %d bits, at least %d are asked", bits, minCurveBits)
		}
	default:
		return fmt.Errorf("its key is neither RSA nor ECDSA")
	}
	return nil
}

// signatureStrength allows SHA-2 with RSA and ECDSA and nothing else.
func signatureStrength(algorithm x509.SignatureAlgorithm) error {
	switch algorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		return nil
	}
	return fmt.Errorf("its signature is %s; SHA-2 with RSA or ECDSA is asked", algorithm)
}
