package mtls

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}

const clauseConstraints = "RFC 5280 §4.2.1.10, §6.1.3 (b)"

// checkConstraints refuses what crypto/x509 would let through of the name
// constraints (RFC 5280 §4.2.1.10), which it otherwise enforces itself:
//
//   - forms it does not know, in an extension that is not critical, and
//     distances;
//   - rfc822Name and URI constraints that name one host: it takes the hosts
//     below for permitted too;
//   - mail addresses that stand in the subject and not in the alternative name.
func checkConstraints(chain path) error {
	var above []permitted
	for i := len(chain) - 1; i >= 0; i-- {
		c := chain[i]
		for _, p := range above {
			if err := p.check(c); err != nil {
				return pathFault(clauseConstraints, "%s: %w", nameOf(c), err)
			}
		}
		own, err := readConstraints(c)
		if err != nil {
			return pathFault(clauseConstraints, "%s: %w", nameOf(c), err)
		}
		above = append(above, own)
	}
	return nil
}

// permitted is what one authority's constraints permit of the forms that are
// evaluated here.
type permitted struct {
	mail, hosts []string
	anyMail     bool // some constraint, permitting or excluding, is about mail
}

func (p permitted) check(c *x509.Certificate) error {
	if p.anyMail && len(c.EmailAddresses) == 0 && mailInSubject(c) {
		return fmt.Errorf("the address in its subject falls under a constraint that is not evaluated")
	}
	for _, address := range c.EmailAddresses {
		if len(p.mail) > 0 && !slices.ContainsFunc(p.mail, func(s string) bool { return mailWithin(address, s) }) {
			return fmt.Errorf("the address %s is not permitted", address)
		}
	}
	for _, uri := range c.URIs {
		if len(p.hosts) > 0 && !slices.ContainsFunc(p.hosts, func(s string) bool { return hostWithin(uri.Hostname(), s) }) {
			return fmt.Errorf("the host of %s is not permitted", uri)
		}
	}
	return nil
}

func mailInSubject(c *x509.Certificate) bool {
	for _, attribute := range c.Subject.Names {
		if attribute.Type.Equal(oidEmailAddress) {
			return true
		}
	}
	return false
}

// mailWithin: the constraint is a mailbox, a host, or with a leading dot the
// hosts of a domain.
func mailWithin(address, constraint string) bool {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return false
	}
	if box := strings.LastIndexByte(constraint, '@'); box >= 0 {
		return address[:at] == constraint[:box] && strings.EqualFold(address[at+1:], constraint[box+1:])
	}
	return hostWithin(address[at+1:], constraint)
}

func hostWithin(host, constraint string) bool {
	host, constraint = strings.ToLower(host), strings.ToLower(constraint)
	if strings.HasPrefix(constraint, ".") {
		return strings.HasSuffix(host, constraint) && len(host) > len(constraint)
	}
	return host != "" && host == constraint
}

func readConstraints(c *x509.Certificate) (permitted, error) {
	var all permitted
	for _, extension := range c.Extensions {
		if !extension.Id.Equal(oidNameConstraints) {
			continue
		}
		var body, permit, exclude cryptobyte.String
		outer := cryptobyte.String(extension.Value)
		if !outer.ReadASN1(&body, cbasn1.SEQUENCE) || !outer.Empty() ||
			!body.ReadOptionalASN1(&permit, nil, contextTag(0).Constructed()) ||
			!body.ReadOptionalASN1(&exclude, nil, contextTag(1).Constructed()) || !body.Empty() {
			return all, fmt.Errorf("name constraints are not of the form of RFC 5280")
		}
		if err := all.read(permit); err != nil {
			return all, err
		}
		var excluded permitted
		if err := excluded.read(exclude); err != nil {
			return all, err
		}
		all.anyMail = all.anyMail || excluded.anyMail
	}
	return all, nil
}

// read takes GeneralSubtrees and refuses what nobody would evaluate.
func (p *permitted) read(subtrees cryptobyte.String) error {
	for !subtrees.Empty() {
		var subtree, base cryptobyte.String
		var tag cbasn1.Tag
		if !subtrees.ReadASN1(&subtree, cbasn1.SEQUENCE) || !subtree.ReadAnyASN1(&base, &tag) {
			return fmt.Errorf("name constraints are not of the form of RFC 5280")
		}
		if !subtree.Empty() {
			return fmt.Errorf("name constraints with a distance are not evaluated")
		}
		switch tag {
		case contextTag(1):
			p.mail, p.anyMail = append(p.mail, string(base)), true
		case contextTag(6):
			p.hosts = append(p.hosts, string(base))
		case contextTag(2), contextTag(7): // dNSName, iPAddress: crypto/x509's
		default:
			return fmt.Errorf("name constraints of form [%d] are not evaluated", tag&0x1f)
		}
	}
	return nil
}
