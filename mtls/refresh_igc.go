package mtls

import (
	"bytes"
	"crypto/x509"
	"net/url"
	"slices"
	"strings"
)

// Where ANS publishes the CRLs of the IGC-Santé: the complete ones over HTTP,
// under each authority's short name, the deltas in the directory, under its
// name and that of its root.
const (
	igcCRLs      = "http://igc-sante.esante.gouv.fr/CRL/"
	igcDirectory = "annuaire-igc.esante.gouv.fr"
)

// CRLSources lists the authorities whose CRLs a judgement under this trust may
// need: the anchors, what issued them, and the authorities below them. Those of
// the IGC-Santé that are built in come with the addresses ANS publishes at; with
// deltas, those of the delta CRLs too. The others have none.
func (t *Trust) CRLSources(deltas bool) ([]CRLSource, error) {
	known, err := BuiltIn()
	if err != nil {
		return nil, err
	}
	var sources []CRLSource
	names := map[string]int{}
	for _, issuer := range t.needed() {
		source := CRLSource{Name: slug(issuer.Subject.CommonName), Issuer: issuer}
		for _, a := range known {
			if a.Certificate.Equal(issuer) {
				source.Name = strings.ToLower(a.Short)
				source.URLs = []string{igcCRLs + a.Short + ".crl"}
				if deltas && !classify(issuer.Subject).Root {
					source.DeltaURLs = []string{igcDelta(issuer)}
				}
			}
		}
		if names[source.Name]++; names[source.Name] > 1 { // renewed: same name, another key
			source.Name += "-" + Fingerprint(issuer)[:8]
		}
		sources = append(sources, source)
	}
	return sources, nil
}

// needed: of the certificates held, the anchors, upwards what issued them, and
// downwards what they issued.
func (t *Trust) needed() []*x509.Certificate {
	found := slices.Clone(t.anchors)
	for _, anchor := range t.anchors {
		found = appendNew(found, t.anchorIssuers[string(anchor.Raw)])
	}
	below := slices.Clone(t.anchors)
	for i := 0; i < len(below); i++ {
		for _, c := range t.intermediates {
			if c.IsCA && bytes.Equal(c.RawIssuer, below[i].RawSubject) && c.CheckSignatureFrom(below[i]) == nil {
				below = appendNew(below, []*x509.Certificate{c})
			}
		}
	}
	return appendNew(found, below)
}

func appendNew(list, more []*x509.Certificate) []*x509.Certificate {
	for _, c := range more {
		if !slices.ContainsFunc(list, c.Equal) {
			list = append(list, c)
		}
	}
	return list
}

// igcDelta is the address that cards carry in freshestCRL: cn=<authority>,
// ou=<root>, then the name's remaining parts.
func igcDelta(authority *x509.Certificate) string {
	root := strings.TrimSuffix(strings.TrimSuffix(authority.Subject.CommonName, " PERSONNES"), " ORGANISATIONS")
	root = strings.Replace(root, "AC ", "AC RACINE ", 1)
	name := "cn=" + authority.Subject.CommonName + ",ou=" + root + ",ou=IGC-SANTE,ou=0002 187512751,o=ASIP-SANTE,c=FR"
	address := url.URL{Scheme: "ldap", Host: igcDirectory, Path: "/" + name, RawQuery: "deltarevocationlist;binary?base?objectClass=pkiCA"}
	return address.String()
}

// slug makes a CRLSource.Name of a common name.
func slug(name string) string {
	letters := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}
	s := strings.Join(strings.FieldsFunc(strings.Map(letters, strings.ToLower(name)), func(r rune) bool { return r == '-' }), "-")
	if len(s) > 50 {
		s = strings.Trim(s[:50], "-")
	}
	if s == "" {
		return "authority"
	}
	return s
}
