package identity

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Errors of identifier checks. Callers compare with errors.Is.
var (
	ErrUnknownForm = errors.New("identifier of an unknown form")
	ErrCheckDigit  = errors.New("check digit does not match")
	ErrMalformed   = errors.New("malformed identifier")
)

// maxIdentifier bounds an identifier's length in bytes. The longest form known,
// 5<SIRET>/<register number>, stays under 40; UUIDs take 36.
const maxIdentifier = 64

// IdNatKind is the type digit that a PS_IdNat begins with (ANS, TRE_G08).
type IdNatKind byte

// The type digits of a PS_IdNat.
const (
	IdNatUnknown       IdNatKind = 0
	IdNatADELI         IdNatKind = '0'
	IdNatADELIPractice IdNatKind = '1' // employee of a practice known by ADELI
	IdNatDRASS         IdNatKind = '2'
	IdNatFINESS        IdNatKind = '3' // employee: FINESS/register number
	IdNatSIREN         IdNatKind = '4' // employee: SIREN/register number
	IdNatSIRET         IdNatKind = '5' // employee: SIRET/register number
	IdNatRPPSPractice  IdNatKind = '6' // employee of a practice known by RPPS
	IdNatRPPS          IdNatKind = '8'
	IdNatStudent       IdNatKind = '9'
)

// PSIdNat is a professional's national identifier (PS_IdNat): a type digit
// followed by the identifier. It is kept verbatim; Check tells whether its
// form is known.
type PSIdNat string

// ParsePSIdNat refuses what cannot be an identifier at all: empty, longer than
// 64 bytes, not UTF-8, or holding anything but visible ASCII. Unknown forms
// pass, and are flagged by Check.
func ParsePSIdNat(s string) (PSIdNat, error) {
	if err := checkVisible(s); err != nil {
		return "", fmt.Errorf("PS_IdNat: %w", err)
	}
	return PSIdNat(s), nil
}

// Kind is the type digit when the form behind it is known, else IdNatUnknown.
// A wrong RPPS key does not change the kind; Check reports it.
func (id PSIdNat) Kind() IdNatKind {
	if len(id) < 2 {
		return IdNatUnknown
	}
	kind, rest := IdNatKind(id[0]), string(id[1:])
	known := false
	switch kind {
	case IdNatRPPS:
		known = len(rest) == rppsLength && allDigits(rest)
	case IdNatADELI, IdNatDRASS:
		known = len(rest) == adeliLength && allAlphanumeric(rest)
	case IdNatADELIPractice:
		known = withRegister(rest, func(s string) bool { return len(s) == adeliLength && allAlphanumeric(s) })
	case IdNatFINESS:
		known = withRegister(rest, isFINESS)
	case IdNatSIREN:
		known = withRegister(rest, isSIREN)
	case IdNatSIRET:
		known = withRegister(rest, isSIRET)
	case IdNatRPPSPractice:
		known = withRegister(rest, isRPPSPractice)
	case IdNatStudent:
		known = allAlphanumeric(rest)
	}
	if !known {
		return IdNatUnknown
	}
	return kind
}

// Check returns nil for a known form whose key is right, ErrUnknownForm for a
// form that is none of the documented ones, ErrCheckDigit for an RPPS whose
// Luhn key is wrong.
func (id PSIdNat) Check() error {
	switch id.Kind() {
	case IdNatUnknown:
		return ErrUnknownForm
	case IdNatRPPS:
		return RPPS(id[1:]).Check()
	}
	return nil
}

// RPPS returns the RPPS number of an independent or salaried professional
// known by RPPS.
func (id PSIdNat) RPPS() (RPPS, bool) {
	if id.Kind() != IdNatRPPS {
		return "", false
	}
	return RPPS(id[1:]), true
}

// IsTest reports an RPPS of ANS's test range (997… and 999…).
func (id PSIdNat) IsTest() bool {
	r, ok := id.RPPS()
	return ok && (strings.HasPrefix(string(r), "997") || strings.HasPrefix(string(r), "999"))
}

const (
	rppsLength  = 11
	adeliLength = 9
)

// RPPS is a number of the Répertoire partagé des professionnels de santé:
// 11 digits for life, the last one a Luhn key over all eleven.
type RPPS string

// Check verifies length, digits and the Luhn key.
func (r RPPS) Check() error {
	if len(r) != rppsLength || !allDigits(string(r)) {
		return ErrMalformed
	}
	if !luhn(string(r)) {
		return ErrCheckDigit
	}
	return nil
}

// StructureKind is the type digit of a structure identifier.
type StructureKind byte

// The type digits of a structure identifier.
const (
	StructureUnknown       StructureKind = 0
	StructureADELIPractice StructureKind = '0'
	StructureFINESS        StructureKind = '1'
	StructureSIREN         StructureKind = '2'
	StructureSIRET         StructureKind = '3'
	StructureRPPSPractice  StructureKind = '4'
)

// StructureID identifies the structure (establishment, practice) in which an
// employee works, kept verbatim: the OU of an employee's certificate.
type StructureID string

// ParseStructureID refuses what cannot be an identifier at all; unknown forms
// pass, with StructureUnknown as their kind.
func ParseStructureID(s string) (StructureID, error) {
	if err := checkVisible(s); err != nil {
		return "", fmt.Errorf("structure identifier: %w", err)
	}
	return StructureID(s), nil
}

// Kind is the type digit when the form behind it is known.
func (id StructureID) Kind() StructureKind {
	if len(id) < 2 {
		return StructureUnknown
	}
	kind, rest := StructureKind(id[0]), string(id[1:])
	known := false
	switch kind {
	case StructureADELIPractice:
		known = len(rest) == adeliLength && allAlphanumeric(rest)
	case StructureFINESS:
		known = isFINESS(rest)
	case StructureSIREN:
		known = isSIREN(rest)
	case StructureSIRET:
		known = isSIRET(rest)
	case StructureRPPSPractice:
		known = isRPPSPractice(rest)
	}
	if !known {
		return StructureUnknown
	}
	return kind
}

func checkVisible(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%w: empty", ErrMalformed)
	case len(s) > maxIdentifier:
		return fmt.Errorf("%w: longer than %d bytes", ErrMalformed, maxIdentifier)
	case !utf8.ValidString(s):
		return fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return fmt.Errorf("%w: character %U", ErrMalformed, r)
		}
	}
	return nil
}

// withRegister splits "<structure>/<register number>".
func withRegister(s string, structure func(string) bool) bool {
	id, register, found := strings.Cut(s, "/")
	return found && register != "" && structure(id)
}

// isFINESS: nine characters; Corsica's departments are 2A and 2B, and test
// numbers hold letters elsewhere too, so letters are accepted anywhere.
func isFINESS(s string) bool { return len(s) == 9 && allAlphanumeric(s) }
func isSIREN(s string) bool  { return len(s) == 9 && allDigits(s) }
func isSIRET(s string) bool  { return len(s) == 14 && allDigits(s) }

// isRPPSPractice: the holder's RPPS, and what may tell several practices apart.
// The same form stands in PS_IdNat of type 6 and structures of type 4.
func isRPPSPractice(s string) bool {
	return len(s) >= rppsLength && allDigits(s[:rppsLength]) && allAlphanumeric(s)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func allAlphanumeric(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return s != ""
}

// luhn verifies a decimal number whose last digit is its Luhn key
// (ISO/IEC 7812-1 annex B).
func luhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
