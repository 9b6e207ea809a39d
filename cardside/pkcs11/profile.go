package pkcs11

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrProfile is a certificate that is not the authentication certificate of a
// CPS card.
var ErrProfile = errors.New("not the authentication certificate of a CPS card")

// Extensions and names of the profile (IGC-Santé; Microsoft's UPN).
var (
	oidTokenID = asn1.ObjectIdentifier{1, 2, 250, 1, 71, 1, 2, 3}
	oidSAN     = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidUPN     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
)

const upnDomain = "@carte-cps.fr"

// Profile is what the authentication certificate says that its choice rests on.
type Profile struct {
	TokenID string // "8025000001/" and the card's number
	UPN     string // "<CN>@carte-cps.fr"
}

// ReadProfile checks the authentication profile: keyUsage digitalSignature
// without nonRepudiation, extended usage clientAuth, a UPN of carte-cps.fr and a
// token id. The signature certificate, the contactless technical one and those
// of software all fail it.
func ReadProfile(certificate *x509.Certificate) (Profile, error) {
	switch {
	case certificate.KeyUsage&x509.KeyUsageDigitalSignature == 0,
		certificate.KeyUsage&x509.KeyUsageContentCommitment != 0:
		return Profile{}, fmt.Errorf("%w: key usage", ErrProfile)
	case !slices.Contains(certificate.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return Profile{}, fmt.Errorf("%w: extended key usage", ErrProfile)
	}
	var p Profile
	for _, extension := range certificate.Extensions {
		switch {
		case extension.Id.Equal(oidTokenID):
			p.TokenID = printable(extension.Value)
		case extension.Id.Equal(oidSAN):
			p.UPN = upn(extension.Value)
		}
	}
	if p.TokenID == "" {
		return Profile{}, fmt.Errorf("%w: no token id", ErrProfile)
	}
	if !strings.HasSuffix(p.UPN, upnDomain) || len(p.UPN) == len(upnDomain) {
		return Profile{}, fmt.Errorf("%w: no user name of %s", ErrProfile, upnDomain[1:])
	}
	return p, nil
}

// printable reads a PrintableString to its last byte, or nothing.
func printable(der []byte) string {
	var s string
	if rest, err := asn1.UnmarshalWithParams(der, &s, "printable"); err != nil || len(rest) > 0 {
		return ""
	}
	return s
}

// otherName is GeneralName's first alternative (RFC 5280 §4.2.1.6).
type otherName struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue `asn1:"tag:0"`
}

// upn reads the user principal name among subject alternative names, or
// nothing.
func upn(der []byte) string {
	var names []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &names); err != nil || len(rest) > 0 {
		return ""
	}
	for _, name := range names {
		if name.Class != asn1.ClassContextSpecific || name.Tag != 0 {
			continue
		}
		var other otherName
		if rest, err := asn1.UnmarshalWithParams(name.FullBytes, &other, "tag:0"); err != nil || len(rest) > 0 || !other.Type.Equal(oidUPN) {
			continue
		}
		var s string
		if rest, err := asn1.UnmarshalWithParams(other.Value.Bytes, &s, "utf8"); err == nil && len(rest) == 0 {
			return s
		}
	}
	return ""
}
