package mtls

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}

// checkConstraints refuses the name constraints that crypto/x509 would pass
// over (RFC 5280 §4.2.1.10): forms it does not know in an extension that is not
// critical, distances, and rfc822Name constraints on addresses that stand in
// the subject and not in the alternative name. The rest it enforces itself.
func checkConstraints(chain path) error {
	constrainsMail := false
	for i := len(chain) - 1; i >= 0; i-- {
		c := chain[i]
		if constrainsMail && mailInSubjectOnly(c) {
			return pathFault("RFC 5280 §4.2.1.10", "%s: the address in its subject falls under a constraint that is not evaluated", nameOf(c))
		}
		mail, err := readConstraints(c)
		if err != nil {
			return pathFault("RFC 5280 §4.2.1.10", "%s: %w", nameOf(c), err)
		}
		constrainsMail = constrainsMail || mail
	}
	return nil
}

func mailInSubjectOnly(c *x509.Certificate) bool {
	if len(c.EmailAddresses) > 0 {
		return false
	}
	for _, attribute := range c.Subject.Names {
		if attribute.Type.Equal(oidEmailAddress) {
			return true
		}
	}
	return false
}

// readConstraints reports whether rfc822Name is constrained, and refuses what
// nobody would evaluate.
func readConstraints(c *x509.Certificate) (mail bool, err error) {
	for _, extension := range c.Extensions {
		if !extension.Id.Equal(oidNameConstraints) {
			continue
		}
		var body, permitted, excluded cryptobyte.String
		outer := cryptobyte.String(extension.Value)
		if !outer.ReadASN1(&body, cbasn1.SEQUENCE) || !outer.Empty() ||
			!body.ReadOptionalASN1(&permitted, nil, cbasn1.Tag(0).ContextSpecific().Constructed()) ||
			!body.ReadOptionalASN1(&excluded, nil, cbasn1.Tag(1).ContextSpecific().Constructed()) || !body.Empty() {
			return false, fmt.Errorf("name constraints are not of the form of RFC 5280")
		}
		for _, subtrees := range []cryptobyte.String{permitted, excluded} {
			m, err := readSubtrees(subtrees)
			if err != nil {
				return false, err
			}
			mail = mail || m
		}
	}
	return mail, nil
}

func readSubtrees(subtrees cryptobyte.String) (mail bool, err error) {
	context := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific() }
	for !subtrees.Empty() {
		var subtree, base cryptobyte.String
		var tag cbasn1.Tag
		if !subtrees.ReadASN1(&subtree, cbasn1.SEQUENCE) || !subtree.ReadAnyASN1(&base, &tag) {
			return false, fmt.Errorf("name constraints are not of the form of RFC 5280")
		}
		if !subtree.Empty() {
			return false, fmt.Errorf("name constraints with a distance are not evaluated")
		}
		switch tag {
		case context(1):
			mail = true
		case context(2), context(6), context(7): // dNSName, URI, iPAddress
		default:
			return false, fmt.Errorf("name constraints of form [%d] are not evaluated", tag&0x1f)
		}
	}
	return mail, nil
}
