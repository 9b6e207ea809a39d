package authenticator_test

import (
	"bytes"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"cpsgate/internal/virtualcard/authenticator"
)

// FuzzHandle throws messages at a card in use: it answers each, with a known
// form, and goes on working.
func FuzzHandle(f *testing.F) {
	seed := func(command byte, parameters m) {
		data, err := canonicalCBOR.Marshal(parameters)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append([]byte{command}, data...))
	}
	f.Add([]byte{0x04})
	f.Add([]byte{0x07})
	f.Add([]byte{0x08})
	f.Add([]byte{0x0B})
	seed(0x01, makeParams(m{6: map[string]any{"credProtect": 2, "hmac-secret": true, "minPinLength": true}, 8: make([]byte, 32), 9: 2}))
	seed(0x02, assertParams(m{3: []any{descriptor(make([]byte, 61))}, 4: map[string]any{"hmac-secret": m{1: cose{2, -25, 1, make([]byte, 32), make([]byte, 32)}, 2: make([]byte, 32), 3: make([]byte, 32), 4: 2}}}))
	seed(0x06, m{1: 2, 2: 2})
	seed(0x06, m{1: 1, 2: 4, 3: cose{2, -25, 1, make([]byte, 32), make([]byte, 32)}, 4: make([]byte, 16), 5: make([]byte, 64), 6: make([]byte, 16)})
	seed(0x06, m{1: 2, 2: 9, 3: cose{2, -25, 1, make([]byte, 32), make([]byte, 32)}, 6: make([]byte, 32), 9: 3, 10: testRP})
	seed(0x0A, m{1: 7, 2: m{2: descriptor([]byte{1}), 3: map[string]any{"id": []byte{1}}}, 3: 2, 4: make([]byte, 32)})
	seed(0x0D, m{1: 3, 2: m{1: 6, 2: []string{testRP}, 3: true}, 3: 2, 4: make([]byte, 32)})
	f.Fuzz(func(t *testing.T, message []byte) {
		p := newPlatform(t, authenticator.Options{HMACSecret: true, BuiltInUV: func() bool { return len(message)%2 == 0 }})
		status, _ := p.call(0x01, makeParams(m{7: map[string]any{"rk": true, "uv": false}}))
		if status != puatRequired { // a finger protects it, and was not asked for
			t.Fatalf("status %#04x", status)
		}
		response := p.engine.Handle(message)
		if len(response) == 0 {
			t.Fatal("no status")
		}
		if len(response) > 1 {
			var body map[uint64]cbor.RawMessage
			if response[0] != ok || cbor.Unmarshal(response[1:], &body) != nil || !bytes.Equal(encode(t, body), response[1:]) {
				t.Errorf("response %x", response)
			}
		}
		if again := p.engine.Handle([]byte{0x04}); again[0] != ok {
			t.Errorf("getInfo afterwards: %x", again)
		}
	})
}
