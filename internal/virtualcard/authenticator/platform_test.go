package authenticator_test

import (
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
