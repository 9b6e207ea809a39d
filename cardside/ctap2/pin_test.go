package ctap2_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"cpsgate/cardside/ctap2"
	"cpsgate/internal/virtualcard/authenticator"
)

// generations are the authenticators that a PIN must work on.
var generations = map[string]authenticator.Version{
	"CTAP 2.1, protocol two with permissions": authenticator.CTAP21,
	"CTAP 2.1 PRE":           authenticator.CTAP21Pre,
	"CTAP 2.0, protocol one": authenticator.CTAP20,
}

func TestPINOnEveryGeneration(t *testing.T) {
	for name, version := range generations {
		t.Run(name, func(t *testing.T) {
			d := enrolled(t, authenticator.Options{Version: version}, ctap2.Options{})
			ctx := t.Context()
			if info, err := d.Info(ctx); err != nil || !info.HasPIN() {
				t.Fatalf("PIN not set: %+v, %v", info, err)
			}
			if err := d.ChangePIN(ctx, []byte(goodPIN), []byte("314159")); err != nil {
				t.Fatal(err)
			}
			c := creation("one")
			if _, err := d.MakeCredential(ctx, c); !errors.Is(err, ctap2.StatusPINInvalid) {
				t.Errorf("the old PIN: %v", err)
			}
			c.PIN = []byte("314159")
			data := d.made(t, c)
			if !data.Has(ctap2.FlagUserVerified) {
				t.Error("the user is not verified")
			}
		})
	}
}

func TestRetriesAreReadBeforeEachPIN(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	d.card.seen = nil
	d.made(t, creation("one"))
	// getInfo is known; then clientPIN three times (retries, key, token).
	if want := []byte{0x06, 0x06, 0x06, 0x01}; !bytes.Equal(d.card.seen, want) {
		t.Fatalf("sent % X; want % X", d.card.seen, want)
	}
}

func TestWrongPINSaysWhatIsLeft(t *testing.T) {
	var warned []int
	d := enrolled(t, authenticator.Options{PINTries: 5}, ctap2.Options{FewTries: func(left int) { warned = append(warned, left) }})
	ctx := t.Context()
	wrong := func() error {
		_, err := d.GetAssertion(ctx, ctap2.Request{RPID: rpID, ClientDataHash: hash("x"), PIN: []byte(badPIN)})
		return err
	}
	var refused *ctap2.PINError
	if err := wrong(); !errors.As(err, &refused) || refused.Left != 4 || refused.Status != ctap2.StatusPINInvalid {
		t.Fatalf("first wrong PIN: %v", err)
	}
	wrong()
	if err := wrong(); !errors.As(err, &refused) || refused.Left != 2 || refused.Status != ctap2.StatusPINAuthBlocked {
		t.Fatalf("third wrong PIN: %v", err)
	}
	// What the card taught: three wrong tries block until power-off; the
	// counter says so, and no further PIN is sent.
	d.card.seen = nil
	if err := wrong(); !errors.Is(err, ctap2.StatusPINAuthBlocked) {
		t.Fatalf("after the block: %v", err)
	}
	if !bytes.Equal(d.card.seen, []byte{0x06}) {
		t.Errorf("sent % X to a blocked card", d.card.seen)
	}
	d.engine.PowerUp()
	if err := wrong(); !errors.As(err, &refused) || refused.Left != 1 {
		t.Fatalf("after power-off: %v", err)
	}
	// What the card taught: the last try is not spent.
	d.card.seen = nil
	if err := wrong(); !errors.Is(err, ctap2.ErrLastTry) {
		t.Fatalf("the last try: %v", err)
	}
	if !bytes.Equal(d.card.seen, []byte{0x06}) {
		t.Errorf("sent % X with one try left", d.card.seen)
	}
	// What the card taught: a person is warned from three tries left.
	if want := []int{3, 2}; !slices.Equal(warned, want) {
		t.Errorf("warned at %v; want %v", warned, want)
	}
}

func TestLastTryIsSpentOnDemandOnly(t *testing.T) {
	engine := worn(t, 1)
	d := deskOf(engine, ctap2.Options{SpendLastTry: true})
	_, err := d.GetAssertion(t.Context(), ctap2.Request{RPID: rpID, ClientDataHash: hash("x"), PIN: []byte(badPIN)})
	if !errors.Is(err, ctap2.StatusPINBlocked) {
		t.Fatalf("got %v", err)
	}
	d.card.seen = nil
	if err := d.ChangePIN(t.Context(), []byte(goodPIN), []byte("999999")); !errors.Is(err, ctap2.StatusPINBlocked) {
		t.Fatalf("changing the PIN of a blocked card: %v", err)
	}
	if !bytes.Equal(d.card.seen, []byte{0x06}) {
		t.Errorf("sent % X to a card blocked for good", d.card.seen)
	}
}

// worn is a card with the good PIN and few tries left.
func worn(t *testing.T, left int) *authenticator.Engine {
	t.Helper()
	state, err := authenticator.Blank(authenticator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	state = state.WithPIN(goodPIN)
	state.PINRetries = left
	engine, err := authenticator.Restore(authenticator.Options{}, state)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func TestRetriesAllow(t *testing.T) {
	tests := []struct {
		name    string
		retries ctap2.Retries
		spend   bool
		want    error
	}{
		{"eight left", ctap2.Retries{Left: 8}, false, nil},
		{"two left", ctap2.Retries{Left: 2}, false, nil},
		{"the last one is kept", ctap2.Retries{Left: 1}, false, ctap2.ErrLastTry},
		{"the last one, on demand", ctap2.Retries{Left: 1}, true, nil},
		{"none left", ctap2.Retries{}, true, ctap2.StatusPINBlocked},
		{"blocked until power-off", ctap2.Retries{Left: 5, PowerCycle: true}, true, ctap2.StatusPINAuthBlocked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.retries.Allow(tt.spend); !errors.Is(err, tt.want) {
				t.Fatalf("got %v; want %v", err, tt.want)
			}
		})
	}
}

func TestPINRules(t *testing.T) {
	composed, decomposed := "\u00e9\u00e8\u00e7\u00e0", "e\u0301e\u0300c\u0327a\u0300"
	tests := []struct {
		name string
		pin  string
		want error
	}{
		{"four characters", "1234", nil},
		{"63 bytes", string(bytes.Repeat([]byte("7"), 63)), nil},
		{"four characters of several bytes", composed, nil},
		{"three characters", "123", ctap2.ErrPINTooShort},
		{"three characters in seven bytes", "\u00e9\u00e8" + "\u20ac", ctap2.ErrPINTooShort},
		{"64 bytes", string(bytes.Repeat([]byte("7"), 64)), ctap2.ErrPINTooLong},
		{"a NUL", "12345\x00", ctap2.ErrPINTooShort},
		{"not UTF-8", "1234\xff", ctap2.ErrPINTooShort},
		{"empty", "", ctap2.ErrPINTooShort},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t, authenticator.Options{}, ctap2.Options{})
			if err := d.SetPIN(t.Context(), []byte(tt.pin)); !errors.Is(err, tt.want) {
				t.Fatalf("got %v; want %v", err, tt.want)
			}
		})
	}
	t.Run("two spellings of one PIN are one PIN", func(t *testing.T) {
		d := newDesk(t, authenticator.Options{}, ctap2.Options{})
		if err := d.SetPIN(t.Context(), []byte(composed)); err != nil {
			t.Fatal(err)
		}
		if err := d.ChangePIN(t.Context(), []byte(decomposed), []byte("1234")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPINOfTheCallerIsLeftAlone(t *testing.T) {
	d := newDesk(t, authenticator.Options{}, ctap2.Options{})
	pin := []byte(goodPIN)
	if err := d.SetPIN(t.Context(), pin); err != nil || string(pin) != goodPIN {
		t.Fatalf("%q, %v: the caller owns the PIN and clears it", pin, err)
	}
}

func TestPINNotSetAndNotGiven(t *testing.T) {
	blank := newDesk(t, authenticator.Options{}, ctap2.Options{})
	if _, err := blank.MakeCredential(t.Context(), creation("one")); !errors.Is(err, ctap2.StatusPINNotSet) {
		t.Errorf("a PIN for a blank card: %v", err)
	}
	if err := enrolled(t, authenticator.Options{}, ctap2.Options{}).SetPIN(t.Context(), []byte(goodPIN)); !errors.Is(err, ctap2.StatusPINAuthInvalid) {
		t.Errorf("a first PIN where there is one: %v", err)
	}
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	without := creation("one")
	without.PIN = nil
	if _, err := d.MakeCredential(t.Context(), without); !errors.Is(err, ctap2.ErrPINRequired) {
		t.Errorf("no PIN where one is set: %v", err)
	}
}

func TestForcedPINChangeSparesTheTry(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	ctx := t.Context()
	if err := d.SetPINPolicy(ctx, ctap2.PINPolicy{ForceChange: true}, []byte(goodPIN)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.GetAssertion(ctx, request()); !errors.Is(err, ctap2.ErrPINMustChange) {
		t.Fatalf("got %v", err)
	}
	if retries, err := d.Retries(ctx); err != nil || retries.Left != 8 {
		t.Errorf("%+v, %v", retries, err)
	}
	if err := d.ChangePIN(ctx, []byte(goodPIN), []byte("314159")); err != nil {
		t.Fatal(err)
	}
	c := creation("one")
	c.PIN = []byte("314159")
	d.made(t, c)
}

func TestBuiltInUserVerification(t *testing.T) {
	finger := true
	d := enrolled(t, authenticator.Options{BuiltInUV: func() bool { return finger }}, ctap2.Options{})
	c := creation("one")
	c.PIN, c.UV = nil, true
	if data := d.made(t, c); !data.Has(ctap2.FlagUserVerified) {
		t.Error("the user is not verified")
	}
	before, err := d.UVRetries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	finger = false
	if _, err := d.MakeCredential(t.Context(), c); !errors.Is(err, ctap2.StatusUVInvalid) {
		t.Errorf("the wrong finger: %v", err)
	}
	if after, err := d.UVRetries(t.Context()); err != nil || after >= before {
		t.Errorf("%d tries, then %d, %v", before, after, err)
	}
	plain := enrolled(t, authenticator.Options{}, ctap2.Options{})
	if _, err := plain.MakeCredential(t.Context(), c); !errors.Is(err, ctap2.ErrUnsupported) {
		t.Errorf("a card without a finger: %v", err)
	}
}
