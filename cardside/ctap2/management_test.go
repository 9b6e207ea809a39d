package ctap2_test

import (
	"errors"
	"testing"
	"time"

	"cpsgate/cardside/ctap2"
	"cpsgate/internal/virtualcard/authenticator"
)

func TestManagement(t *testing.T) {
	for _, version := range []authenticator.Version{authenticator.CTAP21, authenticator.CTAP21Pre} {
		name := map[authenticator.Version]string{authenticator.CTAP21: "by 0x0A", authenticator.CTAP21Pre: "by the preview's 0x41"}[version]
		t.Run(name, func(t *testing.T) {
			d := enrolled(t, authenticator.Options{Version: version}, ctap2.Options{})
			ctx, pin := t.Context(), []byte(goodPIN)
			if all, err := d.Credentials(ctx, pin); err != nil || len(all) != 0 {
				t.Fatalf("an empty card lists %v, %v", all, err)
			}
			first := d.made(t, creation("one"))
			d.made(t, creation("two"))
			elsewhere := creation("one")
			elsewhere.RP.ID = "other.localhost"
			d.made(t, elsewhere)

			all, err := d.Credentials(ctx, pin)
			if err != nil || len(all) != 3 {
				t.Fatalf("%d credentials, %v", len(all), err)
			}
			found := false
			for _, stored := range all {
				if string(stored.CredentialID) == string(first.CredentialID) {
					found = stored.RP.ID == rpID && stored.User.Name == "one" && string(stored.PublicKey) == string(first.PublicKey)
				}
			}
			if !found {
				t.Errorf("the first credential is not listed as made: %+v", all)
			}
			if err := d.DeleteCredential(ctx, first.CredentialID, pin); err != nil {
				t.Fatal(err)
			}
			if capacity, err := d.Capacity(ctx, pin); err != nil || capacity.Stored != 2 || capacity.Remaining != 6 {
				t.Errorf("%+v, %v", capacity, err)
			}
			if err := d.DeleteCredential(ctx, first.CredentialID, pin); !errors.Is(err, ctap2.StatusNoCredentials) {
				t.Errorf("deleting it twice: %v", err)
			}
		})
	}
}

func TestUserIsUpdated(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	ctx, pin := t.Context(), []byte(goodPIN)
	made := d.made(t, creation("one"))
	if err := d.UpdateUser(ctx, made.CredentialID, ctap2.User{ID: hash("one"), Name: "renamed"}, pin); err != nil {
		t.Fatal(err)
	}
	all, err := d.Credentials(ctx, pin)
	if err != nil || len(all) != 1 || all[0].User.Name != "renamed" {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestCardsWithoutManagementSaySo(t *testing.T) {
	d := enrolled(t, authenticator.Options{Version: authenticator.CTAP20}, ctap2.Options{})
	if _, err := d.Credentials(t.Context(), []byte(goodPIN)); !errors.Is(err, ctap2.ErrUnsupported) {
		t.Fatalf("got %v", err)
	}
}

func TestConfiguration(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	ctx, pin := t.Context(), []byte(goodPIN)
	if err := d.SetPINPolicy(ctx, ctap2.PINPolicy{MinLength: 6}, pin); err != nil {
		t.Fatal(err)
	}
	if err := d.ToggleAlwaysUV(ctx, pin); err != nil {
		t.Fatal(err)
	}
	info, err := d.Info(ctx)
	if err != nil || info.PINLength() != 6 || !info.Options[ctap2.OptionAlwaysUV] {
		t.Errorf("%+v, %v", info, err)
	}
	if err := d.SetPINPolicy(ctx, ctap2.PINPolicy{MinLength: 4}, pin); !errors.Is(err, ctap2.StatusPINPolicyViolation) {
		t.Errorf("lowering the least length: %v", err)
	}
	if err := d.ToggleAlwaysUV(ctx, []byte(badPIN)); !errors.Is(err, ctap2.StatusPINInvalid) {
		t.Errorf("configuring with a wrong PIN: %v", err)
	}
}

func TestResetErasesWithinItsTimeOnly(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	d := enrolled(t, authenticator.Options{Now: func() time.Time { return now }}, ctap2.Options{})
	now = now.Add(11 * time.Second)
	if err := d.Reset(t.Context()); !errors.Is(err, ctap2.StatusNotAllowed) {
		t.Fatalf("too late: %v", err)
	}
	d.engine.PowerUp()
	if err := d.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := d.Info(t.Context()); err != nil || !info.Blank() {
		t.Errorf("after a reset: %+v, %v", info, err)
	}
}

func TestSelection(t *testing.T) {
	d := newDesk(t, authenticator.Options{}, ctap2.Options{})
	if err := d.Selection(t.Context()); err != nil {
		t.Fatal(err)
	}
}
