package identity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"cpsgate/identity"
)

func TestPSIdNat(t *testing.T) {
	for _, test := range []struct {
		name string
		id   string
		kind identity.IdNatKind
		err  error // of Check
	}{
		{"RPPS of a real test card", "899900063480", identity.IdNatRPPS, nil},
		{"RPPS of the range 997", "899700000039", identity.IdNatRPPS, nil},
		{"RPPS outside the test ranges", "810000000009", identity.IdNatRPPS, nil},
		{"employee of an establishment", "30B0057881/CPET0002", identity.IdNatFINESS, nil},
		{"employee, FINESS of Corsica", "32A0000014/12", identity.IdNatFINESS, nil},
		{"ADELI", "0759900011", identity.IdNatADELI, nil},
		{"employee of an ADELI practice", "1759900011/0001", identity.IdNatADELIPractice, nil},
		{"DRASS", "2759900011", identity.IdNatDRASS, nil},
		{"employee by SIREN", "4123456789/A1", identity.IdNatSIREN, nil},
		{"employee by SIRET", "512345678900012/A1", identity.IdNatSIRET, nil},
		{"employee of an RPPS practice", "699900063480/0001", identity.IdNatRPPSPractice, nil},
		{"employee of an RPPS practice with a rank", "699900063480001/0001", identity.IdNatRPPSPractice, nil},
		{"student", "9123456789AB", identity.IdNatStudent, nil},

		{"RPPS with a wrong key keeps its kind", "899900063481", identity.IdNatRPPS, identity.ErrCheckDigit},
		{"RPPS with two digits swapped", "899900036480", identity.IdNatRPPS, identity.ErrCheckDigit},
		{"RPPS one digit short", "89990006348", 0, identity.ErrUnknownForm},
		{"RPPS one digit long", "8999000634800", 0, identity.ErrUnknownForm},
		{"RPPS with a letter", "89990006348A", 0, identity.ErrUnknownForm},
		{"bare RPPS of the test range reads as a student's: nothing tells them apart", "99900063480", identity.IdNatStudent, nil},
		{"Pro Santé Connect's bench", "ANS20211213145613", 0, identity.ErrUnknownForm},
		{"UUID", "0d9f6b7e-7c0f-4c1d-9c53-3c2b1a4f5e6d", 0, identity.ErrUnknownForm},
		{"UUID that begins like an RPPS", "899900e3-4801-4c1d-9c53-3c2b1a4f5e6d", 0, identity.ErrUnknownForm},
		{"UUID that begins like a student", "9d9f6b7e-7c0f-4c1d-9c53-3c2b1a4f5e6d", 0, identity.ErrUnknownForm},
		{"employee without a register number", "30B0057881/", 0, identity.ErrUnknownForm},
		{"employee without a register", "30B0057881", 0, identity.ErrUnknownForm},
		{"employee of a FINESS one short", "30B005788/CPET0002", 0, identity.ErrUnknownForm},
		{"FINESS in lower case", "30b0057881/CPET0002", 0, identity.ErrUnknownForm},
		{"SIREN with a letter", "412345678A/A1", 0, identity.ErrUnknownForm},
		{"SIRET one short", "51234567890001/A1", 0, identity.ErrUnknownForm},
		{"ADELI one short", "075990001", 0, identity.ErrUnknownForm},
		{"practice of an RPPS one short", "69990006348/0001", 0, identity.ErrUnknownForm},
		{"type digit 7, never given out", "7123456789", 0, identity.ErrUnknownForm},
		{"type digit alone", "8", 0, identity.ErrUnknownForm},
	} {
		t.Run(test.name, func(t *testing.T) {
			id, err := identity.ParsePSIdNat(test.id)
			if err != nil {
				t.Fatal(err)
			}
			if string(id) != test.id {
				t.Errorf("kept as %q, want it verbatim", id)
			}
			if got := id.Kind(); got != test.kind {
				t.Errorf("kind %q, want %q", got, test.kind)
			}
			if err := id.Check(); !errors.Is(err, test.err) {
				t.Errorf("check: %v, want %v", err, test.err)
			}
		})
	}
	if err := identity.PSIdNat("").Check(); !errors.Is(err, identity.ErrUnknownForm) {
		t.Errorf("the empty identifier: %v", err)
	}
}

// notIdentifiers cannot be identifiers of any form.
var notIdentifiers = []struct{ name, text string }{
	{"empty", ""},
	{"65 bytes", strings.Repeat("8", 65)},
	{"a space", "89990006 3480"},
	{"a space before", " 899900063480"},
	{"a newline after", "899900063480\n"},
	{"a tab", "8999\t"},
	{"a NUL", "899900063480\x00"},
	{"DEL", "8999\x7f"},
	{"not UTF-8", "8999\xff"},
	{"letters beyond ASCII", "8é"},
	{"digits that are not ASCII's", "８９９９０００６３４８０"},
	{"a right-to-left mark", "8999\u200f"},
}

func TestWhatCannotBeAnIdentifier(t *testing.T) {
	longest := strings.Repeat("8", 64)
	if _, err := identity.ParsePSIdNat(longest); err != nil {
		t.Errorf("64 bytes: %v", err)
	}
	if _, err := identity.ParseStructureID(longest); err != nil {
		t.Errorf("64 bytes: %v", err)
	}
	for _, test := range notIdentifiers {
		t.Run(test.name, func(t *testing.T) {
			if id, err := identity.ParsePSIdNat(test.text); !errors.Is(err, identity.ErrMalformed) || id != "" {
				t.Errorf("PS_IdNat %q, %v", id, err)
			}
			if id, err := identity.ParseStructureID(test.text); !errors.Is(err, identity.ErrMalformed) || id != "" {
				t.Errorf("structure %q, %v", id, err)
			}
		})
	}
}

func TestPSIdNatRPPS(t *testing.T) {
	for _, test := range []struct {
		id   identity.PSIdNat
		rpps identity.RPPS
		ok   bool
		test bool
	}{
		{"899900063480", "99900063480", true, true},
		{"899700000039", "99700000039", true, true},
		{"810000000009", "10000000009", true, false},
		{"899800000004", "99800000004", true, false},
		{"30B0057881/CPET0002", "", false, false},
		{"9997000000", "", false, false},
		{"699900063480/1", "", false, false},
		{"ANS20211213145613", "", false, false},
	} {
		t.Run(string(test.id), func(t *testing.T) {
			rpps, ok := test.id.RPPS()
			if rpps != test.rpps || ok != test.ok {
				t.Errorf("RPPS %q, %v, want %q, %v", rpps, ok, test.rpps, test.ok)
			}
			if got := test.id.IsTest(); got != test.test {
				t.Errorf("test range: %v, want %v", got, test.test)
			}
		})
	}
}

func TestRPPSCheck(t *testing.T) {
	for _, test := range []struct {
		name string
		rpps identity.RPPS
		want error
	}{
		{"right key", "99900063480", nil},
		{"key 0 in the place of another", "99900063470", identity.ErrCheckDigit},
		{"empty", "", identity.ErrMalformed},
		{"ten digits", "9990006348", identity.ErrMalformed},
		{"twelve digits: the type digit is not part of it", "899900063480", identity.ErrMalformed},
		{"a letter", "9990006348A", identity.ErrMalformed},
		{"a sign", "+9900063480", identity.ErrMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.rpps.Check(); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}

// TestRPPSKeyFindsEveryWrongDigit: what a Luhn key is for. Of the ten keys of a
// number exactly one is right, and no single wrong digit goes unseen.
func TestRPPSKeyFindsEveryWrongDigit(t *testing.T) {
	for body := range 50 {
		right := 0
		for key := range 10 {
			rpps := fmt.Sprintf("999%07d%d", body*199_999, key)
			if identity.RPPS(rpps).Check() != nil {
				continue
			}
			right++
			for at := range rpps {
				for digit := byte('0'); digit <= '9'; digit++ {
					wrong := []byte(rpps)
					if wrong[at] = digit; string(wrong) != rpps && identity.RPPS(wrong).Check() == nil {
						t.Errorf("%s passes, one digit away from %s", wrong, rpps)
					}
				}
			}
		}
		if right != 1 {
			t.Errorf("number %d has %d right keys, want 1", body, right)
		}
	}
}

func TestStructureID(t *testing.T) {
	for _, test := range []struct {
		name string
		id   string
		want identity.StructureKind
	}{
		{"FINESS of a real test card", "10B0057881", identity.StructureFINESS},
		{"FINESS of Corsica", "12B0000020", identity.StructureFINESS},
		{"ADELI practice", "0759900011", identity.StructureADELIPractice},
		{"SIREN", "2123456789", identity.StructureSIREN},
		{"SIRET", "312345678900012", identity.StructureSIRET},
		{"RPPS practice", "499900063480", identity.StructureRPPSPractice},
		{"RPPS practice with a rank", "499900063480001", identity.StructureRPPSPractice},

		{"FINESS one short", "10B005788", 0},
		{"FINESS one long", "10B00578810", 0},
		{"FINESS in lower case", "10b0057881", 0},
		{"SIREN with a letter", "212345678A", 0},
		{"SIRET one short", "31234567890001", 0},
		{"RPPS practice one short", "49990006348", 0},
		{"RPPS practice that begins with no RPPS", "4ABCDEFGHIJK", 0},
		{"RPPS practice with a hyphen", "499900063480-1", 0},
		{"ADELI practice one long", "07599000111", 0},
		{"type digit 5, no structure's", "512345678900012", 0},
		{"type digit alone", "1", 0},
		{"a name in place of a number", "HOPITAL", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			id, err := identity.ParseStructureID(test.id)
			if err != nil {
				t.Fatal(err)
			}
			if string(id) != test.id {
				t.Errorf("kept as %q, want it verbatim", id)
			}
			if got := id.Kind(); got != test.want {
				t.Errorf("kind %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzParsePSIdNat(f *testing.F) {
	for _, seed := range []string{"899900063480", "899900063481", "30B0057881/CPET0002", "ANS20211213145613", "9AB", "512345678900012/A1", "0d9f6b7e-7c0f-4c1d-9c53-3c2b1a4f5e6d"} {
		f.Add(seed)
	}
	for _, test := range notIdentifiers {
		f.Add(test.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := identity.ParsePSIdNat(text)
		if err != nil {
			if !errors.Is(err, identity.ErrMalformed) || id != "" {
				t.Fatalf("refused as %v, with %q", err, id)
			}
			return
		}
		if string(id) != text || len(id) == 0 || len(id) > 64 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("%q accepted as %q", text, id)
		}
		kind := id.Kind()
		if kind != identity.IdNatUnknown && byte(kind) != text[0] {
			t.Errorf("kind %q of %q", kind, id)
		}
		if err := id.Check(); (kind == identity.IdNatUnknown) != errors.Is(err, identity.ErrUnknownForm) {
			t.Errorf("kind %q, check %v", kind, err)
		}
		if rpps, ok := id.RPPS(); ok && "8"+string(rpps) != text || !ok && id.IsTest() {
			t.Errorf("RPPS %q of %q", rpps, id)
		}
	})
}

func FuzzParseStructureID(f *testing.F) {
	for _, seed := range []string{"10B0057881", "312345678900012", "499900063480001", "HOPITAL", "", "1\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := identity.ParseStructureID(text)
		if err != nil {
			if !errors.Is(err, identity.ErrMalformed) || id != "" {
				t.Fatalf("refused as %v, with %q", err, id)
			}
			return
		}
		if kind := id.Kind(); string(id) != text || kind != identity.StructureUnknown && byte(kind) != text[0] {
			t.Errorf("%q accepted as %q of kind %q", text, id, kind)
		}
	})
}
