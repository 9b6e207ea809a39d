package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
)

// contactCard is the card for a workstation beside the demo: what of a CPS4 can
// be a file. internal/cardlab/cmd/workstation makes a PKCS#11 token of it.
type contactCard struct {
	Number         string   `json:"number"` // ten digits
	IdNat          string   `json:"idNat"`
	Holder         string   `json:"holder"`
	Authentication keyFiles `json:"authentication"`
	Signature      keyFiles `json:"signature"`
	// File is the authentication certificate and its key as PKCS#12, for a browser
	// where there is no workstation.
	File string `json:"file"`
}

// keyFiles are a certificate and its private key, as PEM.
type keyFiles struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// demoStaffRoles are those of the good card's holder: the whole desk opens to
// one person, but for what needs a second pair of eyes.
func demoStaffRoles() []identity.Role {
	return []identity.Role{identity.RoleOperator, identity.RoleApprover, identity.RoleAuditor, identity.RoleAdmin}
}

// writeContactCard makes the card that the desk enrols, of a sample person.
func (d *demo) writeContactCard() error {
	card, err := d.pki.Card(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Sacha", Profession: 60})
	if err != nil {
		return err
	}
	_, number, _ := strings.Cut(card.TokenID, "/")
	d.ContactCard = contactCard{
		Number: number, IdNat: card.IdNat, Holder: card.FamilyName + " " + card.GivenName, File: d.path("cards", "cps4.p12"),
	}
	p12, err := testpki.PKCS12(card.Authentication, nil, demoPassword)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.ContactCard.File, p12, 0o600); err != nil {
		return err
	}
	for _, half := range []struct {
		name string
		pair testpki.Pair
		to   *keyFiles
	}{
		{"authentication", card.Authentication, &d.ContactCard.Authentication},
		{"signature", card.Signature, &d.ContactCard.Signature},
	} {
		half.to.Certificate = d.path("cards", "cps4-"+half.name+".pem")
		half.to.Key = d.path("cards", "cps4-"+half.name+"-key.pem")
		if err := writePEM(half.to.Certificate, "CERTIFICATE", half.pair.DER); err != nil {
			return err
		}
		if err := writeKey(half.to.Key, half.pair.Key); err != nil {
			return err
		}
	}
	return nil
}

func writeKey(file string, key crypto.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(file, "PRIVATE KEY", der)
}

// appointStaff lets the good card's holder open the desk, and makes the contact
// card's holder known, as an import of the hospital's staff would.
func (d *demo) appointStaff(ctx context.Context, r *enroll.Registry) error {
	for _, c := range d.Cards {
		if c.State != "good" {
			continue
		}
		for _, role := range demoStaffRoles() {
			if _, err := r.Grant(ctx, act("demo"), identity.PSIdNat(c.IdNat), role); err != nil {
				return err
			}
		}
	}
	family, given, _ := strings.Cut(d.ContactCard.Holder, " ")
	table := fmt.Sprintf("ps_idnat,family_name,given_name,profession\n%s,%s,%s,60\n", d.ContactCard.IdNat, family, given)
	report, err := r.ImportPeople(ctx, act("demo"), strings.NewReader(table), enroll.ImportOptions{})
	if err == nil && len(report.Errors) > 0 {
		err = fmt.Errorf("importing the contact card's holder: %s", report.Errors[0])
	}
	return err
}

// tell writes the announcement where programs beside the demo look for it.
func (d *demo) tell() error {
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return os.WriteFile(d.path("demo.json"), raw, 0o600)
}
