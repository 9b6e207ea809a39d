package mtls

import (
	"crypto/x509"
	"embed"
	"fmt"
)

// Authority is one of the CA certificates built in.
type Authority struct {
	// Short is ANS's short name: ACR-FO is a root, ACI-FO-PP the intermediate
	// FORT PERSONNES.
	Short       string
	Certificate *x509.Certificate
	// Fingerprint is the lower-case hexadecimal SHA-256 of the certificate.
	Fingerprint string
	// Anchor: trusted for persons' cards by default.
	Anchor bool
}

// The nine production CA certificates of the IGC-Santé, valid to 2033, from
// http://igc-sante.esante.gouv.fr/AC/.
//
//go:embed anchors/*.pem
var anchorFiles embed.FS

// builtIn pins what the files must hold.
func builtIn() []struct{ short, file, fingerprint string } {
	return []struct{ short, file, fingerprint string }{
		{"ACI-FO-PP", "AC-IGC-SANTE-FORT-PERSONNES", "38284e4f6107456e70c7439c85da7d564d0fe1fe1a968c9eb6d43e1fc0d63c3a"},
		{"ACI-ST-PP", "AC-IGC-SANTE-STANDARD-PERSONNES", "6c339ebcb3e1b0102b143c9694225c2a4ab2ef6fedf7d364da8db305e7f7d997"},
		{"ACR-FO", "AC-RACINE-IGC-SANTE-FORT", "53d30a19570826bde0c0762501f1f1c7a659f976c6c023123df5239df34a4eea"},
		{"ACR-ST", "AC-RACINE-IGC-SANTE-STANDARD", "5891815e864506c662afb32f8de5b8de38bffa1af721780b69e19a0c050386c3"},
		{"ACR-EL", "AC-RACINE-IGC-SANTE-ELEMENTAIRE", "2d9e22ca19f777c6b745257c723ecb8df3c35fa6f1f6ec36b83600c97346967f"},
		{"ACI-EL-PP", "AC-IGC-SANTE-ELEMENTAIRE-PERSONNES", "19c1eaeab477b6fbc233cda3b53fbdbc3f4e9bf6cf6973e46f7dfaef89c06c6c"},
		{"ACI-EL-ORG", "AC-IGC-SANTE-ELEMENTAIRE-ORGANISATIONS", "d834ee5b40686b73573f60547bf6052c6d404d942a5665cdb2c0b9137b5d27b2"},
		{"ACI-ST-ORG", "AC-IGC-SANTE-STANDARD-ORGANISATIONS", "c0520a2b14fb68836a807bf86ab2b3e07d1b6061d91bc9c7b86a6f8de4b5638e"},
		{"ACI-FO-ORG", "AC-IGC-SANTE-FORT-ORGANISATIONS", "23f69674002d1dd4b018baecd908dc92687942bb48e5140ff895e2f56bc49c0d"},
	}
}

// BuiltIn returns the production authorities of the IGC-Santé, the two default
// anchors first. It fails if a file is not the certificate it is named for.
func BuiltIn() ([]Authority, error) {
	var authorities []Authority
	for _, entry := range builtIn() {
		data, err := anchorFiles.ReadFile("anchors/" + entry.file + ".pem")
		if err != nil {
			return nil, fmt.Errorf("built-in authority %s: %w", entry.short, err)
		}
		certificates, err := ReadCertificates(data)
		if err != nil || len(certificates) != 1 || Fingerprint(certificates[0]) != entry.fingerprint {
			return nil, fmt.Errorf("built-in authority %s: not the certificate with fingerprint %s", entry.short, entry.fingerprint)
		}
		authorities = append(authorities, Authority{
			Short: entry.short, Certificate: certificates[0], Fingerprint: entry.fingerprint,
			Anchor: classify(certificates[0].Subject).issuesCards(),
		})
	}
	return authorities, nil
}

// DefaultTrust is for production: exactly ACI-FO-PP and ACI-ST-PP are anchors,
// intermediates both, never a root and never ELEMENTAIRE; the roots are held
// so that the anchors' own revocation can be checked.
func DefaultTrust() (*Trust, error) {
	authorities, err := BuiltIn()
	if err != nil {
		return nil, err
	}
	var anchors, others []*x509.Certificate
	for _, authority := range authorities {
		if authority.Anchor {
			anchors = append(anchors, authority.Certificate)
			continue
		}
		others = append(others, authority.Certificate)
	}
	return NewTrust(anchors, others)
}
