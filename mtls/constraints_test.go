package mtls_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/url"
	"testing"

	"cpsgate/mtls"
)

// constrained is an authority with permitted and excluded subtrees, each
// GeneralSubtree in DER.
func constrained(permitted, excluded []byte) *x509.Certificate {
	var body []byte
	for tag, subtrees := range map[byte][]byte{0xa0: permitted, 0xa1: excluded} {
		if len(subtrees) > 0 {
			body = append(body, append([]byte{tag, byte(len(subtrees))}, subtrees...)...)
		}
	}
	return &x509.Certificate{Extensions: []pkix.Extension{{
		Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Value: append([]byte{0x30, byte(len(body))}, body...),
	}}}
}

func subtree(tag byte, value string, more ...byte) []byte {
	base := append([]byte{tag, byte(len(value))}, value...)
	base = append(base, more...)
	return append([]byte{0x30, byte(len(base))}, base...)
}

const (
	mailForm = 0x81
	dnsForm  = 0x82
	dirForm  = 0xa4
	uriForm  = 0x86
)

func TestNameConstraints(t *testing.T) {
	mail := func(address string) *x509.Certificate { return &x509.Certificate{EmailAddresses: []string{address}} }
	page := func(host string) *x509.Certificate {
		return &x509.Certificate{URIs: []*url.URL{{Scheme: "http", Host: host}}}
	}
	inSubject := &x509.Certificate{Subject: name(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, "a@example.org")}
	for _, c := range []struct {
		rule    string
		ca      *x509.Certificate
		leaf    *x509.Certificate
		refused bool
	}{
		{"no constraint", &x509.Certificate{}, mail("a@example.org"), false},
		{"address at the host", constrained(subtree(mailForm, "example.org"), nil), mail("a@EXAMPLE.org"), false},
		{"address at a host below", constrained(subtree(mailForm, "example.org"), nil), mail("a@mail.example.org"), true},
		{"address in the domain", constrained(subtree(mailForm, ".example.org"), nil), mail("a@mail.example.org"), false},
		{"address at the domain's own name", constrained(subtree(mailForm, ".example.org"), nil), mail("a@example.org"), true},
		{"the mailbox", constrained(subtree(mailForm, "a@example.org"), nil), mail("a@Example.org"), false},
		{"another mailbox", constrained(subtree(mailForm, "a@example.org"), nil), mail("A@example.org"), true},
		{"no mailbox at all", constrained(subtree(mailForm, "example.org"), nil), mail("example.org"), true},
		{"page of the host", constrained(subtree(uriForm, "example.org"), nil), page("example.org:8443"), false},
		{"page of a host below", constrained(subtree(uriForm, "example.org"), nil), page("www.example.org"), true},
		{"page of the domain", constrained(subtree(uriForm, ".example.org"), nil), page("www.example.org"), false},
		{"page without a host", constrained(subtree(uriForm, "example.org"), nil), page(""), true},
		{"address in the subject, mail permitted", constrained(subtree(mailForm, "example.org"), nil), inSubject, true},
		{"address in the subject, mail excluded", constrained(nil, subtree(mailForm, "example.com")), inSubject, true},
		{"address in the subject, hosts constrained", constrained(subtree(dnsForm, "example.org"), nil), inSubject, false},
		{"directoryName, not critical", constrained(subtree(dirForm, "\x30\x00"), nil), &x509.Certificate{}, true},
		{"directoryName excluded, not critical", constrained(nil, subtree(dirForm, "\x30\x00")), &x509.Certificate{}, true},
		{"a distance", constrained(subtree(dnsForm, "example.org", 0x80, 1, 1), nil), &x509.Certificate{}, true},
		{"not DER", &x509.Certificate{Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Value: []byte{0x30, 1}}}}, &x509.Certificate{}, true},
		{"truncated subtree", constrained([]byte{0x30, 0x02, 0x82}, nil), &x509.Certificate{}, true},
	} {
		if err := mtls.CheckConstraints(certs(c.leaf, c.ca)); (err != nil) != c.refused {
			t.Errorf("%s: %v", c.rule, err)
		}
	}
}

func FuzzNameConstraints(f *testing.F) {
	f.Add(subtree(mailForm, ".example.org"), subtree(uriForm, "example.org"))
	f.Add(subtree(dirForm, "\x30\x00"), []byte{})
	f.Fuzz(func(t *testing.T, permitted, excluded []byte) {
		_ = mtls.CheckConstraints(certs(&x509.Certificate{EmailAddresses: []string{"a@example.org"}}, constrained(permitted, excluded)))
	})
}

func FuzzDistributionPoints(f *testing.F) {
	for _, c := range []string{"certs/ValiddistributionPointTest5EE.crt", "certs/ValiddistributionPointTest1EE.crt", "certs/InvalidcRLIssuerTest27EE.crt"} {
		found, err := mtls.ReadCertificates(readFile(f, pkits+"/"+c))
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range found[0].Extensions {
			if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 31}) {
				f.Add(e.Value, found[0].RawIssuer)
			}
		}
	}
	f.Fuzz(func(t *testing.T, der, issuer []byte) {
		if n, err := mtls.ParsePoints(der, issuer); err == nil && n > 32 {
			t.Errorf("%d points", n)
		}
	})
}
