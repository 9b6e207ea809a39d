package authenticator

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
)

// Flags of authenticator data (WebAuthn §6.1).
const (
	flagUserPresent  = 0x01
	flagUserVerified = 0x04
	flagAttested     = 0x40
	flagExtensions   = 0x80
)

// authData is authenticator data about to be encoded.
type authData struct {
	rpID       string
	up, uv     bool
	aaguid     [16]byte
	credential []byte // attested credential data follows if set
	key        *ecdsa.PrivateKey
	extensions map[string]any
}

// encode counts a signature and encodes authenticator data (WebAuthn §6.1).
func (e *Engine) encode(d authData) ([]byte, error) {
	e.state.Counter++
	e.dirty = true
	hash := sha256.Sum256([]byte(d.rpID))
	out := append(hash[:], d.flags())
	out = binary.BigEndian.AppendUint32(out, e.state.Counter)
	if d.credential != nil {
		public, err := cosePublic(d.key)
		if err != nil {
			return nil, err
		}
		encoded, err := encoding.Marshal(public)
		if err != nil {
			return nil, err
		}
		out = append(out, d.aaguid[:]...)
		out = binary.BigEndian.AppendUint16(out, uint16(len(d.credential)))
		out = append(out, d.credential...)
		out = append(out, encoded...)
	}
	if len(d.extensions) > 0 {
		encoded, err := encoding.Marshal(d.extensions)
		if err != nil {
			return nil, err
		}
		out = append(out, encoded...)
	}
	return out, nil
}

func (d authData) flags() byte {
	var flags byte
	if d.up {
		flags |= flagUserPresent
	}
	if d.uv {
		flags |= flagUserVerified
	}
	if d.credential != nil {
		flags |= flagAttested
	}
	if len(d.extensions) > 0 {
		flags |= flagExtensions
	}
	return flags
}

// sign is ES256 over authenticator data and client data hash.
func sign(key *ecdsa.PrivateKey, data, clientDataHash []byte) ([]byte, error) {
	h := sha256.New()
	h.Write(data)
	h.Write(clientDataHash)
	return ecdsa.SignASN1(rand.Reader, key, h.Sum(nil))
}
