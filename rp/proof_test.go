package rp_test

import (
	"encoding/json"
	"errors"
	"testing"

	"cpsgate/identity"
	"cpsgate/rp"
)

// TestBeginProof: what one passkey is asked, that passkey alone can answer.
func TestBeginProof(t *testing.T) {
	l := newLogin(t, party(t, nil))
	find := func(_, _ []byte) (identity.Passkey, error) { return l.passkey, nil }
	var err error
	if l.options, l.pending, err = l.party.BeginProof(l.passkey); err != nil {
		t.Fatal(err)
	}
	var of struct {
		AllowCredentials []struct {
			ID, Type   string
			Transports []string
		}
		UserVerification string
	}
	if err := json.Unmarshal(l.options, &of); err != nil || len(of.AllowCredentials) != 1 || of.AllowCredentials[0].Type != "public-key" ||
		of.UserVerification != "required" {
		t.Errorf("%+v, %v", of, err)
	}
	if used, err := l.party.FinishLogin(l.pending, l.answer(t), find, now); err != nil || used.Passkey.SignCount == 0 {
		t.Errorf("%+v, %v", used, err)
	}
	other := newLogin(t, l.party)
	_, l.pending, err = l.party.BeginProof(identity.Passkey{ID: []byte("another")})
	if err != nil {
		t.Fatal(err)
	}
	var refused *rp.Refusal
	if _, err := other.party.FinishLogin(l.pending, other.answer(t), find, now); !errors.As(err, &refused) {
		t.Errorf("another credential's answer: %v", err)
	}
	if _, _, err := l.party.BeginProof(identity.Passkey{}); err == nil {
		t.Error("a proof by no credential")
	}
}
