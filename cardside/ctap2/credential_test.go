package ctap2_test

import (
	"crypto/sha256"
	"errors"
	"testing"

	"cpsgate/cardside/ctap2"
	"cpsgate/internal/virtualcard/authenticator"

	"github.com/fxamacker/cbor/v2"
)

func TestCredentialIsMadeAndSigns(t *testing.T) {
	for name, version := range generations {
		t.Run(name, func(t *testing.T) {
			d := enrolled(t, authenticator.Options{Version: version}, ctap2.Options{})
			attestation, err := d.MakeCredential(t.Context(), creation("one"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := attestation.Verify(hash("create")); err != nil {
				t.Errorf("attestation: %v", err)
			}
			if _, err := attestation.Verify(hash("another")); !errors.Is(err, ctap2.ErrSignature) {
				t.Errorf("attestation over other client data: %v", err)
			}
			data, err := attestation.Data()
			if err != nil || data.RPIDHash != sha256.Sum256([]byte(rpID)) {
				t.Fatalf("%+v, %v", data, err)
			}
			signed, err := d.GetAssertion(t.Context(), request(data.CredentialID))
			if err != nil || len(signed) != 1 {
				t.Fatal(signed, err)
			}
			if err := ctap2.VerifyAssertion(data.PublicKey, signed[0], hash("get")); err != nil {
				t.Errorf("assertion: %v", err)
			}
			if err := ctap2.VerifyAssertion(data.PublicKey, signed[0], hash("another")); !errors.Is(err, ctap2.ErrSignature) {
				t.Errorf("assertion over other client data: %v", err)
			}
		})
	}
}

func TestAttestationObjectIsWhatRelyingPartiesRead(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	attestation, err := d.MakeCredential(t.Context(), creation("one"))
	if err != nil {
		t.Fatal(err)
	}
	var object struct {
		Format    string          `cbor:"fmt"`
		Statement cbor.RawMessage `cbor:"attStmt"`
		AuthData  []byte          `cbor:"authData"`
	}
	if err := cbor.Unmarshal(attestation.Object(), &object); err != nil {
		t.Fatal(err)
	}
	if object.Format != "packed" || string(object.AuthData) != string(attestation.AuthData) || string(object.Statement) != string(attestation.Statement) {
		t.Errorf("%+v", object)
	}
}

func TestAttestationFaultsAreSeen(t *testing.T) {
	tests := []struct {
		fault authenticator.AttestationFault
		want  error
	}{
		{authenticator.FaultNone, nil},
		{authenticator.FaultSelf, nil},
		{authenticator.FaultNoStatement, ctap2.ErrNoAttestation},
		{authenticator.FaultBadSignature, ctap2.ErrSignature},
	}
	for _, tt := range tests {
		t.Run("fault "+string(tt.fault), func(t *testing.T) {
			d := enrolled(t, authenticator.Options{Fault: tt.fault}, ctap2.Options{})
			attestation, err := d.MakeCredential(t.Context(), creation("one"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := attestation.Verify(hash("create")); !errors.Is(err, tt.want) {
				t.Fatalf("got %v; want %v", err, tt.want)
			}
		})
	}
}

func TestExcludedCredential(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	held := d.made(t, creation("one")).CredentialID
	stranger := hash("stranger")

	t.Run("held by the card", func(t *testing.T) {
		again := creation("one")
		again.Exclude = [][]byte{stranger, held}
		if _, err := d.MakeCredential(t.Context(), again); !errors.Is(err, ctap2.StatusCredentialExcluded) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("held, behind more than the card takes at once", func(t *testing.T) {
		again := creation("one")
		for range 40 {
			again.Exclude = append(again.Exclude, stranger)
		}
		again.Exclude = append(again.Exclude, held)
		if _, err := d.MakeCredential(t.Context(), again); !errors.Is(err, ctap2.StatusCredentialExcluded) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("not held, among more than the card takes at once", func(t *testing.T) {
		again := creation("two")
		for range 40 {
			again.Exclude = append(again.Exclude, stranger)
		}
		d.made(t, again)
	})
}

func TestExtensions(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	ctx := t.Context()
	if err := d.SetPINPolicy(ctx, ctap2.PINPolicy{RPIDs: []string{rpID}}, []byte(goodPIN)); err != nil {
		t.Fatal(err)
	}
	c := creation("one")
	c.CredProtect, c.MinPINLength = ctap2.ProtectUVRequired, true
	data := d.made(t, c)
	var protection, least int
	if err := cbor.Unmarshal(data.Extensions["credProtect"], &protection); err != nil || protection != 3 {
		t.Errorf("credProtect %d, %v", protection, err)
	}
	if err := cbor.Unmarshal(data.Extensions["minPinLength"], &least); err != nil || least != 4 {
		t.Errorf("minPinLength %d, %v", least, err)
	}
	silent := request(data.CredentialID)
	silent.PIN, silent.Silent = nil, true
	if _, err := d.GetAssertion(ctx, silent); !errors.Is(err, ctap2.StatusNoCredentials) {
		t.Errorf("a protected credential without verification: %v", err)
	}
	old := enrolled(t, authenticator.Options{Version: authenticator.CTAP20}, ctap2.Options{})
	if _, err := old.MakeCredential(ctx, c); !errors.Is(err, ctap2.ErrUnsupported) {
		t.Errorf("a card without the extensions: %v", err)
	}
}

func TestEnterpriseAttestation(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	c := creation("one")
	c.Enterprise = 1
	if _, err := d.MakeCredential(t.Context(), c); !errors.Is(err, ctap2.ErrUnsupported) {
		t.Errorf("a card without it: %v", err)
	}
	if err := d.EnableEnterpriseAttestation(t.Context(), []byte(goodPIN)); !errors.Is(err, ctap2.ErrUnsupported) {
		t.Errorf("enabling it there: %v", err)
	}
}

// What the card taught: several ids in an allow list fail on some cards, so
// they are tried one at a time.
func TestAllowListGoesOneAtATime(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	first := d.made(t, creation("one")).CredentialID
	second := d.made(t, creation("two")).CredentialID
	d.card.seen = nil
	signed, err := d.GetAssertion(t.Context(), request(hash("stranger"), second, first))
	if err != nil || len(signed) != 1 || string(signed[0].CredentialID) != string(second) {
		t.Fatal(signed, err)
	}
	asked := 0
	for _, command := range d.card.seen {
		if command == 0x02 {
			asked++
		}
	}
	if asked != 2 {
		t.Errorf("%d getAssertions; want one for the stranger, one for the found", asked)
	}
	if _, err := d.GetAssertion(t.Context(), request(hash("stranger"))); !errors.Is(err, ctap2.StatusNoCredentials) {
		t.Errorf("no credential of the list: %v", err)
	}
}

func TestDiscoverableCredentialsAllAnswer(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	for _, user := range []string{"one", "two", "three"} {
		d.made(t, creation(user))
	}
	signed, err := d.GetAssertion(t.Context(), request())
	if err != nil || len(signed) != 3 {
		t.Fatalf("%d assertions, %v", len(signed), err)
	}
	for i, user := range []string{"three", "two", "one"} { // §6.2.2: newest first
		if signed[i].User == nil || string(signed[i].User.ID) != string(hash(user)) {
			t.Errorf("assertion %d is of %+v; want %s", i, signed[i].User, user)
		}
	}
}

func TestKeyStoreFull(t *testing.T) {
	d := enrolled(t, authenticator.Options{ResidentKeys: 1}, ctap2.Options{})
	d.made(t, creation("one"))
	if _, err := d.MakeCredential(t.Context(), creation("two")); !errors.Is(err, ctap2.StatusKeyStoreFull) {
		t.Fatalf("got %v", err)
	}
}

func TestUnsupportedAlgorithm(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	c := creation("one")
	c.Algorithms = []int{-65535}
	if _, err := d.MakeCredential(t.Context(), c); !errors.Is(err, ctap2.StatusUnsupportedAlgorithm) {
		t.Fatalf("got %v", err)
	}
}
