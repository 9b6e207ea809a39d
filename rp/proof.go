package rp

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"cpsgate/identity"
)

// BeginProof makes the PublicKeyCredentialRequestOptionsJSON that one passkey,
// and no other, can answer (WebAuthn L3 §7.2 steps 1 and 5): the proof that a
// passkey just registered can be used. FinishLogin judges the answer.
func (p *RelyingParty) BeginProof(passkey identity.Passkey) (json.RawMessage, PendingLogin, error) {
	if len(passkey.ID) == 0 {
		return nil, PendingLogin{}, errors.New("a proof of use needs a credential id")
	}
	pending := PendingLogin{
		Challenge:        challenge(),
		Allowed:          [][]byte{slices.Clone(passkey.ID)},
		UserVerification: UserVerificationRequired,
		Expires:          p.o.Now().Add(p.o.Timeout),
	}
	of := p.requestOptions(pending)
	of.AllowedCredentials = append(of.AllowedCredentials, descriptor(passkey.ID, passkey.Transports))
	options, err := json.Marshal(of)
	if err != nil {
		return nil, PendingLogin{}, fmt.Errorf("writing request options: %w", err)
	}
	return options, pending, nil
}
