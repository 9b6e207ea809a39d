package pkcs11_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"cpsgate/cardside/pkcs11"
	"cpsgate/internal/testpki"
)

func newPKI(t testing.TB) *testpki.PKI {
	t.Helper()
	pki, err := testpki.New(testpki.Options{Test: true})
	if err != nil {
		t.Fatal(err)
	}
	return pki
}

func newCard(t testing.TB, spec testpki.CardSpec) *testpki.Card {
	t.Helper()
	card, err := newPKI(t).Card(spec)
	if err != nil {
		t.Fatal(err)
	}
	return card
}

func TestReadProfile(t *testing.T) {
	pki := newPKI(t)
	altered := func(alter func(*testpki.Template)) *x509.Certificate {
		card, err := pki.Card(testpki.CardSpec{AlterAuth: alter, WithoutSignature: true})
		if err != nil {
			t.Fatal(err)
		}
		return card.Authentication.Certificate
	}
	card, err := pki.Card(testpki.CardSpec{TokenNumber: "4000000001"})
	if err != nil {
		t.Fatal(err)
	}
	technical, err := pki.Technical(testpki.CardSpec{})
	if err != nil {
		t.Fatal(err)
	}
	organisation, err := pki.Organisation(testpki.Fort, "exemple.test", nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pkcs11.ReadProfile(card.Authentication.Certificate)
	if err != nil || p.TokenID != "8025000001/4000000001" || p.UPN != card.Authentication.Certificate.Subject.CommonName+"@carte-cps.fr" {
		t.Fatalf("the authentication certificate: %+v, %v", p, err)
	}
	refused := map[string]*x509.Certificate{
		"the signature certificate":             card.Signature.Certificate,
		"the contactless technical certificate": technical.Certificate,
		"an organisation's certificate":         organisation.Certificate,
		"both usages of a key": altered(func(t *testpki.Template) {
			t.Set(testpki.KeyUsage(testpki.UsageDigitalSignature | testpki.UsageNonRepudiation))
		}),
		"no clientAuth": altered(func(t *testpki.Template) {
			t.Set(testpki.ExtendedKeyUsage(testpki.UsageSmartcardLogon))
		}),
		"no token id":          altered(func(t *testpki.Template) { t.Remove(testpki.ExtensionTokenID) }),
		"no user name":         altered(func(t *testpki.Template) { t.Remove(testpki.ExtensionSubjectAltName) }),
		"another domain":       altered(func(t *testpki.Template) { t.Set(testpki.UPN("x@exemple.test")) }),
		"a domain and no name": altered(func(t *testpki.Template) { t.Set(testpki.UPN("@carte-cps.fr")) }),
	}
	for name, certificate := range refused {
		if p, err := pkcs11.ReadProfile(certificate); !errors.Is(err, pkcs11.ErrProfile) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func FuzzReadProfile(f *testing.F) {
	card := newCard(f, testpki.CardSpec{})
	f.Add(card.Authentication.Certificate.Raw)
	f.Add(card.Signature.Certificate.Raw)
	f.Fuzz(func(t *testing.T, der []byte) {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		if p, err := pkcs11.ReadProfile(certificate); err == nil && (p.TokenID == "" || p.UPN == "") {
			t.Fatalf("accepted as %+v", p)
		}
	})
}

// FuzzExtensions gives the parsers of the two extensions bytes of their own.
func FuzzExtensions(f *testing.F) {
	f.Add([]byte{0x13, 1, 'x'}, []byte{0x30, 0})
	f.Fuzz(func(t *testing.T, tokenID, names []byte) {
		pkcs11.Printable(tokenID)
		pkcs11.ReadUPN(names)
	})
}

func TestMechanisms(t *testing.T) {
	list := func(size int, types ...uint64) (encoded []byte) {
		for _, each := range types {
			if size == 4 {
				encoded = binary.NativeEndian.AppendUint32(encoded, uint32(each))
			} else {
				encoded = binary.NativeEndian.AppendUint64(encoded, each)
			}
		}
		return encoded
	}
	const pkcs1, pss = 0x01, 0x0D // CKM_RSA_PKCS, CKM_RSA_PKCS_PSS
	for _, test := range []struct {
		name string
		list []byte
		size int
		want []uint
		err  error
	}{
		{"two of 64 bits", list(8, pkcs1, pss), 8, []uint{pkcs1, pss}, nil},
		{"two of 32 bits", list(4, pkcs1, pss), 4, []uint{pkcs1, pss}, nil},
		{"none", nil, 8, nil, nil},
		{"one cut short", list(8, pkcs1, pss)[:12], 8, nil, pkcs11.ErrModule},
		{"of a size that no system has", list(8, pkcs1), 2, nil, pkcs11.ErrModule},
		{"of no size", list(8, pkcs1), 0, nil, pkcs11.ErrModule},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := pkcs11.Mechanisms(test.list, test.size)
			if !slices.Equal(got, test.want) || !errors.Is(err, test.err) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// FuzzMechanisms: a list is read to its last byte or refused.
func FuzzMechanisms(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0}, 8)
	f.Add([]byte{1, 0, 0, 0, 13, 0, 0, 0}, 4)
	f.Add([]byte{1, 0, 0}, 4)
	f.Add([]byte{1}, 0)
	f.Fuzz(func(t *testing.T, list []byte, size int) {
		if found, err := pkcs11.Mechanisms(list, size); err == nil && len(found)*size != len(list) {
			t.Fatalf("%d bytes read as %d mechanisms", len(list), len(found))
		}
	})
}

func TestChoice(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	at := func(number string, from, to time.Time) pkcs11.Candidate {
		return pkcs11.NewCandidate(pkcs11.Token{Reader: "Reader of " + number}, number,
			&x509.Certificate{NotBefore: from, NotAfter: to})
	}
	year := func(n int) time.Time { return now.AddDate(n, 0, 0) }
	old, current, next := at("1", year(-3), year(-1)), at("1", year(-1), year(2)), at("1", year(1), year(4))
	other := at("2", year(-1), year(2))
	tests := []struct {
		name   string
		all    []pkcs11.Candidate
		choice pkcs11.Choice
		want   time.Time // NotBefore of the chosen
		err    error
	}{
		{"the only one", []pkcs11.Candidate{current}, pkcs11.Choice{Now: now}, current.NotBefore(), nil},
		{"the valid one after a renewal", []pkcs11.Candidate{old, current}, pkcs11.Choice{Now: now}, current.NotBefore(), nil},
		{"not the one to come", []pkcs11.Candidate{next, current}, pkcs11.Choice{Now: now}, current.NotBefore(), nil},
		{"the newest where none is valid", []pkcs11.Candidate{old, next}, pkcs11.Choice{Now: now}, next.NotBefore(), nil},
		{"two cards and none named", []pkcs11.Candidate{current, other}, pkcs11.Choice{Now: now}, time.Time{}, pkcs11.ErrSeveralTokens},
		{"two cards, one named", []pkcs11.Candidate{old, other}, pkcs11.Choice{Now: now, TokenID: "1"}, old.NotBefore(), nil},
		{"two cards, one reader named", []pkcs11.Candidate{current, other}, pkcs11.Choice{Now: now, Reader: "Reader of 2"}, other.NotBefore(), nil},
		{"another card than the one named", []pkcs11.Candidate{current}, pkcs11.Choice{TokenID: "3"}, time.Time{}, pkcs11.ErrNoCertificate},
		{"none", nil, pkcs11.Choice{}, time.Time{}, pkcs11.ErrNoCertificate},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := pkcs11.Choose(tt.all, tt.choice)
			if !errors.Is(err, tt.err) {
				t.Fatalf("got %v; want %v", err, tt.err)
			}
			if err == nil && !got.NotBefore().Equal(tt.want) {
				t.Fatalf("chose the one from %v", got.NotBefore())
			}
		})
	}
}

func TestPINIsNotPresented(t *testing.T) {
	tests := []struct {
		name  string
		token pkcs11.Token
		spend bool
		want  error
	}{
		{"all is well", pkcs11.Token{FewTries: true}, false, nil},
		{"the last try is kept", pkcs11.Token{LastTry: true}, false, pkcs11.ErrLastTry},
		{"the last try, on demand", pkcs11.Token{LastTry: true}, true, nil},
		{"blocked", pkcs11.Token{PINBlocked: true}, true, pkcs11.ErrPINBlocked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := pkcs11.Allow(pkcs11.Choice{SpendLastTry: tt.spend}, tt.token); !errors.Is(err, tt.want) {
				t.Fatalf("got %v; want %v", err, tt.want)
			}
		})
	}
}

// rsaOpen undoes an RSA signature down to its padding.
func rsaOpen(public *rsa.PublicKey, signature []byte) []byte {
	return new(big.Int).Exp(new(big.Int).SetBytes(signature), big.NewInt(int64(public.E)), public.N).Bytes()
}

func TestDigestInfoIsWhatRSASigns(t *testing.T) {
	card := newCard(t, testpki.CardSpec{WithoutSignature: true})
	key := card.Authentication.Key
	public := card.Authentication.Certificate.PublicKey.(*rsa.PublicKey)
	digest := sha256.Sum256([]byte("x"))
	signature, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	padded := rsaOpen(public, signature)
	info, err := pkcs11.DigestInfo(crypto.SHA256, digest[:])
	if err != nil || !bytes.HasSuffix(padded, info) {
		t.Fatalf("%X, %v is not the end of %X", info, err, padded)
	}
	for name, bad := range map[string]func() ([]byte, error){
		"a hash that TLS 1.2 left behind": func() ([]byte, error) { return pkcs11.DigestInfo(crypto.SHA1, digest[:20]) },
		"a digest cut short":              func() ([]byte, error) { return pkcs11.DigestInfo(crypto.SHA256, digest[:31]) },
	} {
		if _, err := bad(); !errors.Is(err, pkcs11.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFindModule(t *testing.T) {
	there := filepath.Join(t.TempDir(), "module.so")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := pkcs11.FindModule(there); err != nil || found != there {
		t.Errorf("an absolute path: %q, %v", found, err)
	}
	// YSA-2026-01: a library found by a search path may be anybody's.
	for _, path := range []string{"module.so", "./module.so", filepath.Join(filepath.Dir(there), "missing.so")} {
		if found, err := pkcs11.FindModule(path); !errors.Is(err, pkcs11.ErrNoModule) {
			t.Errorf("%s: %q, %v", path, found, err)
		}
	}
}

func TestDefaultModulesAreAbsolute(t *testing.T) {
	env := func(string) string { return `C:\Windows` }
	for system, want := range map[string]string{
		"linux":   "/opt/santesocial/CPS/lib/libcps3_pkcs11_lux.so",
		"darwin":  "/usr/local/lib/libcps3_pkcs11_osx.dylib",
		"windows": `C:\Windows\System32\cps3_pkcs11_w64.dll`,
	} {
		if got := pkcs11.DefaultModulesOf(system, env); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q", system, got)
		}
	}
	if got := pkcs11.DefaultModulesOf("windows", func(string) string { return "" }); len(got) != 0 {
		t.Errorf("Windows without its directory: %q", got)
	}
	if got := pkcs11.DefaultModules(); runtime.GOOS == "linux" && len(got) != 1 {
		t.Errorf("here: %q", got)
	}
}
