package testpki

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The attributes of the directory, as X.509 and RFC 4523 name them.
const (
	ldapCRL         = "certificateRevocationList;binary"
	ldapDelta       = "deltaRevocationList;binary"
	ldapCertificate = "cACertificate;binary"
)

// LDAP's operations, APPLICATION tags of RFC 4511 §4.
const (
	ldapBindRequest   = cbasn1.Tag(0x60)
	ldapBindResponse  = cbasn1.Tag(0x61)
	ldapSearchRequest = cbasn1.Tag(0x63)
	ldapSearchEntry   = cbasn1.Tag(0x64)
	ldapSearchDone    = cbasn1.Tag(0x65)
)

// LDAP's result codes, RFC 4511 §4.1.9.
const (
	ldapSuccess      = 0
	ldapNoSuchObject = 32
)

const maxLDAPMessage = 64 << 10

var errLDAP = errors.New("malformed LDAP message")

// ServeLDAP answers as the directory to which the certificates' LDAP addresses
// point: anonymous bind, and the search of one authority's entry for its CRL,
// delta CRL or certificate. It serves until the listener is closed. It reads
// definite, shortest lengths only, as github.com/go-ldap/ldap writes them, and
// looks at no filter.
func (p *PKI) ServeLDAP(listener net.Listener) error {
	for {
		connection, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("serving LDAP: %w", err)
		}
		go func() {
			defer connection.Close()
			reader := bufio.NewReader(connection)
			for p.answerLDAP(reader, connection) == nil {
			}
		}()
	}
}

// answerLDAP answers one message; an error ends the connection.
func (p *PKI) answerLDAP(r *bufio.Reader, w io.Writer) error {
	message, err := readLDAP(r)
	if err != nil {
		return err
	}
	var id int64
	var operation cryptobyte.String
	var tag cbasn1.Tag
	if !message.ReadASN1Integer(&id) || !message.ReadAnyASN1(&operation, &tag) {
		return errLDAP
	}
	switch tag {
	case ldapBindRequest:
		return writeLDAP(w, id, ldapBindResponse, func(b *cryptobyte.Builder) { addLDAPResult(b, ldapSuccess) })
	case ldapSearchRequest:
		return p.searchLDAP(w, id, operation)
	}
	return io.EOF // unbind, and whatever is not needed here
}

// readLDAP reads the content of one LDAPMessage.
func readLDAP(r *bufio.Reader) (cryptobyte.String, error) {
	head, err := r.Peek(2)
	if err != nil {
		return nil, err
	}
	size, skip := int(head[1]), 2
	if head[1] >= 0x80 {
		digits := int(head[1] & 0x7f)
		if digits == 0 || digits > 3 {
			return nil, errLDAP
		}
		if head, err = r.Peek(2 + digits); err != nil {
			return nil, err
		}
		size, skip = int(binary.BigEndian.Uint32(append(make([]byte, 4-digits), head[2:]...))), 2+digits
	}
	if head[0] != byte(cbasn1.SEQUENCE) || size > maxLDAPMessage {
		return nil, errLDAP
	}
	content := make([]byte, skip+size)
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, err
	}
	return content[skip:], nil
}

func (p *PKI) searchLDAP(w io.Writer, id int64, request cryptobyte.String) error {
	var base, filter, list cryptobyte.String
	var scope, deref int
	var tag cbasn1.Tag
	var sizeLimit, timeLimit int64
	var typesOnly bool
	if !request.ReadASN1(&base, cbasn1.OCTET_STRING) || !request.ReadASN1Enum(&scope) || !request.ReadASN1Enum(&deref) ||
		!request.ReadASN1Integer(&sizeLimit) || !request.ReadASN1Integer(&timeLimit) || !request.ReadASN1Boolean(&typesOnly) ||
		!request.ReadAnyASN1(&filter, &tag) || !request.ReadASN1(&list, cbasn1.SEQUENCE) {
		return errLDAP
	}
	authority := p.inDirectory(string(base))
	if authority == nil {
		return writeLDAP(w, id, ldapSearchDone, func(b *cryptobyte.Builder) { addLDAPResult(b, ldapNoSuchObject) })
	}
	wanted, err := wantedAttributes(list)
	if err != nil {
		return err
	}
	if err := authority.sendEntry(w, id, string(base), wanted); err != nil {
		return err
	}
	return writeLDAP(w, id, ldapSearchDone, func(b *cryptobyte.Builder) { addLDAPResult(b, ldapSuccess) })
}

// wantedAttributes are those asked for; none asked for means all (RFC 4511 §4.5.1.8).
func wantedAttributes(list cryptobyte.String) ([]string, error) {
	if list.Empty() {
		return []string{ldapCertificate, ldapCRL, ldapDelta}, nil
	}
	var wanted []string
	for !list.Empty() {
		var name cryptobyte.String
		if !list.ReadASN1(&name, cbasn1.OCTET_STRING) {
			return nil, errLDAP
		}
		wanted = append(wanted, string(name))
	}
	return wanted, nil
}

// inDirectory finds the authority whose entry has that name: as written in the
// leaves, or as written in the intermediates.
func (p *PKI) inDirectory(name string) *Authority {
	for _, authority := range p.Authorities() {
		inLeaf := strings.ReplaceAll(authority.directoryPath(), "%20", " ")
		_, inAuthority, _ := strings.Cut(strings.ReplaceAll(authority.ldapURL(true), "%20", " "), p.directory()+"/")
		inAuthority, _, _ = strings.Cut(inAuthority, "?")
		if strings.EqualFold(name, inLeaf) || strings.EqualFold(name, inAuthority) {
			return authority
		}
	}
	return nil
}

// attribute returns an attribute's own name and value; both are empty for one
// that the entry does not have.
func (a *Authority) attribute(wanted string) (name string, value []byte, err error) {
	switch {
	case strings.EqualFold(wanted, ldapCRL):
		value, _, err = a.current()
		return ldapCRL, value, err
	case strings.EqualFold(wanted, ldapDelta):
		value, err = a.currentDelta()
		return ldapDelta, value, err
	case strings.EqualFold(wanted, ldapCertificate):
		return ldapCertificate, a.Certificate.Raw, nil
	}
	return "", nil, nil
}

func (a *Authority) sendEntry(w io.Writer, id int64, entry string, wanted []string) error {
	var attributes cryptobyte.Builder
	for _, asked := range wanted {
		name, value, err := a.attribute(asked)
		if err != nil {
			return err
		}
		if name == "" {
			continue
		}
		attributes.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1OctetString([]byte(name))
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddASN1OctetString(value) })
		})
	}
	list, err := attributes.Bytes()
	if err != nil {
		return err
	}
	return writeLDAP(w, id, ldapSearchEntry, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString([]byte(entry))
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(list) })
	})
}

func writeLDAP(w io.Writer, id int64, operation cbasn1.Tag, content cryptobyte.BuilderContinuation) error {
	_, err := w.Write(sequence(func(b *cryptobyte.Builder) {
		b.AddASN1Int64(id)
		b.AddASN1(operation, content)
	}))
	return err
}

// addLDAPResult adds LDAPResult: code, matched name, message for people.
func addLDAPResult(b *cryptobyte.Builder, code int64) {
	b.AddASN1Enum(code)
	b.AddASN1OctetString(nil)
	b.AddASN1OctetString(nil)
}
