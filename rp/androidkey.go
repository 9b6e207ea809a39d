package rp

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
)

// idAndroidKeyDescription is the extension of Android's attestation
// certificates (WebAuthn L3 §8.4.1).
var idAndroidKeyDescription = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 17}

// The fields of an AuthorizationList that §8.4 speaks of, and their values.
const (
	androidPurpose         = 1
	androidAllApplications = 600
	androidOrigin          = 702

	androidPurposeSign     = 2
	androidOriginGenerated = 0
)

// keyDescription is KeyDescription of Android's certificate schema; later
// versions add fields to the lists only.
type keyDescription struct {
	AttestationVersion       int
	AttestationSecurityLevel asn1.Enumerated
	KeymasterVersion         int
	KeymasterSecurityLevel   asn1.Enumerated
	AttestationChallenge     []byte
	UniqueID                 []byte
	SoftwareEnforced         asn1.RawValue
	TEEEnforced              asn1.RawValue
}

// verifyAndroidKey is WebAuthn L3 §8.4, with the union of both authorization
// lists: no mode of ours promises a trusted execution environment.
func verifyAndroidKey(m cborMap, a attested) (statement, error) {
	if err := m.only("alg", "sig", "x5c"); err != nil {
		return statement{}, err
	}
	alg, err := m.integer("alg")
	if err != nil {
		return statement{}, err
	}
	sig, err := m.bytes("sig")
	if err != nil {
		return statement{}, err
	}
	path, err := readPath(m)
	if err != nil {
		return statement{}, err
	}
	if err := checkCertificateSignature(path[0], alg, a.signed(), sig); err != nil {
		return statement{}, err
	}
	if !a.key.equals(path[0].PublicKey) {
		return statement{}, errors.New("attestation certificate: of another key than the credential's")
	}
	raw, ok := extensionValue(path[0], idAndroidKeyDescription)
	if !ok {
		return statement{}, errors.New("attestation certificate: no key description")
	}
	if err := checkKeyDescription(raw, a.clientDataHash[:]); err != nil {
		return statement{}, fmt.Errorf("attestation certificate: key description: %w", err)
	}
	return statement{kind: typeBasic, path: path}, nil
}

func checkKeyDescription(raw, clientDataHash []byte) error {
	var d keyDescription
	if err := unmarshalWhole(raw, &d); err != nil {
		return err
	}
	if !bytes.Equal(d.AttestationChallenge, clientDataHash) {
		return errors.New("made for another ceremony")
	}
	var generated, signs bool
	for _, list := range []asn1.RawValue{d.SoftwareEnforced, d.TEEEnforced} {
		l, err := readAuthorizations(list)
		if err != nil {
			return err
		}
		if l.allApplications {
			return errors.New("the key is for all applications")
		}
		if l.originSet && l.origin != androidOriginGenerated {
			return errors.New("the key was not generated in the device")
		}
		generated, signs = generated || l.originSet, signs || l.signs
	}
	if !generated || !signs {
		return errors.New("origin or purpose is missing")
	}
	return nil
}

type authorizations struct {
	allApplications  bool
	originSet, signs bool
	origin           int
}

// readAuthorizations walks an AuthorizationList: explicitly tagged fields, most
// of them none of our business.
func readAuthorizations(list asn1.RawValue) (l authorizations, err error) {
	if list.Class != asn1.ClassUniversal || list.Tag != asn1.TagSequence || !list.IsCompound {
		return l, errors.New("an authorization list is no SEQUENCE")
	}
	for rest := list.Bytes; len(rest) > 0; {
		var field asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &field); err != nil {
			return l, err
		}
		if field.Class != asn1.ClassContextSpecific {
			return l, errors.New("an authorization without its tag")
		}
		switch field.Tag {
		case androidAllApplications:
			l.allApplications = true
		case androidOrigin:
			l.originSet = true
			err = unmarshalWhole(field.Bytes, &l.origin)
		case androidPurpose:
			var purposes []int
			if err = unmarshalWith(field.Bytes, &purposes, "set"); err == nil {
				for _, p := range purposes {
					l.signs = l.signs || p == androidPurposeSign
				}
			}
		}
		if err != nil {
			return l, err
		}
	}
	return l, nil
}
