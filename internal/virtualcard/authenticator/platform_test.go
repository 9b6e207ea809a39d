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
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"cpsgate/internal/virtualcard/authenticator"
)

// Status bytes the tests speak of (CTAP 2.1 §8.2).
const (
	ok                     = 0x00
	invalidCommand         = 0x01
	invalidParameter       = 0x02
	invalidLength          = 0x03
	unexpectedType         = 0x11
	invalidCBOR            = 0x12
	missingParameter       = 0x14
	limitExceeded          = 0x15
	credentialExcluded     = 0x19
	unsupportedAlgorithm   = 0x26
	operationDenied        = 0x27
	keyStoreFull           = 0x28
	unsupportedOption      = 0x2B
	invalidOption          = 0x2C
	noCredentials          = 0x2E
	notAllowed             = 0x30
	pinInvalid             = 0x31
	pinBlocked             = 0x32
	pinAuthInvalid         = 0x33
	pinAuthBlocked         = 0x34
	pinNotSet              = 0x35
	puatRequired           = 0x36
	pinPolicyViolation     = 0x37
	requestTooLarge        = 0x39
	uvBlocked              = 0x3C
	invalidSubcommand      = 0x3E
	uvInvalid              = 0x3F
	unauthorizedPermission = 0x40
	other                  = 0x7F
)

// Permissions of a token.
const (
	mc   = 0x01
	ga   = 0x02
	cm   = 0x04
	acfg = 0x20
)

const (
	testRP  = "sso.hopital.test"
	testPIN = "4829"
)

type (
	m      = map[uint64]any
	answer = map[uint64]cbor.RawMessage
)

// platform is the client side, written from the specification for these tests.
type platform struct {
	*testing.T
	engine   *authenticator.Engine
	clock    *clock
	protocol uint64
}

// clock is a time that tests move.
type clock struct{ now time.Time }

func (c *clock) advance(d time.Duration) { c.now = c.now.Add(d) }

// newPlatform makes a blank authenticator and its client.
func newPlatform(t *testing.T, o authenticator.Options) *platform {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
	o.Now = func() time.Time { return c.now }
	engine, err := authenticator.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &platform{T: t, engine: engine, clock: c, protocol: 2}
}

// withPIN is newPlatform with testPIN set.
func withPIN(t *testing.T, o authenticator.Options) *platform {
	t.Helper()
	p := newPlatform(t, o)
	p.want(ok, p.setPIN(testPIN))
	return p
}

// in is the same platform for a subtest.
func (p *platform) in(t *testing.T) *platform {
	return &platform{T: t, engine: p.engine, clock: p.clock, protocol: p.protocol}
}

var canonicalCBOR = func() cbor.EncMode {
	mode, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

func encode(t *testing.T, value any) []byte {
	t.Helper()
	data, err := canonicalCBOR.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// call sends a command; parameters nil sends none.
func (p *platform) call(command byte, parameters m) (status byte, a answer) {
	p.Helper()
	message := []byte{command}
	if parameters != nil {
		message = append(message, encode(p.T, parameters)...)
	}
	response := p.engine.Handle(message)
	if len(response) == 0 {
		p.Fatal("empty response")
	}
	if len(response) > 1 {
		if err := cbor.Unmarshal(response[1:], &a); err != nil {
			p.Fatalf("response %x: %v", response, err)
		}
		if response[0] != ok {
			p.Errorf("a body behind status %#x", response[0])
		}
	}
	return response[0], a
}

func (p *platform) want(want, got byte) {
	p.Helper()
	if got != want {
		p.Fatalf("status %#04x, want %#04x", got, want)
	}
}

// read decodes a value of an answer.
func read[T any](p *platform, a answer, key uint64) (value T) {
	p.Helper()
	if err := cbor.Unmarshal(a[key], &value); err != nil {
		p.Fatalf("answer %#x: %v", key, err)
	}
	return value
}

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

var clientDataHash = sha256.Sum256([]byte("client data"))

// makeParams are the parameters of a plain makeCredential of a discoverable
// credential, with changes; a nil value takes a parameter away.
func makeParams(changes m) m {
	parameters := m{
		1: clientDataHash[:],
		2: map[string]any{"id": testRP, "name": "EXEMPLE"},
		3: map[string]any{"id": []byte("user"), "name": "exemple", "displayName": "EXEMPLE Infirmière"},
		4: []any{map[string]any{"alg": -7, "type": "public-key"}},
		7: map[string]any{"rk": true},
	}
	return change(parameters, changes)
}

func change(parameters, changes m) m {
	for key, value := range changes {
		if value == nil {
			delete(parameters, key)
			continue
		}
		parameters[key] = value
	}
	return parameters
}

// verified adds what a token says to makeCredential.
func (p *platform) verified(token []byte, changes m) m {
	return change(makeParams(m{8: p.mac(token, clientDataHash[:]), 9: p.protocol}), changes)
}

// make makes a credential with the PIN and returns its parts.
func (p *platform) make(changes m) made {
	p.Helper()
	parameters := p.verified(p.token(mc, rpOf(changes)), changes)
	status, a := p.call(0x01, parameters)
	p.want(ok, status)
	return p.parseMade(a)
}

// rpOf is the RP that changes to makeParams name.
func rpOf(changes m) string {
	if rp, ok := changes[2].(map[string]any); ok {
		return rp["id"].(string)
	}
	return testRP
}

// made is an answer to makeCredential, taken apart.
type made struct {
	format    string
	data      data
	statement map[string]cbor.RawMessage
	answer    answer
}

func (p *platform) parseMade(a answer) made {
	p.Helper()
	return made{
		format: read[string](p, a, 1), data: p.parseData(read[[]byte](p, a, 2)),
		statement: read[map[string]cbor.RawMessage](p, a, 3), answer: a,
	}
}

// data is authenticator data, taken apart (WebAuthn §6.1).
type data struct {
	raw        []byte
	rpIDHash   []byte
	flags      byte
	counter    uint32
	aaguid     []byte
	id         []byte
	key        cose
	extensions map[string]any
}

func (p *platform) parseData(raw []byte) data {
	p.Helper()
	d := data{raw: raw, rpIDHash: raw[:32], flags: raw[32]}
	d.counter = uint32(raw[33])<<24 | uint32(raw[34])<<16 | uint32(raw[35])<<8 | uint32(raw[36])
	rest := raw[37:]
	if d.flags&0x40 != 0 {
		length := int(rest[16])<<8 | int(rest[17])
		d.aaguid, d.id, rest = rest[:16], rest[18:18+length], rest[18+length:]
		rest = p.first(rest, &d.key)
	}
	if d.flags&0x80 != 0 {
		rest = p.first(rest, &d.extensions)
	}
	if len(rest) != 0 {
		p.Fatalf("%x follows authenticator data", rest)
	}
	return d
}

func (p *platform) first(data []byte, value any) (rest []byte) {
	p.Helper()
	rest, err := cbor.UnmarshalFirst(data, value)
	if err != nil {
		p.Fatal(err)
	}
	return rest
}

// assertParams are the parameters of a plain getAssertion, with changes.
func assertParams(changes m) m {
	return change(m{1: testRP, 2: clientDataHash[:]}, changes)
}

// assert signs with the PIN.
func (p *platform) assert(changes m) (byte, answer) {
	p.Helper()
	rpID := testRP
	if named, ok := changes[1].(string); ok {
		rpID = named
	}
	token := p.token(ga, rpID)
	return p.call(0x02, change(assertParams(m{6: p.mac(token, clientDataHash[:]), 7: p.protocol}), changes))
}

func descriptor(id []byte) map[string]any { return map[string]any{"id": id, "type": "public-key"} }
