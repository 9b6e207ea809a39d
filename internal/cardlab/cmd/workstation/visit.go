package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cpsgate/internal/demo"
)

// serverSays is what of `cpsgate demo`'s announcement is needed here.
type serverSays struct {
	Main         string       `json:"main"`
	Root         string       `json:"root"`
	Script       string       `json:"script"`
	Cards        []serverCard `json:"cards"`
	ContactCard  contactCard  `json:"contactCard"`
	Applications struct {
		ClientID    string `json:"clientID"`
		SecretFile  string `json:"secretFile"`
		Certificate string `json:"certificate"`
		Key         string `json:"key"`
	} `json:"applications"`
}

type serverCard struct {
	File, State, Holder string
}

// contactCard is that of the workstation's reader.
type contactCard struct {
	Number         string   `json:"number"`
	Holder         string   `json:"holder"`
	File           string   `json:"file"`
	Authentication keyFiles `json:"authentication"`
	Signature      keyFiles `json:"signature"`
}

type keyFiles struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// hear reads what the server in folder has announced.
func hear(folder string) (raw json.RawMessage, says serverSays, err error) {
	if raw, err = os.ReadFile(filepath.Join(folder, "demo.json")); err != nil {
		return nil, says, err
	}
	if err := json.Unmarshal(raw, &says); err != nil {
		return nil, says, fmt.Errorf("reading the demo's announcement: %w", err)
	}
	return raw, says, nil
}

// holder is that of the card in this state: "FAMILY Given — profession — PS_IdNat".
func (s serverSays) holder(state string) string {
	for _, c := range s.Cards {
		if c.State == state {
			return c.Holder
		}
	}
	return ""
}

// named is the name alone of whom a card is.
func named(holder string) string {
	name, _, _ := strings.Cut(holder, " — ")
	return name
}

// visit is the tour as it goes here; s is nil where there is no workstation.
func (s serverSays) visit(at demo.Addresses, place *station, lacking string) demo.Visit {
	v := demo.Visit{
		Addresses: at, Root: s.Root, Browser: "sh " + s.Script + " " + at.Start,
		Staff: named(s.holder("good")), Holder: s.ContactCard.Holder, Revoked: named(s.holder("revoked")),
		Lacking: lacking,
		Stop:    demo.Words{FR: "Arrêt : Ctrl-C dans le terminal de make demo ; tout est alors oublié.", EN: "To stop: Ctrl-C in the terminal of make demo; all is forgotten then."},
	}
	states := map[string]demo.Words{"revoked": {FR: "en opposition", EN: "revoked"}, "expired": {FR: "expirée", EN: "expired"}}
	for _, c := range s.Cards {
		v.Cards = append(v.Cards, demo.CardFile{Name: filepath.Base(c.File), File: c.File, Holder: named(c.Holder), State: states[c.State]})
	}
	v.Cards = append(v.Cards, demo.CardFile{Name: filepath.Base(s.ContactCard.File), File: s.ContactCard.File, Holder: s.ContactCard.Holder})
	if place == nil {
		return v
	}
	enter := ". " + place.Environment + "\n"
	v.Workstation = &demo.Workstation{
		Where:  demo.Words{FR: "Dans un autre terminal :", EN: "In another terminal:"},
		Enroll: enter + "cardside enroll CODE", Assert: "cardside assert", PIN: place.PIN, Token: true,
	}
	return v
}
