package sso_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cpsgate/identity"
	"cpsgate/sessions"
	"cpsgate/sso"
)

// What the establishment has written is sent as it is written; of a way in or a
// structure that it has written nothing of, nothing is.
func TestProSanteConnectByConfiguration(t *testing.T) {
	said := sso.PSC{
		Palier:  map[sso.Way]string{sso.WayCertificate: "CARTE^1.2.3", sso.WayPasskeyDesk: "GUICHET^1.2.3"},
		Sectors: map[identity.StructureID]string{"1750000001": "SA01"},
		Fixed:   map[string]string{"PSI_Locale": "1.2.3.4"},
	}
	for _, tt := range []struct {
		name    string
		holder  identity.PSIdNat
		open    func(*sessions.Session)
		want    map[string]any
		without []string
	}{
		{"certificate", alice, func(*sessions.Session) {},
			map[string]any{"Palier_Authentification": "CARTE^1.2.3", "Secteur_Activite": "SA01^1.2.250.1.71.4.2.4", "PSI_Locale": "1.2.3.4"},
			[]string{"Mode_Acces_Raison", "Acces_Regulation_Medicale"}},
		{"passkey on the desk's word", alice, passkey(identity.ProofDesk, cardA), map[string]any{"Palier_Authentification": "GUICHET^1.2.3"}, nil},
		{"a way that is not written", alice, passkey(identity.ProofSameCard, cardA), map[string]any{"PSI_Locale": "1.2.3.4"}, []string{"Palier_Authentification"}},
		{"no structure", bob, func(*sessions.Session) {}, map[string]any{"Palier_Authentification": "CARTE^1.2.3"}, []string{"Secteur_Activite"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t, func(o *sso.Options) { o.PSC = said })
			told := p.userinfo(p.tokens(p.open(tt.holder, cardA, tt.open)).text("access_token"))
			for name, want := range tt.want {
				if !reflect.DeepEqual(told.json[name], want) {
					t.Errorf("%s: %v, want %v", name, told.json[name], want)
				}
			}
			for _, name := range tt.without {
				if value, is := told.json[name]; is {
					t.Errorf("%s: %v", name, value)
				}
			}
			if sector := strings.Contains(told.body, `"codeSecteurDactivite":"SA01"`); sector != (tt.holder == alice) {
				t.Errorf("the practice: %s", told.body)
			}
		})
	}
}

// A refreshed token tells the way in that the grant was made by.
func TestPalierOutlivesARefresh(t *testing.T) {
	p := newPlace(t, func(o *sso.Options) { o.PSC.Palier = map[sso.Way]string{sso.WayCertificate: "CARTE^1.2.3"} })
	first := p.tokens(p.open(alice, cardA))
	again := p.post(sso.PathToken, refresh(first.text("refresh_token")))
	if got := p.userinfo(again.text("access_token")).text("Palier_Authentification"); got != "CARTE^1.2.3" {
		t.Errorf("after a refresh: %q", got)
	}
}

// The discovery document names what is filled, and no more.
func TestProSanteConnectInDiscovery(t *testing.T) {
	for want, said := range map[bool]sso.PSC{
		false: {},
		true:  {Palier: map[sso.Way]string{sso.WayCertificate: "X"}, Sectors: map[identity.StructureID]string{"1750000001": "SA01"}},
	} {
		p := newPlace(t, func(o *sso.Options) { o.PSC = said })
		var document struct {
			Claims []string `json:"claims_supported"`
		}
		if err := json.Unmarshal([]byte(p.do(httptest.NewRequest(http.MethodGet, issuer+sso.PathDiscovery, nil)).body), &document); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Palier_Authentification", "Secteur_Activite"} {
			if slices.Contains(document.Claims, name) != want {
				t.Errorf("%s: %v", name, document.Claims)
			}
		}
	}
}

func TestPSCCheck(t *testing.T) {
	good := sso.PSC{
		Palier:  map[sso.Way]string{sso.WayCertificate: "APPPRIP3^1.2.250.1.213.1.5.1.1.1"},
		Sectors: map[identity.StructureID]string{"1750000001": "SA01"},
		Fixed:   map[string]string{"PSI_Locale": "1.2.250.1.213.1.3.1.1", "Mode_Acces_Raison": "x", "Acces_Regulation_Medicale": "FAUX"},
	}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	if err := (sso.PSC{}).Check(); err != nil {
		t.Errorf("nothing at all: %v", err)
	}
	for name, spoil := range map[string]func(*sso.PSC){
		"an unknown way":              func(o *sso.PSC) { o.Palier["card"] = "X" },
		"an empty palier":             func(o *sso.PSC) { o.Palier[sso.WayCertificate] = "" },
		"a palier with a blank":       func(o *sso.PSC) { o.Palier[sso.WayCertificate] = "A B" },
		"a palier with a line":        func(o *sso.PSC) { o.Palier[sso.WayCertificate] = "A\n" },
		"a long palier":               func(o *sso.PSC) { o.Palier[sso.WayCertificate] = strings.Repeat("x", 101) },
		"no structure":                func(o *sso.PSC) { o.Sectors[""] = "SA01" },
		"a sector and its list":       func(o *sso.PSC) { o.Sectors["1750000001"] = "SA01^1.2.250.1.71.4.2.4" },
		"an empty sector":             func(o *sso.PSC) { o.Sectors["1750000001"] = "" },
		"a claim that is told anyway": func(o *sso.PSC) { o.Fixed["SubjectNameID"] = "899700000017" },
		"an empty claim":              func(o *sso.PSC) { o.Fixed["PSI_Locale"] = "" },
		"a claim beyond ASCII":        func(o *sso.PSC) { o.Fixed["PSI_Locale"] = "é" },
	} {
		bad := sso.PSC{Palier: maps.Clone(good.Palier), Sectors: maps.Clone(good.Sectors), Fixed: maps.Clone(good.Fixed)}
		spoil(&bad)
		if err := bad.Check(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
