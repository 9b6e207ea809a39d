package testpki

import (
	"crypto"
	"crypto/sha1" // key identifiers, RFC 5280 §4.2.1.2
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The extensions met in the IGC-Santé, private ones last.
var (
	ExtensionSubjectKeyID      = asn1.ObjectIdentifier{2, 5, 29, 14}
	ExtensionKeyUsage          = asn1.ObjectIdentifier{2, 5, 29, 15}
	ExtensionPrivateKeyUsage   = asn1.ObjectIdentifier{2, 5, 29, 16}
	ExtensionSubjectAltName    = asn1.ObjectIdentifier{2, 5, 29, 17}
	ExtensionBasicConstraints  = asn1.ObjectIdentifier{2, 5, 29, 19}
	ExtensionCRLPoints         = asn1.ObjectIdentifier{2, 5, 29, 31}
	ExtensionPolicies          = asn1.ObjectIdentifier{2, 5, 29, 32}
	ExtensionAuthorityKeyID    = asn1.ObjectIdentifier{2, 5, 29, 35}
	ExtensionExtendedKeyUsage  = asn1.ObjectIdentifier{2, 5, 29, 37}
	ExtensionFreshestCRL       = asn1.ObjectIdentifier{2, 5, 29, 46}
	ExtensionAuthorityInfo     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	ExtensionOCSPNoCheck       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	ExtensionCardType          = asn1.ObjectIdentifier{1, 2, 250, 1, 71, 1, 2, 2}
	ExtensionTokenID           = asn1.ObjectIdentifier{1, 2, 250, 1, 71, 1, 2, 3}
	ExtensionCategory          = asn1.ObjectIdentifier{1, 2, 250, 1, 71, 1, 2, 5}
	ExtensionProfession        = asn1.ObjectIdentifier{1, 2, 250, 1, 71, 1, 2, 7}
	ExtensionFutureProfession  = asn1.ObjectIdentifier{1, 2, 250, 1, 71, 1, 2, 8}
	ExtensionSpecialties       = asn1.ObjectIdentifier{1, 2, 250, 1, 71, 4, 2, 5}
	ExtensionFIDOGenCEAAGUID   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}
	ExtensionSubjectAltNameUPN = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3} // a type of otherName
)

// Extended key usages.
var (
	UsageServerAuth      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	UsageClientAuth      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
	UsageEmailProtection = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 4}
	UsageOCSPSigning     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 9}
	UsageSmartcardLogon  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}
)

// PolicyTest is the certificate policy of the TEST cards. The production one is
// not publicly known: see Options.Policy.
var PolicyTest = asn1.ObjectIdentifier{1, 2, 250, 1, 213, 1, 7, 2, 1, 1, 1, 1}

var (
	policyAny        = asn1.ObjectIdentifier{2, 5, 29, 32, 0}
	qualifierCPS     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 2, 1}
	accessOCSP       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}
	accessCAIssuers  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}
	tagURI           = cbasn1.Tag(6).ContextSpecific()
	tagKeyIdentifier = cbasn1.Tag(0).ContextSpecific()
)

// KeyUsage bits as they stand in the first byte of the BIT STRING.
const (
	UsageDigitalSignature byte = 0x80
	UsageNonRepudiation   byte = 0x40
	UsageKeyEncipherment  byte = 0x20
	UsageKeyCertSign      byte = 0x04
	UsageCRLSign          byte = 0x02
)

func built(build func(b *cryptobyte.Builder)) []byte {
	var b cryptobyte.Builder
	build(&b)
	return b.BytesOrPanic()
}

// BasicConstraints of an authority is critical; of a leaf it is an empty
// SEQUENCE, not critical. A negative pathLen leaves the field out.
func BasicConstraints(ca bool, pathLen int) pkix.Extension {
	value := sequence(func(b *cryptobyte.Builder) {
		if ca {
			b.AddASN1Boolean(true)
		}
		if pathLen >= 0 {
			b.AddASN1Int64(int64(pathLen))
		}
	})
	return pkix.Extension{Id: ExtensionBasicConstraints, Critical: ca, Value: value}
}

// KeyUsage is critical and, as DER wants of a named bit list, without trailing
// zero bits (X.690 §11.2.2).
func KeyUsage(bits byte) pkix.Extension {
	value := append([]byte{byte(cbasn1.BIT_STRING), 2}, namedBits(bits)...)
	return pkix.Extension{Id: ExtensionKeyUsage, Critical: true, Value: value}
}

// namedBits is the content of a BIT STRING of at most eight named bits.
func namedBits(bits byte) []byte {
	unused := byte(0)
	for unused < 7 && bits&(1<<unused) == 0 {
		unused++
	}
	return []byte{unused, bits}
}

// ExtendedKeyUsage lists the purposes.
func ExtendedKeyUsage(purposes ...asn1.ObjectIdentifier) pkix.Extension {
	value := sequence(func(b *cryptobyte.Builder) {
		for _, purpose := range purposes {
			b.AddASN1ObjectIdentifier(purpose)
		}
	})
	return pkix.Extension{Id: ExtensionExtendedKeyUsage, Value: value}
}

// KeyID is the SHA-1 of the public key (RFC 5280 §4.2.1.2, method 1).
func KeyID(public crypto.PublicKey) []byte {
	content, err := keyBytes(public)
	if err != nil {
		panic("testpki: " + err.Error())
	}
	sum := sha1.Sum(content)
	return sum[:]
}

func subjectKeyID(id []byte) pkix.Extension {
	return pkix.Extension{Id: ExtensionSubjectKeyID, Value: built(func(b *cryptobyte.Builder) { b.AddASN1OctetString(id) })}
}

func authorityKeyID(id []byte) pkix.Extension {
	value := sequence(func(b *cryptobyte.Builder) {
		b.AddASN1(tagKeyIdentifier, func(b *cryptobyte.Builder) { b.AddBytes(id) })
	})
	return pkix.Extension{Id: ExtensionAuthorityKeyID, Value: value}
}

// Policies holds one policy with the address of its statement.
func Policies(policy asn1.ObjectIdentifier, statement string) pkix.Extension {
	value := sequence(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(policy)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(qualifierCPS)
					b.AddASN1(cbasn1.IA5String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(statement)) })
				})
			})
		})
	})
	return pkix.Extension{Id: ExtensionPolicies, Value: value}
}

// UPN is a subjectAltName of one otherName, the user principal name.
func UPN(name string) pkix.Extension {
	explicit := tagged(0).Constructed()
	value := sequence(func(b *cryptobyte.Builder) {
		b.AddASN1(explicit, func(b *cryptobyte.Builder) { // GeneralName.otherName
			b.AddASN1ObjectIdentifier(ExtensionSubjectAltNameUPN)
			b.AddASN1(explicit, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
			})
		})
	})
	return pkix.Extension{Id: ExtensionSubjectAltName, Value: value}
}

// crlPoints has one DistributionPoint for each address.
func crlPoints(oid asn1.ObjectIdentifier, uris ...string) pkix.Extension {
	value := sequence(func(b *cryptobyte.Builder) {
		for _, uri := range uris {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addPointName(b, uri) })
		}
	})
	return pkix.Extension{Id: oid, Value: value}
}

// addPointName adds distributionPoint [0] { fullName [0] { URI [6] … } }.
func addPointName(b *cryptobyte.Builder, uris ...string) {
	explicit := tagged(0).Constructed()
	b.AddASN1(explicit, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit, func(b *cryptobyte.Builder) {
			for _, uri := range uris {
				addURI(b, uri)
			}
		})
	})
}

func addURI(b *cryptobyte.Builder, uri string) {
	b.AddASN1(tagURI, func(b *cryptobyte.Builder) { b.AddBytes([]byte(uri)) })
}

func authorityInfo(ocsp, caIssuers string) pkix.Extension {
	value := sequence(func(b *cryptobyte.Builder) {
		for _, access := range []struct {
			method asn1.ObjectIdentifier
			uri    string
		}{{accessOCSP, ocsp}, {accessCAIssuers, caIssuers}} {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(access.method)
				addURI(b, access.uri)
			})
		}
	})
	return pkix.Extension{Id: ExtensionAuthorityInfo, Value: value}
}

// privateKeyUsage stands in signature certificates, with the certificate's own
// validity (X.509 §9.2.2.5).
func privateKeyUsage(notBefore, notAfter time.Time) pkix.Extension {
	value := sequence(func(b *cryptobyte.Builder) {
		for i, at := range []time.Time{notBefore, notAfter} {
			b.AddASN1(tagged(uint8(i)), func(b *cryptobyte.Builder) {
				b.AddBytes([]byte(at.UTC().Format("20060102150405Z")))
			})
		}
	})
	return pkix.Extension{Id: ExtensionPrivateKeyUsage, Value: value}
}

// Category is the product category: an OCTET STRING of one byte.
func Category(value byte) pkix.Extension {
	return pkix.Extension{Id: ExtensionCategory, Value: built(func(b *cryptobyte.Builder) { b.AddASN1OctetString([]byte{value}) })}
}

// Integer is a private extension whose value is an INTEGER: card type,
// profession, future profession.
func Integer(oid asn1.ObjectIdentifier, value int) pkix.Extension {
	return pkix.Extension{Id: oid, Value: built(func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(value)) })}
}

// TokenID is the card's number in a PrintableString.
func TokenID(value string) pkix.Extension {
	return pkix.Extension{Id: ExtensionTokenID, Value: built(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.PrintableString, func(b *cryptobyte.Builder) { b.AddBytes([]byte(value)) })
	})}
}

// Specialties is a SEQUENCE OF UTF8String.
func Specialties(codes ...string) pkix.Extension {
	value := sequence(func(b *cryptobyte.Builder) {
		for _, code := range codes {
			b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(code)) })
		}
	})
	return pkix.Extension{Id: ExtensionSpecialties, Value: value}
}

// UnknownCritical is an extension that no verifier can know, marked critical.
func UnknownCritical() pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Critical: true, Value: []byte{5, 0}}
}

func mustBe(err error, doing string) {
	if err != nil {
		panic(fmt.Sprintf("testpki: %s: %v", doing, err))
	}
}
