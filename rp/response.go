package rp

import (
	"bytes"
	"errors"
	"fmt"
)

// MaxResponse bounds a response: the largest real ones, attested with long
// certificate chains, stay under 16 KiB.
const MaxResponse = 64 << 10

// maxCredentialID is the limit of WebAuthn L3 §7.1 step 25.
const maxCredentialID = 1023

// Bounds of what is kept of a list that the client makes up.
const (
	maxTransports      = 16
	maxTransportLength = 32
)

// response is a RegistrationResponseJSON or an AuthenticationResponseJSON
// (WebAuthn L3 §5.1), parsed and not yet believed. Members that the spec gives
// for convenience (publicKey, authenticatorData of a registration …) repeat
// what the attestation object says under signature, and are not read.
type response struct {
	id             []byte
	attachment     string
	notResident    bool // credProps.rk is false
	clientDataJSON []byte

	attestationObject []byte // registration
	transports        []string

	authenticatorData []byte // authentication
	signature         []byte
	userHandle        []byte
}

var (
	errTooLarge = fmt.Errorf("larger than %d bytes", MaxResponse)
	errMember   = errors.New("a member is missing")
	errIDs      = errors.New("id and rawId differ")
	errKind     = errors.New("type is not public-key")
)

func readResponse(body []byte) (*response, error) {
	if len(body) > MaxResponse {
		return nil, errTooLarge
	}
	var (
		r         response
		rawID     []byte
		kind      string
		responses int
	)
	err := readObject(body, func(name, value []byte) (err error) {
		switch string(name) {
		case "id":
			r.id, err = readBytes(value)
		case "rawId":
			rawID, err = readBytes(value)
		case "type":
			kind, err = readString(value)
		case "authenticatorAttachment":
			if !isNull(value) {
				r.attachment, err = readString(value)
			}
		case "clientExtensionResults":
			err = r.readExtensions(value)
		case "response":
			responses++
			err = r.readInner(value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case kind != "public-key":
		return nil, errKind
	case len(r.id) == 0 || len(r.id) > maxCredentialID:
		return nil, fmt.Errorf("a credential id of %d bytes", len(r.id))
	case !bytes.Equal(r.id, rawID):
		return nil, errIDs
	case responses == 0 || len(r.clientDataJSON) == 0:
		return nil, errMember
	}
	return &r, nil
}

func (r *response) readInner(value []byte) error {
	return readObject(value, func(name, value []byte) (err error) {
		switch string(name) {
		case "clientDataJSON":
			r.clientDataJSON, err = readBytes(value)
		case "attestationObject":
			r.attestationObject, err = readBytes(value)
		case "authenticatorData":
			r.authenticatorData, err = readBytes(value)
		case "signature":
			r.signature, err = readBytes(value)
		case "userHandle":
			if !isNull(value) {
				r.userHandle, err = readBytes(value)
			}
		case "transports":
			if !isNull(value) {
				r.transports, err = readTransports(value)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
}

// readTransports keeps the names as sent, known or not (WebAuthn L3 §7.1 step
// 27): a later browser is given back what an earlier one said.
func readTransports(value []byte) ([]string, error) {
	var list []string
	err := readArray(value, func(value []byte) error {
		s, err := readString(value)
		if err != nil {
			return err
		}
		if len(list) == maxTransports || len(s) > maxTransportLength {
			return errors.New("too many or too long")
		}
		list = append(list, s)
		return nil
	})
	return list, err
}

// readExtensions looks for credProps.rk, and passes over all other outputs,
// asked for or not (WebAuthn L3 §7.1 step 28).
func (r *response) readExtensions(value []byte) error {
	if isNull(value) {
		return nil
	}
	return readObject(value, func(name, value []byte) error {
		if string(name) != "credProps" {
			return nil
		}
		return readObject(value, func(name, value []byte) error {
			if string(name) != "rk" {
				return nil
			}
			resident, err := readBool(value)
			r.notResident = !resident
			return err
		})
	})
}
