package mtls_test

import (
	"testing"

	"cpsgate/mtls"
)

// FuzzBypass: whatever is read says who, why and until when, and no longer than
// is allowed.
func FuzzBypass(f *testing.F) {
	for _, seed := range []string{
		`{"until":"2026-03-02T12:00:00Z","reason":"r","by":"b","at":"2026-03-02T09:00:00Z"}`,
		`{"until":"2999-01-01T00:00:00Z","reason":"r","by":"b","at":"2998-12-31T09:00:00Z"}`,
		`{"until":1}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := mtls.ParseBypass(text)
		if err != nil || b.Check(today()) != nil {
			return
		}
		if b.Reason == "" || b.By == "" || b.Until.Sub(today()) > mtls.MaxBypass || !b.Until.After(today()) {
			t.Errorf("accepted %+v", b)
		}
	})
}

// FuzzDirectoryAddress: whatever LDAP address is taken asks for one attribute of
// one entry.
func FuzzDirectoryAddress(f *testing.F) {
	for _, seed := range []string{
		"ldap://h/c=FR?a?base?(objectClass=*)", "ldap://h/cn=AC%20X,c=FR?certificaterevocationlist;binary?base?objectClass=pkiCA",
		"ldap://h/?a,b", "ldap://h/?a?sub", "ldap://h/?a?base?%zz", "ldap://h/?a?base?x?ext", "ldap://h",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		attributes, scope, err := mtls.DirectorySearch(address)
		if err == nil && (len(attributes) != 1 || attributes[0] == "" || scope != 0) {
			t.Errorf("%q: %v, scope %d", address, attributes, scope)
		}
	})
}
