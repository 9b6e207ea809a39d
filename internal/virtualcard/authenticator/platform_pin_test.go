package authenticator_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
)

// cose is a COSE_Key on P-256.
type cose struct {
	Kty int    `cbor:"1,keyasint"`
	Alg int    `cbor:"3,keyasint"`
	Crv int    `cbor:"-1,keyasint"`
	X   []byte `cbor:"-2,keyasint"`
	Y   []byte `cbor:"-3,keyasint"`
}

// shared is what an exchange on key agreement leaves with the platform.
type shared struct {
	public cose
	hmac   []byte
	aes    []byte
	second bool
}

func (p *platform) agree() shared {
	p.Helper()
	status, a := p.call(0x06, m{1: p.protocol, 2: 0x02})
	p.want(ok, status)
	peer := read[cose](p, a, 1)
	if peer.Kty != 2 || peer.Alg != -25 || peer.Crv != 1 {
		p.Fatalf("key agreement key %+v", peer)
	}
	theirs, err := ecdh.P256().NewPublicKey(append(append([]byte{4}, peer.X...), peer.Y...))
	if err != nil {
		p.Fatal(err)
	}
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		p.Fatal(err)
	}
	z, err := own.ECDH(theirs)
	if err != nil {
		p.Fatal(err)
	}
	point := own.PublicKey().Bytes()
	s := shared{public: cose{2, -25, 1, point[1:33], point[33:]}, second: p.protocol == 2}
	if !s.second {
		key := sha256.Sum256(z)
		s.hmac, s.aes = key[:], key[:]
		return s
	}
	salt := make([]byte, 32)
	s.hmac, _ = hkdf.Key(sha256.New, z, salt, "CTAP2 HMAC key", 32)
	s.aes, _ = hkdf.Key(sha256.New, z, salt, "CTAP2 AES key", 32)
	return s
}

func (s shared) encrypt(plain []byte) []byte {
	block, _ := aes.NewCipher(s.aes)
	iv, out := make([]byte, 16), make([]byte, len(plain))
	if s.second {
		rand.Read(iv)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, plain)
	if s.second {
		return append(iv, out...)
	}
	return out
}

func (s shared) decrypt(data []byte) []byte {
	block, _ := aes.NewCipher(s.aes)
	iv := make([]byte, 16)
	if s.second {
		iv, data = data[:16], data[16:]
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	return out
}

// mac authenticates a message under a shared secret's or a token's key.
func (p *platform) mac(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	if p.protocol == 1 {
		return h.Sum(nil)[:16]
	}
	return h.Sum(nil)
}

func padded(pin string) []byte { return append([]byte(pin), make([]byte, max(0, 64-len(pin)))...) }

func pinHash(pin string) []byte {
	hash := sha256.Sum256([]byte(pin))
	return hash[:16]
}

func (p *platform) setPIN(pin string) byte {
	p.Helper()
	s := p.agree()
	encrypted := s.encrypt(padded(pin))
	status, _ := p.call(0x06, m{1: p.protocol, 2: 0x03, 3: s.public, 4: p.mac(s.hmac, encrypted), 5: encrypted})
	return status
}

func (p *platform) changePIN(old, pin string) byte {
	p.Helper()
	s := p.agree()
	encrypted, hash := s.encrypt(padded(pin)), s.encrypt(pinHash(old))
	mac := p.mac(s.hmac, append(bytes.Clone(encrypted), hash...))
	status, _ := p.call(0x06, m{1: p.protocol, 2: 0x04, 3: s.public, 4: mac, 5: encrypted, 6: hash})
	return status
}

// tryToken asks for a token with permissions; rpID "" is left out.
func (p *platform) tryToken(pin string, permissions int, rpID string) (byte, []byte) {
	p.Helper()
	s := p.agree()
	parameters := m{1: p.protocol, 2: 0x09, 3: s.public, 6: s.encrypt(pinHash(pin)), 9: permissions}
	if rpID != "" {
		parameters[0x0A] = rpID
	}
	return p.receiveToken(s, parameters)
}

// legacyToken is getPinToken.
func (p *platform) legacyToken(pin string) (byte, []byte) {
	p.Helper()
	s := p.agree()
	return p.receiveToken(s, m{1: p.protocol, 2: 0x05, 3: s.public, 6: s.encrypt(pinHash(pin))})
}

func (p *platform) receiveToken(s shared, parameters m) (byte, []byte) {
	p.Helper()
	status, a := p.call(0x06, parameters)
	if status != ok {
		return status, nil
	}
	token := s.decrypt(read[[]byte](p, a, 2))
	if len(token) != 32 {
		p.Fatalf("token of %d bytes", len(token))
	}
	return status, token
}

// token is a token that must be had, with the PIN of withPIN.
func (p *platform) token(permissions int, rpID string) []byte {
	p.Helper()
	status, token := p.tryToken(testPIN, permissions, rpID)
	p.want(ok, status)
	return token
}

// retries are getPINRetries and its power cycle state.
func (p *platform) retries() (int, bool) {
	p.Helper()
	status, a := p.call(0x06, m{2: 0x01})
	p.want(ok, status)
	return read[int](p, a, 3), read[bool](p, a, 4)
}
