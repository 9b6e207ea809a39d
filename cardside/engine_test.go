//go:build linux && cgo

package cardside_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// TestEngines holds both engines to one contract, on both protocols: a duty of
// cardside.Engine is a line here.
func TestEngines(t *testing.T) {
	places := both(t, virtualcard.Options{FIDO: authenticator.Options{ResidentKeys: 3, PINTries: 5}})
	duties := []struct {
		name string
		does func(*testing.T, *place, cardside.Choice)
	}{
		{"info of a blank card", dutyBlankInfo},
		{"a PIN is set, and changed", dutyPIN},
		{"a credential is made, and signs", dutyCredential},
		{"the allow list is tried to its end", dutyAllowList},
		{"an excluded credential is refused", dutyExclude},
		{"a wrong PIN says what is left", dutyWrongPIN},
		{"the last try is kept", dutyLastTry},
		{"credentials are listed and deleted", dutyKeeper},
		{"a full card says so", dutyFull},
		{"a reset erases", dutyReset},
	}
	for _, engine := range []cardside.EngineName{cardside.EngineCTAP2, cardside.EngineLibfido2} {
		for _, place := range places {
			for _, duty := range duties {
				t.Run(string(engine)+", "+place.name+": "+duty.name, func(t *testing.T) {
					duty.does(t, place, cardside.Choice{Engine: engine})
				})
			}
		}
	}
}

func dutyBlankInfo(t *testing.T, p *place, c cardside.Choice) {
	p.wipe(t)
	info, err := p.open(t, c).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !info.Blank() || info.AAGUID != authenticator.DefaultAAGUID || !slices.Contains(info.Versions, "FIDO_2_1") ||
		!slices.Contains(info.Extensions, "credProtect") || !slices.Contains(info.PINProtocols, 2) {
		t.Errorf("%+v", info)
	}
}

func dutyPIN(t *testing.T, p *place, c cardside.Choice) {
	card := p.withPIN(t, c)
	ctx := t.Context()
	if info, err := card.Info(ctx); err != nil || !info.HasPIN() {
		t.Errorf("%+v, %v", info, err)
	}
	if retries, err := card.Retries(ctx); err != nil || retries.Left != 5 {
		t.Errorf("%+v, %v", retries, err)
	}
	if err := card.ChangePIN(ctx, []byte(goodPIN), []byte("314159")); err != nil {
		t.Fatal(err)
	}
	if err := card.ChangePIN(ctx, []byte(goodPIN), []byte(goodPIN)); !errors.Is(err, ctap2.StatusPINInvalid) {
		t.Errorf("the old PIN: %v", err)
	}
	if err := card.ChangePIN(ctx, []byte("314159"), []byte("1")); !errors.Is(err, ctap2.ErrPINTooShort) {
		t.Errorf("too short a PIN: %v", err)
	}
	// Two spellings of one PIN are one PIN.
	if err := card.ChangePIN(ctx, []byte("314159"), []byte("\u00e9\u00e8\u00e7\u00e0")); err != nil {
		t.Fatal(err)
	}
	if err := card.ChangePIN(ctx, []byte("e\u0301e\u0300c\u0327a\u0300"), []byte(goodPIN)); err != nil {
		t.Errorf("the other spelling: %v", err)
	}
}

func dutyCredential(t *testing.T, p *place, c cardside.Choice) {
	card := p.withPIN(t, c)
	ctx := t.Context()
	wanted := creation("one")
	wanted.CredProtect = ctap2.ProtectUVRequired
	attestation, err := card.MakeCredential(ctx, wanted)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := attestation.Verify(wanted.ClientDataHash); err != nil {
		t.Errorf("attestation: %v", err)
	}
	data, err := attestation.Data()
	if err != nil || !data.Has(ctap2.FlagUserVerified) || data.AAGUID != authenticator.DefaultAAGUID {
		t.Fatalf("%+v, %v", data, err)
	}
	for name, r := range map[string]ctap2.Request{"named": request(data.CredentialID), "discovered": request()} {
		signed, err := card.GetAssertion(ctx, r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := ctap2.VerifyAssertion(data.PublicKey, signed[0], r.ClientDataHash); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(signed[0].CredentialID, data.CredentialID) {
			t.Errorf("%s: credential %X", name, signed[0].CredentialID)
		}
		if name == "discovered" && (signed[0].User == nil || !bytes.Equal(signed[0].User.ID, wanted.User.ID)) {
			t.Errorf("%s: user %+v", name, signed[0].User)
		}
	}
	if string(wanted.PIN) != goodPIN {
		t.Error("the caller's PIN was cleared")
	}
}

func dutyAllowList(t *testing.T, p *place, c cardside.Choice) {
	card := p.withPIN(t, c)
	id := made(t, card, creation("one")).CredentialID
	stranger := bytes.Repeat([]byte{9}, len(id))
	signed, err := card.GetAssertion(t.Context(), request(stranger, id))
	if err != nil || !bytes.Equal(signed[0].CredentialID, id) {
		t.Errorf("%+v, %v", signed, err)
	}
	if _, err := card.GetAssertion(t.Context(), request(stranger)); !errors.Is(err, ctap2.StatusNoCredentials) {
		t.Errorf("strangers alone: %v", err)
	}
}

func dutyExclude(t *testing.T, p *place, c cardside.Choice) {
	card := p.withPIN(t, c)
	again := creation("one")
	again.Exclude = [][]byte{made(t, card, creation("one")).CredentialID}
	if _, err := card.MakeCredential(t.Context(), again); !errors.Is(err, ctap2.StatusCredentialExcluded) {
		t.Errorf("got %v", err)
	}
}

func dutyWrongPIN(t *testing.T, p *place, c cardside.Choice) {
	var warned []int
	c.FewTries = func(left int) { warned = append(warned, left) }
	card := p.withPIN(t, c)
	try := func() (*ctap2.PINError, error) {
		r := request()
		r.PIN = []byte(badPIN)
		_, err := card.GetAssertion(t.Context(), r)
		var refused *ctap2.PINError
		errors.As(err, &refused)
		return refused, err
	}
	for _, want := range []struct {
		status ctap2.Status
		left   int
	}{{ctap2.StatusPINInvalid, 4}, {ctap2.StatusPINInvalid, 3}, {ctap2.StatusPINAuthBlocked, 2}, {ctap2.StatusPINAuthBlocked, 2}} {
		if refused, err := try(); refused == nil || refused.Status != want.status || refused.Left != want.left {
			t.Fatalf("got %v; want %v, %d left", err, want.status, want.left)
		}
	}
	if len(warned) == 0 || warned[0] != 3 {
		t.Errorf("warned at %v", warned)
	}
}

func dutyLastTry(t *testing.T, p *place, c cardside.Choice) {
	card := p.withPIN(t, c)
	ctx := t.Context()
	for range 4 { // wrong PINs until one try is left
		card.ChangePIN(ctx, []byte(badPIN), []byte(goodPIN))
		p.card.Engine().PowerUp()
	}
	if err := card.ChangePIN(ctx, []byte(goodPIN), []byte(goodPIN)); !errors.Is(err, ctap2.ErrLastTry) {
		t.Fatalf("the last try, with the right PIN even: %v", err)
	}
	c.SpendLastTry = true
	daring := p.open(t, c)
	if err := daring.ChangePIN(ctx, []byte(badPIN), []byte(goodPIN)); !errors.Is(err, ctap2.StatusPINBlocked) {
		t.Errorf("the last try, on demand: %v", err)
	}
	if err := daring.ChangePIN(ctx, []byte(goodPIN), []byte(goodPIN)); !errors.Is(err, ctap2.StatusPINBlocked) {
		t.Errorf("a blocked card: %v", err)
	}
}

func dutyKeeper(t *testing.T, p *place, c cardside.Choice) {
	card := p.withPIN(t, c)
	ctx, pin := t.Context(), []byte(goodPIN)
	if all, err := card.Credentials(ctx, pin); err != nil || len(all) != 0 {
		t.Fatalf("an empty card: %+v, %v", all, err)
	}
	first := made(t, card, creation("one"))
	made(t, card, creation("two"))
	all, err := card.Credentials(ctx, pin)
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	i := slices.IndexFunc(all, func(s ctap2.Stored) bool { return bytes.Equal(s.CredentialID, first.CredentialID) })
	if i < 0 || all[i].RP.ID != rpID || all[i].User.Name != "one" {
		t.Errorf("%+v", all)
	}
	if err := card.DeleteCredential(ctx, first.CredentialID, pin); err != nil {
		t.Fatal(err)
	}
	if all, err := card.Credentials(ctx, pin); err != nil || len(all) != 1 || all[0].User.Name != "two" {
		t.Errorf("after a deletion: %+v, %v", all, err)
	}
	if err := card.DeleteCredential(ctx, first.CredentialID, pin); !errors.Is(err, ctap2.StatusNoCredentials) {
		t.Errorf("deleting it twice: %v", err)
	}
}

func dutyFull(t *testing.T, p *place, c cardside.Choice) {
	card := p.withPIN(t, c)
	for _, user := range []string{"one", "two", "three"} {
		made(t, card, creation(user))
	}
	if _, err := card.MakeCredential(t.Context(), creation("four")); !errors.Is(err, ctap2.StatusKeyStoreFull) {
		t.Errorf("got %v", err)
	}
}

func dutyReset(t *testing.T, p *place, c cardside.Choice) {
	card := p.withPIN(t, c)
	if err := card.Engine.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := card.Info(t.Context()); err != nil || !info.Blank() {
		t.Errorf("%+v, %v", info, err)
	}
}
