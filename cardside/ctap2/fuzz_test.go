package ctap2_test

import (
	"bytes"
	"context"
	"testing"

	"cpsgate/cardside/apdu"
	"cpsgate/cardside/ctap2"
	"cpsgate/internal/virtualcard/authenticator"
)

func contextWithCancel(t *testing.T) (context.Context, func()) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

func FuzzParseInfo(f *testing.F) {
	engine, err := authenticator.New(authenticator.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(engine.Handle([]byte{0x04})[1:])
	f.Add(unhex(f, "a20181684649444f5f325f300350"+aaguidHex))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := ctap2.ParseInfo(data)
		if err == nil && (len(info.Versions) == 0 || info.PINLength() < 4 || info.Blank() && info.HasPIN()) {
			t.Fatalf("read as %+v", info)
		}
	})
}

func FuzzParseAuthenticatorData(f *testing.F) {
	f.Add(make([]byte, 37))
	f.Add(append(append(make([]byte, 32), 0x45, 0, 0, 0, 0), append(unhex(f, aaguidHex), 0, 2, 0xAB, 0xCD, 0xA1, 1, 2)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ctap2.ParseAuthenticatorData(data)
		if err != nil {
			return
		}
		if a.Has(ctap2.FlagCredential) != (len(a.CredentialID) > 0) {
			t.Fatalf("flags %02X, credential %X", a.Flags, a.CredentialID)
		}
	})
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(unhex(f, "a401010327200621582000"))
	f.Add(unhex(f, "a5010203262001215820"+aaguidHex+aaguidHex+"225820"+aaguidHex+aaguidHex))
	f.Fuzz(func(t *testing.T, cose []byte) {
		if key, _, err := ctap2.ParsePublicKey(cose); err == nil && key == nil {
			t.Fatal("neither key nor error")
		}
	})
}

func FuzzVerifyAttestation(f *testing.F) {
	f.Add("packed", unhex(f, "a263616c672663736967"+"4101"), make([]byte, 37))
	f.Add("none", unhex(f, "a0"), []byte{})
	f.Fuzz(func(t *testing.T, format string, statement, authData []byte) {
		a := ctap2.Attestation{Format: format, Statement: statement, AuthData: authData}
		if _, err := a.Verify(hash("x")); err == nil {
			t.Fatal("a signature that nobody made verifies")
		}
	})
}

// FuzzAnswers lets a card answer one command with anything: PIN answers,
// attestations, assertions, lists of credentials.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []struct {
		command byte
		nth     byte
		answer  string
	}{
		{0x06, 1, "00a10308"}, {0x06, 2, "00a0"}, {0x06, 3, "00a10250" + aaguidHex},
		{0x01, 1, "00a301667061636b656402410103a0"}, {0x02, 1, "00a20241010341" + "01"},
		{0x0A, 1, "00a203a16269646161045820" + aaguidHex + aaguidHex}, {0x0A, 2, "00a10901"}, {0x08, 1, "2e"}, {0x04, 1, "00a0"},
	} {
		f.Add(seed.command, seed.nth, unhex(f, seed.answer))
	}
	state, err := authenticator.Blank(authenticator.Options{})
	if err != nil {
		f.Fatal(err)
	}
	state = state.WithPIN(goodPIN)
	f.Fuzz(func(t *testing.T, command, nth byte, answer []byte) {
		engine, err := authenticator.Restore(authenticator.Options{}, state)
		if err != nil {
			t.Fatal(err)
		}
		d := deskOf(engine, ctap2.Options{})
		d.card.rewrite = answers(command, int(nth%4), bytes.Clone(answer))
		ctx, pin := t.Context(), []byte(goodPIN)
		d.MakeCredential(ctx, creation("one"))
		d.MakeCredential(ctx, creation("two"))
		d.GetAssertion(ctx, request())
		d.Credentials(ctx, pin)
		d.Capacity(ctx, pin)
		if d.channel.Sent > 5000 {
			t.Fatalf("%d APDUs", d.channel.Sent)
		}
	})
}

// FuzzRawAnswers lets a card answer every APDU with anything.
func FuzzRawAnswers(f *testing.F) {
	f.Add([]byte{10, 'F', 'I', 'D', 'O', '_', '2', '_', '0', 0x90, 0x00, 3, 0x01, 0x90, 0x00})
	f.Add([]byte{2, 0x61, 0x08, 10, 'F', 'I', 'D', 'O', '_', '2', '_', '0', 0x90, 0x00})
	f.Fuzz(func(t *testing.T, script []byte) {
		channel := &apdu.Channel{Transmit: func([]byte) ([]byte, error) {
			if len(script) == 0 {
				return []byte{0x6F, 0x00}, nil
			}
			n := min(int(script[0]), len(script)-1)
			answer := script[1 : 1+n]
			script = script[1+n:]
			return answer, nil
		}}
		client := ctap2.New(func(_ context.Context, f func(*apdu.Channel) error) error { return f(channel) }, ctap2.Options{})
		client.Info(t.Context())
		client.SetPIN(t.Context(), []byte(goodPIN))
		client.GetAssertion(t.Context(), request())
	})
}
