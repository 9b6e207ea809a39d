package mtls

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	// oidUPN is Microsoft's user principal name, an otherName.
	oidUPN = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
)

// upnDomain follows the common name in the UPN of a card's authentication
// certificate.
const upnDomain = "@carte-cps.fr"

// maxUPN bounds a UPN in bytes.
const maxUPN = 256

// ParseUPN reads the user principal name from the raw subject alternative
// name, which crypto/x509 does not keep: OtherName ::= [0] SEQUENCE { type-id
// OBJECT IDENTIFIER, value [0] EXPLICIT UTF8String } (RFC 5280 §4.2.1.6). An
// absent one is "", two of them are an error.
func ParseUPN(extensions []pkix.Extension) (string, error) {
	for _, extension := range extensions {
		if extension.Id.Equal(oidSubjectAltName) {
			upn, err := readUPN(extension.Value)
			if err != nil {
				return "", fmt.Errorf("subject alternative name: %w", err)
			}
			return upn, nil
		}
	}
	return "", nil
}

func readUPN(der []byte) (string, error) {
	var names cryptobyte.String
	s := cryptobyte.String(der)
	if !s.ReadASN1(&names, cbasn1.SEQUENCE) || !s.Empty() {
		return "", fmt.Errorf("not a SEQUENCE")
	}
	otherName := cbasn1.Tag(0).ContextSpecific().Constructed()
	var found string
	for !names.Empty() {
		var name cryptobyte.String
		var tag cbasn1.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			return "", fmt.Errorf("truncated")
		}
		if tag != otherName {
			continue
		}
		upn, err := readOtherName(name)
		if err != nil {
			return "", err
		}
		if upn != "" && found != "" {
			return "", fmt.Errorf("two user principal names")
		}
		if upn != "" {
			found = upn
		}
	}
	return found, nil
}

// readOtherName returns "" for an otherName of another type.
func readOtherName(name cryptobyte.String) (string, error) {
	var id asn1.ObjectIdentifier
	var wrapped, text cryptobyte.String
	if !name.ReadASN1ObjectIdentifier(&id) ||
		!name.ReadASN1(&wrapped, cbasn1.Tag(0).ContextSpecific().Constructed()) || !name.Empty() {
		return "", fmt.Errorf("otherName is not a type and a value")
	}
	if !id.Equal(oidUPN) {
		return "", nil
	}
	if !wrapped.ReadASN1(&text, cbasn1.UTF8String) || !wrapped.Empty() {
		return "", fmt.Errorf("user principal name is not a UTF8String")
	}
	if len(text) > maxUPN || !utf8.Valid(text) {
		return "", fmt.Errorf("user principal name is too long or not UTF-8")
	}
	upn, err := plainText(string(text))
	if err != nil {
		return "", fmt.Errorf("user principal name: %w", err)
	}
	return upn, nil
}
