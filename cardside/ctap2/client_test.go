package ctap2_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"cpsgate/cardside/apdu"
	"cpsgate/cardside/ctap2"
	"cpsgate/internal/virtualcard/authenticator"
)

func TestInfoOfABlankCard(t *testing.T) {
	d := newDesk(t, authenticator.Options{MinPINLength: 6}, ctap2.Options{})
	info, err := d.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !info.Blank() || info.HasPIN() {
		t.Error("a blank card is not seen as blank")
	}
	if info.AAGUID != authenticator.DefaultAAGUID || info.PINLength() != 6 || !slices.Contains(info.Versions, "FIDO_2_1") {
		t.Errorf("read as %+v", info)
	}
	if len(d.Quirks()) != 0 {
		t.Errorf("quirks %v of a sound card", d.Quirks())
	}
}

// What the card taught: each way in which a card is not what was hoped has its
// own error value.
func TestCardsThatAreNot(t *testing.T) {
	answer := func(sw ...byte) func([]byte) []byte { return func([]byte) []byte { return sw } }
	tests := []struct {
		name  string
		fault func(command []byte) []byte
		want  error
	}{
		{"6A82 to SELECT: no FIDO application", answer(0x6A, 0x82), ctap2.ErrNoApplet},
		{"6985 to everything: not over contact", answer(0x69, 0x85), ctap2.ErrNotOverContact},
		{"6985 to what follows SELECT: not over contact", func(c []byte) []byte {
			if c[1] == 0x10 {
				return []byte{0x69, 0x85}
			}
			return nil
		}, ctap2.ErrNotOverContact},
		{"61xx to SELECT and nothing behind it", func(c []byte) []byte {
			if c[1] == 0xA4 {
				return []byte{0x61, 0x08}
			}
			return []byte{0x6D, 0x00}
		}, ctap2.ErrSelectCutShort},
		{"U2F_V2 and no CTAP2 behind it", func(c []byte) []byte {
			if c[1] == 0xA4 {
				return append([]byte("U2F_V2"), 0x90, 0x00)
			}
			return []byte{0x6D, 0x00}
		}, ctap2.ErrU2FOnly},
		{"any other refusal keeps its status", answer(0x6F, 0x00), apdu.NoPreciseDiagnosis},
		{"an empty CTAP answer", func(c []byte) []byte {
			if c[1] == 0x10 {
				return []byte{0x90, 0x00}
			}
			return nil
		}, ctap2.ErrMalformed},
		{"still processing, though P1 asked to wait", func(c []byte) []byte {
			if c[1] == 0x10 {
				return []byte{0x01, 0x91, 0x00}
			}
			return nil
		}, apdu.Processing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t, authenticator.Options{}, ctap2.Options{})
			d.card.fault = tt.fault
			if _, err := d.Info(t.Context()); !errors.Is(err, tt.want) {
				t.Fatalf("got %v; want %v", err, tt.want)
			}
		})
	}
}

// What the card taught: deviations that stand in nobody's way are noted.
func TestQuirksAreNoted(t *testing.T) {
	t.Run("SELECT answered 61xx", func(t *testing.T) {
		d := newDesk(t, authenticator.Options{}, ctap2.Options{})
		d.card.fault = func(c []byte) []byte {
			if c[1] == 0xA4 {
				d.card.pending = []byte("FIDO_2_0")
				return []byte{0x61, 0x08}
			}
			return nil
		}
		wantQuirk(t, d, ctap2.QuirkSelectChained)
	})
	t.Run("not on T=0, where 61xx is how case 4 works", func(t *testing.T) {
		d := newDesk(t, authenticator.Options{}, ctap2.Options{})
		d.channel.Protocol = apdu.T0
		d.card.fault = func(c []byte) []byte {
			if c[1] == 0xA4 {
				d.card.pending = []byte("FIDO_2_0")
				return []byte{0x61, 0x08}
			}
			return nil
		}
		if _, err := d.Info(t.Context()); err != nil || len(d.Quirks()) != 0 {
			t.Fatalf("%v, quirks %v", err, d.Quirks())
		}
	})
	t.Run("U2F_V2 with CTAP2 behind it", func(t *testing.T) {
		d := newDesk(t, authenticator.Options{}, ctap2.Options{})
		d.card.selected = []byte("U2F_V2")
		wantQuirk(t, d, ctap2.QuirkAnnouncesU2F)
	})
	t.Run("an unknown version", func(t *testing.T) {
		d := newDesk(t, authenticator.Options{}, ctap2.Options{})
		d.card.selected = []byte("FIDO_9")
		wantQuirk(t, d, ctap2.QuirkUnknownVersion)
	})
	t.Run("a non-canonical getInfo, where it is accepted", func(t *testing.T) {
		d := newDesk(t, authenticator.Options{NonCanonicalInfo: true}, ctap2.Options{AcceptNotCanonical: true})
		wantQuirk(t, d, ctap2.QuirkNotCanonical)
	})
}

func wantQuirk(t *testing.T, d *desk, want ctap2.Quirk) {
	t.Helper()
	for range 2 { // noted once
		if _, err := d.Info(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(d.Quirks(), []ctap2.Quirk{want}) {
		t.Fatalf("quirks %v; want %s", d.Quirks(), want)
	}
}

func TestNonCanonicalInfoIsRefusedAndShown(t *testing.T) {
	d := newDesk(t, authenticator.Options{NonCanonicalInfo: true}, ctap2.Options{})
	info, err := d.Info(t.Context())
	if !errors.Is(err, ctap2.ErrNotCanonical) || errors.Is(err, ctap2.ErrMalformed) {
		t.Fatalf("got %v", err)
	}
	if info.AAGUID != authenticator.DefaultAAGUID {
		t.Error("what could be read is not shown")
	}
	if err := d.SetPIN(t.Context(), []byte(goodPIN)); !errors.Is(err, ctap2.ErrNotCanonical) {
		t.Errorf("the card is written to all the same: %v", err)
	}
}

// What the card taught: P1=00, and never 80 12 01 00, which ends the session.
func TestEveryCommandIsPlainMSG(t *testing.T) {
	d := newDesk(t, authenticator.Options{}, ctap2.Options{})
	d.card.fault = func(c []byte) []byte {
		if c[0]&0x80 != 0 && (c[1] == 0x12 || c[1] == 0x11 || c[2] != 0 || c[3] != 0) {
			t.Errorf("sent % X", c)
		}
		if c[0] == 0x90 && len(c) != 5+int(c[4]) {
			t.Errorf("Le in the middle of a chain: % X", c)
		}
		return nil
	}
	if err := d.SetPIN(t.Context(), []byte(goodPIN)); err != nil {
		t.Fatal(err)
	}
	long := creation("long")
	long.User.DisplayName = string(bytes.Repeat([]byte("x"), 300))
	d.made(t, long)
	if _, err := d.GetAssertion(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Credentials(t.Context(), []byte(goodPIN)); err != nil {
		t.Fatal(err)
	}
}

// What the card taught: each exchange begins with SELECT, since another program
// may have selected another application; and a card may forget its PIN token
// at SELECT, so a token lives within one exchange.
func TestEachExchangeSelectsAgain(t *testing.T) {
	d := enrolled(t, authenticator.Options{ForgetOnSelect: true}, ctap2.Options{})
	selects := 0
	d.card.fault = func(c []byte) []byte {
		if c[1] == 0xA4 {
			selects++
		}
		return nil
	}
	d.made(t, creation("one"))
	if _, err := d.GetAssertion(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	if selects != 2 {
		t.Errorf("%d SELECTs in two exchanges", selects)
	}
	err := d.Together(t.Context(), func() error {
		if _, err := d.MakeCredential(t.Context(), creation("two")); err != nil {
			return err
		}
		_, err := d.GetAssertion(t.Context(), request())
		return err
	})
	if err != nil || selects != 3 {
		t.Errorf("joined in one exchange: %v, %d SELECTs", err, selects)
	}
}

// One enrolment takes at most 16 APDUs on T=1, short ones, where the tools of
// libfido2 take 28.
func TestEnrolmentBudget(t *testing.T) {
	d := newDesk(t, authenticator.Options{}, ctap2.Options{})
	ctx := t.Context()
	info, err := d.Info(ctx)
	if err != nil || !info.Blank() {
		t.Fatal(info, err)
	}
	var made ctap2.Attestation
	err = d.Together(ctx, func() error {
		if err := d.SetPIN(ctx, []byte(goodPIN)); err != nil {
			return err
		}
		if made, err = d.MakeCredential(ctx, creation("one")); err != nil {
			return err
		}
		data, err := made.Data()
		if err != nil {
			return err
		}
		_, err = d.GetAssertion(ctx, request(data.CredentialID))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if d.channel.Sent > 16 {
		t.Errorf("%d APDUs", d.channel.Sent)
	}
}

func TestOperationsThatWriteAskFirst(t *testing.T) {
	stop := errors.New("another reader")
	asked := 0
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	data := d.made(t, creation("one"))
	guarded := deskOf(d.engine, ctap2.Options{BeforeWrite: func(context.Context) error { asked++; return stop }})
	pin, ctx := []byte(goodPIN), t.Context()
	writes := map[string]func() error{
		"setPIN":    func() error { return guarded.SetPIN(ctx, pin) },
		"changePIN": func() error { return guarded.ChangePIN(ctx, pin, pin) },
		"make":      func() error { _, err := guarded.MakeCredential(ctx, creation("two")); return err },
		"delete":    func() error { return guarded.DeleteCredential(ctx, data.CredentialID, pin) },
		"update":    func() error { return guarded.UpdateUser(ctx, data.CredentialID, ctap2.User{ID: hash("one")}, pin) },
		"config":    func() error { return guarded.ToggleAlwaysUV(ctx, pin) },
		"reset":     func() error { return guarded.Reset(ctx) },
	}
	for name, write := range writes {
		if err := write(); !errors.Is(err, stop) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked != len(writes) || len(guarded.card.seen) != 0 {
		t.Errorf("asked %d times, sent % X", asked, guarded.card.seen)
	}
	if _, err := guarded.GetAssertion(ctx, request()); err != nil || asked != len(writes) {
		t.Errorf("an operation that does not write: %v, asked %d times", err, asked)
	}
}

func TestMessagesTooLongAreNotSent(t *testing.T) {
	d := enrolled(t, authenticator.Options{MaxMsgSize: 1024}, ctap2.Options{})
	if _, err := d.Info(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := len(d.card.seen)
	long := creation("one")
	long.RP.Name = string(bytes.Repeat([]byte("x"), 1024))
	if _, err := d.MakeCredential(t.Context(), long); !errors.Is(err, ctap2.ErrTooLong) {
		t.Fatalf("got %v", err)
	}
	if slices.Contains(d.card.seen[before:], 0x01) {
		t.Error("makeCredential was sent")
	}
}
