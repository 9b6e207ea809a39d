package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"

	"cpsgate/enroll"
	"cpsgate/internal/testpki"
)

// demo is what `cpsgate demo` has made, and what it announces.
type demo struct {
	Main   string     `json:"main"`  // origin of the pages
	Card   string     `json:"card"`  // origin of the card host
	Admin  string     `json:"admin"` // base URL
	Folder string     `json:"folder"`
	Config string     `json:"config"`
	Root   string     `json:"root"`   // PEM file of the root above the server's certificate
	Script string     `json:"script"` // starts a Chromium that has it all
	Cards  []demoCard `json:"cards"`

	ContactCard contactCard `json:"contactCard"`

	Applications *demoApplications `json:"applications,omitempty"`

	pki *testpki.PKI
}

// demoCard is a card as a PKCS#12 file.
type demoCard struct {
	File     string `json:"file"`
	Password string `json:"password"`
	IdNat    string `json:"idNat"`
	Holder   string `json:"holder"`
	State    string `json:"state"` // good, revoked, expired
	StateFR  string `json:"-"`
}

const demoPassword = "demo"

// newDemo makes the PKI, the cards, the CRLs and a configuration file in folder.
func newDemo(folder string, l listeners, applications *demoApplications, now func() time.Time) (*demo, error) {
	pki, err := testpki.New(testpki.Options{Test: true, Now: now})
	if err != nil {
		return nil, err
	}
	d := &demo{
		Main:   "https://" + net.JoinHostPort("sso.localhost", portOf(l.main)),
		Card:   "https://" + net.JoinHostPort("cps.localhost", portOf(l.card)),
		Admin:  "http://" + l.admin.Addr().String(),
		Folder: folder, Config: filepath.Join(folder, "cpsgate.yaml"), Root: filepath.Join(folder, "server-root.pem"),
		Script: filepath.Join(folder, "chromium.sh"),
		pki:    pki, Applications: applications,
	}
	for _, step := range []func() error{
		func() error { return d.makeFolders("data", "anchors", "authorities", "crls", "cards") },
		d.writeServer, d.writeTrust,
		func() error { return d.writeCards(now()) },
		d.writeContactCard, d.writeApplications,
		d.issueCRLs,
		func() error { return d.writeConfig(l) },
		d.writeScript,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func (d *demo) path(elements ...string) string {
	return filepath.Join(append([]string{d.Folder}, elements...)...)
}

func (d *demo) makeFolders(names ...string) error {
	for _, name := range names {
		if err := os.MkdirAll(d.path(name), 0o700); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) writeServer() error {
	pair, err := d.pki.ServerCertificate("sso.localhost", "cps.localhost", "*.cps.localhost")
	if err != nil {
		return err
	}
	if err := writeKey(d.path("server-key.pem"), pair.PrivateKey); err != nil {
		return err
	}
	if err := writePEM(d.path("server.pem"), "CERTIFICATE", pair.Certificate...); err != nil {
		return err
	}
	return writePEM(d.Root, "CERTIFICATE", d.pki.ServerRoot().Raw)
}

// writeTrust: the two authorities of persons' cards are the anchors; the roots
// above them are there for their CRLs.
func (d *demo) writeTrust() error {
	for i, c := range d.pki.CardIssuers() {
		if err := writePEM(d.path("anchors", fmt.Sprintf("issuer-%d.pem", i+1)), "CERTIFICATE", c.Raw); err != nil {
			return err
		}
	}
	for i, c := range d.pki.Roots() {
		if err := writePEM(d.path("authorities", fmt.Sprintf("root-%d.pem", i+1)), "CERTIFICATE", c.Raw); err != nil {
			return err
		}
	}
	return nil
}

// writeCards makes the three cards; all of their people are samples.
func (d *demo) writeCards(now time.Time) error {
	for _, sample := range []struct {
		file, state, stateFR string
		spec                 testpki.CardSpec
	}{
		{"good", "good", "valable", testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 10, Specialties: []string{"SM26"}}},
		{"revoked", "revoked", "en opposition", testpki.CardSpec{FamilyName: "SPECIMEN", GivenName: "Dominique", Profession: 60}},
		{"expired", "expired", "expirée", testpki.CardSpec{FamilyName: "MODELE", GivenName: "Claude", Profession: 50,
			NotBefore: now.AddDate(-3, 0, 0), NotAfter: now.Add(-demoExpiredFor)}},
	} {
		card, err := d.pki.Card(sample.spec)
		if err != nil {
			return err
		}
		if sample.state == "revoked" {
			card.Revoke(now.Add(-time.Hour), testpki.ReasonKeyCompromise)
		}
		p12, err := testpki.PKCS12(card.Authentication, nil, demoPassword)
		if err != nil {
			return err
		}
		file := d.path("cards", sample.file+".p12")
		if err := os.WriteFile(file, p12, 0o600); err != nil {
			return err
		}
		if err := writePEM(d.path("cards", sample.file+".pem"), "CERTIFICATE", card.Authentication.DER); err != nil {
			return err
		}
		d.Cards = append(d.Cards, demoCard{
			File: file, Password: demoPassword, IdNat: card.IdNat, State: sample.state, StateFR: sample.stateFR,
			Holder: card.FamilyName + " " + card.GivenName + " — " + sample.spec.Profession.String() + " — " + card.IdNat,
		})
	}
	return nil
}

// demoExpiredFor is how long ago the expired card's certificate ended: less
// than a day, since when the server's certificate is valid, so that a browser
// with its clock set back finds both good and offers the card.
const demoExpiredFor = 12 * time.Hour

// issueCRLs writes a CRL of each authority, whole or not at all.
func (d *demo) issueCRLs() error {
	for _, authority := range d.pki.Authorities() {
		crl, err := authority.CRL(testpki.CRLSpec{})
		if err != nil {
			return err
		}
		file := d.path("crls", authority.Short+".crl")
		partial := d.path("crls", "."+authority.Short+".crl")
		if err := os.WriteFile(partial, crl, 0o600); err != nil {
			return err
		}
		if err := os.Rename(partial, file); err != nil {
			return err
		}
	}
	return nil
}

// keepIssuing plays the PKI while the demo runs: a CRL lives for days only.
func (d *demo) keepIssuing(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(demoCRLPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := d.issueCRLs(); err != nil {
				log.Error("demo: issuing CRLs", "error", err)
			}
		}
	}
}

func (d *demo) writeConfig(l listeners) error {
	settings := map[string]any{
		"mode": modeTest, "data": d.path("data"),
		"main": map[string]any{
			"listen": l.main.Addr().String(), "origin": d.Main,
			"certificate": d.path("server.pem"), "key": d.path("server-key.pem"),
		},
		"card":  map[string]any{"listen": l.card.Addr().String(), "origin": d.Card},
		"admin": map[string]any{"listen": l.admin.Addr().String()},
		"trust": map[string]any{"anchors": []string{d.path("anchors")}, "intermediates": []string{d.path("authorities")}, "crls": d.path("crls")},
		// People try the demo with what is in their drawer.
		"desk":  map[string]any{"self_enrolment": string(enroll.SelfKeys)},
		"pages": map[string]any{"name": "Hôpital de démonstration", "support_label": "service informatique", "support_phone": "01 99 00 00 00"},
	}
	d.Applications.configure(settings, d.Root)
	raw, err := yaml.Marshal(settings)
	if err != nil {
		return err
	}
	return os.WriteFile(d.Config, raw, 0o600)
}

func writePEM(file, kind string, blocks ...[]byte) error {
	var out []byte
	for _, der := range blocks {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	return os.WriteFile(file, out, 0o600)
}
