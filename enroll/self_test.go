package enroll_test

import (
	"testing"

	"cpsgate/enroll"
	"cpsgate/identity"
)

var cardModel = [16]byte{0xca, 0x4d}

// TestSelfEnrolment: who may register what without the desk.
func TestSelfEnrolment(t *testing.T) {
	applet := func(k *identity.Passkey) { k.Transports = []string{"nfc", "smart-card"} }
	key := func(k *identity.Passkey) { k.Transports, k.AAGUID = []string{"usb"}, [16]byte{0x4e} }
	named := []([16]byte){cardModel}
	for _, c := range []struct {
		name   string
		policy enroll.Policy
		made   func(*identity.Passkey)
		want   enroll.Reason
		card   string // that the passkey lives in
	}{
		{"nothing, where nothing tells a card from a key", enroll.Policy{}, applet, enroll.ReasonPolicy, ""},
		{"a key is refused", enroll.Policy{CardModels: named}, key, enroll.ReasonKey, ""},
		{"a key lives in no card, where policy lets it in", enroll.Policy{SelfEnrolment: enroll.SelfKeys}, key, "", ""},
		{"nor does what its browser calls a card, where no model is named", enroll.Policy{SelfEnrolment: enroll.SelfKeys}, applet, "", ""},
		{"a named model lives in the card there too", enroll.Policy{SelfEnrolment: enroll.SelfKeys, CardModels: named},
			func(k *identity.Passkey) { k.AAGUID = cardModel }, "", cardA},
		{"a named model is a card's, whatever the browser calls the way", enroll.Policy{CardModels: named},
			func(k *identity.Passkey) { k.Transports, k.AAGUID = []string{"usb"}, cardModel }, "", cardA},
		{"and if it calls it nothing", enroll.Policy{CardModels: named},
			func(k *identity.Passkey) { k.Transports, k.AAGUID = nil, cardModel }, "", cardA},
		{"another model is none, whatever the browser calls the way", enroll.Policy{CardModels: named}, applet, enroll.ReasonKey, ""},
		{"nothing, where only the desk enrols", enroll.Policy{SelfEnrolment: enroll.SelfNever}, applet, enroll.ReasonPolicy, ""},
		{"a word of no policy refuses", enroll.Policy{SelfEnrolment: "perhaps"}, applet, enroll.ReasonPolicy, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := staffed(t, c.policy)
			k := d.key(t, "one", alice, "", cardA)
			c.made(&k)
			refusal := wantRefusal(t, d.AddPasskey(t.Context(), k), c.want)
			if refusal != nil {
				return
			}
			kept, err := d.Passkey(t.Context(), k.ID)
			if err != nil || kept.CardTokenID != c.card || kept.State != identity.PasskeyPending {
				t.Errorf("%+v %v", kept, err)
			}
		})
	}
}
