package testpki_test

import (
	"bytes"
	"encoding/asn1"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"cpsgate/internal/testpki"
)

// serveLDAP starts the directory and returns its address.
func serveLDAP(t *testing.T, listener net.Listener, pki *testpki.PKI) *ldap.Conn {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- pki.ServeLDAP(listener) }()
	connection, err := ldap.DialURL("ldap://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = connection.Close()
		_ = listener.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if err := connection.UnauthenticatedBind(""); err != nil {
		t.Fatal(err)
	}
	return connection
}

// lookUp follows an LDAP URL of a certificate (RFC 4516): name, attribute,
// scope, filter.
func lookUp(t *testing.T, connection *ldap.Conn, address string) ([]byte, error) {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(parsed.RawQuery, "?")
	found, err := connection.Search(ldap.NewSearchRequest(strings.TrimPrefix(parsed.Path, "/"), ldap.ScopeBaseObject,
		ldap.NeverDerefAliases, 0, 0, false, "("+parts[2]+")", parts[:1], nil))
	if err != nil {
		return nil, err
	}
	if len(found.Entries) != 1 {
		t.Fatalf("%d entries, want 1", len(found.Entries))
	}
	return found.Entries[0].GetEqualFoldRawAttributeValue(parts[0]), nil
}

func TestDirectory(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pki := newPKI(t, testpki.Options{Test: true, Now: atNoon, LDAPURL: "ldap://" + listener.Addr().String()})
	connection := serveLDAP(t, listener, pki)
	card, err := pki.Card(testpki.CardSpec{WithoutSignature: true})
	if err != nil {
		t.Fatal(err)
	}
	leaf, issuer := card.Authentication.Certificate, card.Authentication.Issuer

	read := func(address string) []byte {
		t.Helper()
		der, err := lookUp(t, connection, address)
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		return der
	}
	overHTTP := body(t, get(t, pki.Handler(), issuer.CRLPath(), ""))
	if !bytes.Equal(read(leaf.CRLDistributionPoints[1]), overHTTP) {
		t.Error("the CRL in the directory is not the one over HTTP")
	}
	root := parseCRL(t, read(issuer.Certificate.CRLDistributionPoints[1]), nil)
	if err := root.CheckSignatureFrom(issuer.Parent.Certificate); err != nil {
		t.Errorf("the root's CRL: %v", err)
	}
	if got := read(strings.Replace(issuer.LDAPDeltaURL(), "deltarevocationlist", "cACertificate", 1)); !bytes.Equal(got, issuer.Certificate.Raw) {
		t.Error("not the authority's certificate")
	}
	if got := read(strings.Replace(issuer.LDAPDeltaURL(), "deltarevocationlist", "userPassword", 1)); len(got) != 0 {
		t.Errorf("an attribute that it does not have: %x", got)
	}
	whole, err := connection.Search(ldap.NewSearchRequest("CN=TEST AC RACINE IGC-SANTE FORT,OU=IGC-SANTE TEST,OU=0002 187512751,O=ASIP-SANTE,C=FR",
		ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", nil, nil))
	if err != nil || len(whole.Entries) != 1 || len(whole.Entries[0].Attributes) != 3 {
		t.Errorf("asked for everything: %+v, %v", whole, err)
	}
	_, err = lookUp(t, connection, strings.Replace(issuer.LDAPDeltaURL(), "FORT", "FAIBLE", 1))
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		t.Errorf("an entry that does not exist: %v", err)
	}
}

// TestDeltaInTheDirectory: a revocation that only the delta CRL knows of, because
// the full one stays as it was published.
func TestDeltaInTheDirectory(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pki := newPKI(t, testpki.Options{Test: true, Now: atNoon, LDAPURL: "ldap://" + listener.Addr().String()})
	connection := serveLDAP(t, listener, pki)
	issuer := pki.Issuer(testpki.Fort, testpki.Persons)
	delta := func() (int64, string, int) {
		t.Helper()
		der, err := lookUp(t, connection, issuer.LDAPDeltaURL())
		list := parseCRL(t, der, err)
		return list.Number.Int64(), crlExtension(list, testpki.ExtensionDeltaCRL.String()), len(list.RevokedCertificateEntries)
	}
	expect := func(step string, number int64, base string, entries int) {
		t.Helper()
		if n, b, e := delta(); n != number || b != base || e != entries {
			t.Errorf("%s: number %d on base %s with %d entries, want %d, %s, %d", step, n, b, e, number, base, entries)
		}
	}
	full, err := issuer.CRL(testpki.CRLSpec{})
	if err != nil {
		t.Fatal(err)
	}
	issuer.Publish(full)
	expect("nothing revoked", 2, "020101", 0)
	issuer.Revoke(big.NewInt(77), noon, testpki.ReasonKeyCompromise)
	expect("one revoked", 3, "020101", 1)
	expect("asked again", 3, "020101", 1)
	if response := get(t, pki.Handler(), issuer.CRLPath(), ""); response.StatusCode != http.StatusOK || !bytes.Equal(body(t, response), full) {
		t.Error("the published CRL has changed")
	}
	issuer.Publish(nil)
	if n := parseCRL(t, body(t, get(t, pki.Handler(), issuer.CRLPath(), "")), nil).Number.Int64(); n != 4 {
		t.Errorf("the next full CRL has number %d, want 4", n)
	}
	expect("on the new base", 5, "020104", 0)
	issuer.PublishDelta([]byte("no delta"))
	if der, err := lookUp(t, connection, issuer.LDAPDeltaURL()); err != nil || string(der) != "no delta" {
		t.Errorf("published delta: %q, %v", der, err)
	}
}

// FuzzDirectory: whatever a client sends, the directory answers in whole LDAP
// messages and hangs up.
func FuzzDirectory(f *testing.F) {
	pki, err := testpki.New(testpki.Options{Test: true, Now: atNoon})
	if err != nil {
		f.Fatal(err)
	}
	bind := []byte{0x30, 12, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0}
	search := []byte{0x30, 37, 2, 1, 2, 0x63, 32, 4, 4, 'c', '=', 'F', 'R', 10, 1, 0, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0, 0x87, 3, 'o', 'b', 'j', 0x30, 2, 4, 0, 0, 0}
	f.Add(bind)
	f.Add(append(bytes.Clone(bind), search...))
	f.Add([]byte{0x30, 0x84, 0, 0, 0, 1})
	f.Add([]byte{0x30, 0x83, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, sent []byte) {
		var answered bytes.Buffer
		if err := pki.AnswerLDAP(bytes.NewReader(sent), &answered); err == nil {
			t.Error("an ended connection goes on")
		}
		for rest := answered.Bytes(); len(rest) > 0; {
			var message asn1.RawValue
			if rest, err = asn1.Unmarshal(rest, &message); err != nil {
				t.Fatalf("answered %x: %v", answered.Bytes(), err)
			}
		}
	})
}
