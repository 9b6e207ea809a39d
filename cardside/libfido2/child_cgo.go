//go:build cgo

package libfido2

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime"

	"cpsgate/cardside/ctap2"

	"github.com/fxamacker/cbor/v2"
	"github.com/keys-pub/go-libfido2"
)

// Available reports whether this program was built with libfido2.
const Available = true

// perform has one conversation. It stays on one thread: libfido2 keeps its
// settings by thread.
func perform(r *request) (reply, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	noU2F()
	if r.Operation == opDevices {
		return devices()
	}
	if r.Reader != "" {
		var answer reply
		err := withCard(context.Background(), r, func(path string) (err error) {
			answer, err = at(path, r)
			return err
		})
		return answer, err
	}
	return at(r.Device, r)
}

func devices() (reply, error) {
	found, err := libfido2.DeviceLocations()
	if err != nil {
		return reply{}, translate(err)
	}
	var answer reply
	for _, d := range found {
		answer.Devices = append(answer.Devices, Device{Path: d.Path, Manufacturer: d.Manufacturer, Product: d.Product})
	}
	return answer, nil
}

func at(path string, r *request) (answer reply, err error) {
	device, err := libfido2.NewDevice(path)
	if err != nil {
		return reply{}, translate(err)
	}
	switch r.Operation {
	case opInfo:
		answer.Info, err = readInfo(device)
	case opRetries:
		answer.Retries, err = device.RetryCount()
	case opSetPIN:
		err = device.SetPIN(string(r.NewPIN), "")
	case opChangePIN:
		err = device.SetPIN(string(r.NewPIN), string(r.PIN))
	case opMake:
		answer.Attestation, err = makeCredential(device, r.Creation)
	case opAssert:
		answer.Assertions, err = assert(device, r.Assertion)
	case opCredentials:
		answer.Credentials, err = credentials(device, string(r.PIN))
	case opDelete:
		err = device.DeleteCredential(r.Credential, string(r.PIN))
	case opReset:
		err = device.Reset()
	default:
		err = fmt.Errorf("%w: %q", ErrUnsupported, r.Operation)
	}
	return answer, translate(err)
}

func readInfo(device *libfido2.Device) (*info, error) {
	read, err := device.Info()
	if err != nil {
		return nil, err
	}
	i := &info{Versions: read.Versions, Extensions: read.Extensions, AAGUID: read.AAGUID, Options: map[string]bool{}}
	for _, option := range read.Options {
		i.Options[option.Name] = option.Value == libfido2.True
	}
	for _, p := range read.Protocols {
		i.Protocols = append(i.Protocols, int(p))
	}
	return i, nil
}

var protections = map[ctap2.CredProtect]libfido2.CredProtect{
	0:                             libfido2.CredProtectNone,
	ctap2.ProtectUVOptional:       libfido2.CredProtectUVOptional,
	ctap2.ProtectUVOptionalWithID: libfido2.CredProtectUVOptionalWithID,
	ctap2.ProtectUVRequired:       libfido2.CredProtectUVRequired,
}

func makeCredential(device *libfido2.Device, c *ctap2.Creation) (*ctap2.Attestation, error) {
	if c == nil || len(c.ClientDataHash) == 0 || c.MinPINLength || c.Enterprise != 0 {
		return nil, ErrUnsupported
	}
	if err := probeExcluded(device, c); err != nil {
		return nil, err
	}
	alg := libfido2.ES256
	if len(c.Algorithms) > 0 {
		alg = libfido2.CredentialType(c.Algorithms[0])
	}
	opts := &libfido2.MakeCredentialOpts{CredProtect: protections[c.CredProtect]}
	if c.ResidentKey {
		opts.RK = libfido2.True
	}
	if c.UV {
		opts.UV = libfido2.True
	}
	made, err := device.MakeCredential(c.ClientDataHash,
		libfido2.RelyingParty{ID: c.RP.ID, Name: c.RP.Name},
		libfido2.User{ID: c.User.ID, Name: c.User.Name, DisplayName: c.User.DisplayName},
		alg, string(c.PIN), opts)
	if err != nil {
		return nil, err
	}
	return attestation(made, int(alg))
}

// probeExcluded asks for each excluded credential, silently: go-libfido2 has no
// exclude list.
func probeExcluded(device *libfido2.Device, c *ctap2.Creation) error {
	for _, id := range c.Exclude {
		silent := &libfido2.AssertionOpts{UP: libfido2.False}
		_, err := device.Assertion(c.RP.ID, c.ClientDataHash, [][]byte{id}, string(c.PIN), silent)
		if err == nil {
			return ctap2.StatusCredentialExcluded
		}
		if !errors.Is(translate(err), ctap2.StatusNoCredentials) {
			return err
		}
	}
	return nil
}

// attestation rebuilds the statement from the parts that go-libfido2 hands out.
func attestation(made *libfido2.Attestation, alg int) (*ctap2.Attestation, error) {
	authData, err := unwrap(made.AuthData)
	if err != nil {
		return nil, err
	}
	statement := struct {
		Alg       int      `cbor:"alg,omitempty"`
		Signature []byte   `cbor:"sig,omitempty"`
		Chain     [][]byte `cbor:"x5c,omitempty"`
	}{Alg: alg, Signature: made.Sig}
	if len(made.Cert) > 0 {
		certificate, err := x509.ParseCertificate(made.Cert)
		if err != nil {
			return nil, fmt.Errorf("%w: attestation certificate: %w", ctap2.ErrMalformed, err)
		}
		statement.Alg, statement.Chain = algorithmOf(certificate), [][]byte{made.Cert}
	}
	if made.Format == "none" {
		statement.Alg, statement.Signature = 0, nil
	}
	mode, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	encoded, err := mode.Marshal(statement)
	if err != nil {
		return nil, err
	}
	return &ctap2.Attestation{Format: made.Format, AuthData: authData, Statement: encoded}, nil
}

// algorithmOf is the COSE algorithm that a certificate's key signs with.
func algorithmOf(certificate *x509.Certificate) int {
	switch key := certificate.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P384() {
			return ctap2.ES384
		}
		return ctap2.ES256
	case ed25519.PublicKey:
		return ctap2.EdDSA
	case *rsa.PublicKey:
		return ctap2.RS256
	}
	return 0
}

// unwrap takes authenticator data out of the CBOR byte string it comes in.
func unwrap(wrapped []byte) ([]byte, error) {
	var data []byte
	if err := cbor.Unmarshal(wrapped, &data); err != nil {
		return nil, fmt.Errorf("%w: authenticator data: %w", ctap2.ErrMalformed, err)
	}
	return data, nil
}

// assert tries the credentials of the allow list in turn, as ctap2 does.
func assert(device *libfido2.Device, wanted *ctap2.Request) ([]ctap2.Assertion, error) {
	if wanted == nil || len(wanted.ClientDataHash) == 0 {
		return nil, ErrUnsupported
	}
	if len(wanted.Allow) == 0 {
		return assertOne(device, wanted, nil)
	}
	for _, id := range wanted.Allow {
		found, err := assertOne(device, wanted, [][]byte{id})
		if err == nil || !errors.Is(translate(err), ctap2.StatusNoCredentials) {
			return found, err
		}
	}
	return nil, ctap2.StatusNoCredentials
}

func assertOne(device *libfido2.Device, wanted *ctap2.Request, allow [][]byte) ([]ctap2.Assertion, error) {
	opts := &libfido2.AssertionOpts{}
	if wanted.Silent {
		opts.UP = libfido2.False
	}
	if wanted.UV {
		opts.UV = libfido2.True
	}
	signed, err := device.Assertion(wanted.RPID, wanted.ClientDataHash, allow, string(wanted.PIN), opts)
	if err != nil {
		return nil, err
	}
	authData, err := unwrap(signed.AuthDataCBOR)
	if err != nil {
		return nil, err
	}
	a := ctap2.Assertion{CredentialID: signed.CredentialID, AuthData: authData, Signature: signed.Sig}
	if len(allow) == 1 {
		a.CredentialID = allow[0] // the authenticator may leave it out
	}
	if len(signed.User.ID) > 0 {
		a.User = &ctap2.User{ID: signed.User.ID}
	}
	return []ctap2.Assertion{a}, nil
}

func credentials(device *libfido2.Device, pin string) ([]ctap2.Stored, error) {
	parties, err := device.RelyingParties(pin)
	if errors.Is(translate(err), ctap2.StatusNoCredentials) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []ctap2.Stored
	for _, party := range parties {
		found, err := device.Credentials(party.ID, pin)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			all = append(all, ctap2.Stored{
				RP: ctap2.RelyingParty{ID: party.ID, Name: party.Name}, CredentialID: c.ID,
				User: ctap2.User{ID: c.User.ID, Name: c.User.Name, DisplayName: c.User.DisplayName},
			})
		}
	}
	return all, nil
}
