package rp

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"time"
)

// verifyTPM is WebAuthn L3 §8.3.
func verifyTPM(m cborMap, a attested, now time.Time) (statement, error) {
	if err := m.only("ver", "alg", "x5c", "sig", "certInfo", "pubArea"); err != nil {
		return statement{}, err
	}
	if ver, err := m.text("ver"); err != nil || ver != "2.0" {
		return statement{}, errors.New("ver is not 2.0")
	}
	alg, err := m.integer("alg")
	if err != nil {
		return statement{}, err
	}
	var sig, certInfo, pubArea []byte
	for key, v := range map[string]*[]byte{"sig": &sig, "certInfo": &certInfo, "pubArea": &pubArea} {
		if *v, err = m.bytes(key); err != nil {
			return statement{}, err
		}
	}
	path, err := readPath(m)
	if err != nil {
		return statement{}, err
	}
	public, err := readTPMPublic(pubArea)
	if err != nil {
		return statement{}, fmt.Errorf("pubArea: %w", err)
	}
	if !public.is(a.key) {
		return statement{}, errors.New("pubArea: of another key than the credential's")
	}
	if err := checkAIKCertificate(path[0]); err != nil {
		return statement{}, fmt.Errorf("AIK certificate: %w", err)
	}
	if err := errors.Join(checkCertificateAAGUID(path[0], a.aaguid), checkInForce(path, now)); err != nil {
		return statement{}, err
	}
	if err := checkCertificateSignature(path[0], alg, certInfo, sig); err != nil {
		return statement{}, err
	}
	if err := checkCertInfo(certInfo, pubArea, public.nameAlgorithm, alg, a); err != nil {
		return statement{}, fmt.Errorf("certInfo: %w", err)
	}
	path[0] = withoutUnhandled(path[0], idSubjectAltName)
	return statement{kind: typeAttCA, path: path}, nil
}

// checkCertInfo is "Validate that certInfo is valid" of §8.3.
func checkCertInfo(raw, pubArea []byte, nameAlgorithm uint16, alg int64, a attested) error {
	info, err := readTPMAttest(raw)
	if err != nil {
		return err
	}
	hasher, ok := coseHash(alg)
	if !ok {
		return fmt.Errorf("unsupported COSE algorithm %d", alg)
	}
	if !bytes.Equal(info.extraData, digest(hasher, a.signed())) {
		return errors.New("made for another ceremony")
	}
	nameHash, ok := tpmHashes[nameAlgorithm]
	if !ok {
		return fmt.Errorf("unknown name algorithm %#x", nameAlgorithm)
	}
	// TPM 2.0 Part 1 §16: a Name is nameAlg || H(pubArea).
	name := append([]byte{byte(nameAlgorithm >> 8), byte(nameAlgorithm)}, digest(nameHash.New(), pubArea)...)
	if !bytes.Equal(info.name, name) {
		return errors.New("the name is not that of pubArea")
	}
	return nil
}

func digest(h hash.Hash, message []byte) []byte {
	h.Write(message)
	return h.Sum(nil)
}

var (
	idSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	idAIKCertificate   = asn1.ObjectIdentifier{2, 23, 133, 8, 3}
	idsTPMDescriptions = []asn1.ObjectIdentifier{
		{2, 23, 133, 2, 1}, // manufacturer
		{2, 23, 133, 2, 2}, // model
		{2, 23, 133, 2, 3}, // version
	}
)
