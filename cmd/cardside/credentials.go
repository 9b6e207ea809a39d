package main

import (
	"encoding/base64"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
)

type credentialsCommand struct {
	List   credentialsListCommand   `cmd:"" help:"help.credentials-list"`
	Delete credentialsDeleteCommand `cmd:"" help:"help.credentials-delete"`
}

type credentialsListCommand struct{}

// storedReport is a credential on the card as JSON.
type storedReport struct {
	ID          cardside.URLBytes `json:"id"`
	RPID        string            `json:"rpId"`
	RPName      string            `json:"rpName,omitempty"`
	UserID      cardside.URLBytes `json:"userId"`
	UserName    string            `json:"userName,omitempty"`
	DisplayName string            `json:"displayName,omitempty"`
	PublicKey   cardside.URLBytes `json:"publicKey,omitempty"` // COSE_Key
	CredProtect ctap2.CredProtect `json:"credProtect,omitempty"`
}

// Run lists the discoverable credentials on the card.
func (credentialsListCommand) Run(a *act) error {
	card, pin, err := a.openWithPIN()
	if err != nil {
		return err
	}
	defer card.Close()
	defer clear(pin)
	all, err := card.Credentials(a.ctx, pin)
	if err != nil {
		return err
	}
	report := []storedReport{}
	for _, s := range all {
		report = append(report, storedReport{
			ID: s.CredentialID, RPID: s.RP.ID, RPName: s.RP.Name, UserID: s.User.ID, UserName: s.User.Name,
			DisplayName: s.User.DisplayName, PublicKey: s.PublicKey, CredProtect: s.CredProtect,
		})
	}
	return a.print(report, func() {
		if len(report) == 0 {
			a.say("credentials.none")
		}
		for _, r := range report {
			a.table([][2]string{
				{a.f("label.site"), r.RPID},
				{"  " + a.f("label.user"), r.UserName},
				{"  " + a.f("label.id"), base64.RawURLEncoding.EncodeToString(r.ID)},
			})
		}
	})
}

// openWithPIN waits for the card and asks for the PIN that it has.
func (a *act) openWithPIN() (*cardside.Card, []byte, error) {
	card, err := a.open()
	if err != nil {
		return nil, nil, err
	}
	info, err := card.Info(a.ctx)
	if err == nil && !info.HasPIN() {
		err = cardside.ErrBlank
	}
	var pin []byte
	if err == nil {
		pin, err = a.pin("prompt.pin")
	}
	if err != nil {
		card.Close()
		return nil, nil, err
	}
	return card, pin, nil
}

type credentialsDeleteCommand struct {
	ID string `arg:"" help:"help.credential-id"`
}

// Run deletes one discoverable credential.
func (c credentialsDeleteCommand) Run(a *act) error {
	ids, err := credentialIDs([]string{c.ID})
	if err != nil {
		return err
	}
	card, pin, err := a.openWithPIN()
	if err != nil {
		return err
	}
	defer card.Close()
	defer clear(pin)
	if err := card.DeleteCredential(a.ctx, ids[0], pin); err != nil {
		return err
	}
	return a.print(done{"credential-deleted", card.Reader}, func() { a.say("credentials.deleted") })
}
