package main

import (
	"cpsgate/identity"
	"cpsgate/sso"
)

// SSOPSCConfig is what the establishment says in Pro Santé Connect's shape.
type SSOPSCConfig struct {
	// Palier is the value of Palier_Authentification by way in, as sso.levels
	// names them: certificate, passkey-same-card, passkey-certificate, passkey-desk.
	Palier map[string]string `yaml:"palier"`
	// Sectors are codes of activity by structure: "1750000001": SA01. Who comes in
	// the structure is told with Secteur_Activite.
	Sectors map[string]string `yaml:"sectors"`
	// Fixed are PSI_Locale, Mode_Acces_Raison and Acces_Regulation_Medicale, the
	// same for everybody.
	Fixed map[string]string `yaml:"fixed"`
}

func (c SSOPSCConfig) said() sso.PSC {
	said := sso.PSC{Palier: map[sso.Way]string{}, Sectors: map[identity.StructureID]string{}, Fixed: c.Fixed}
	for way, value := range c.Palier {
		said.Palier[sso.Way(way)] = value
	}
	for structure, code := range c.Sectors {
		said.Sectors[identity.StructureID(structure)] = code
	}
	return said
}
