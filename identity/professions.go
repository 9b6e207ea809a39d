package identity

import "strconv"

// Profession is a code of nomenclature TRE_G15; 0 = not stated.
type Profession int

// professions holds TRE_G15 as carried by extension 1.2.250.1.71.1.2.7.
// The French wording is ANS's own.
var professions = map[Profession]string{
	10: "Médecin",
	21: "Pharmacien",
	26: "Audioprothésiste",
	28: "Opticien-lunetier",
	31: "Assistant dentaire",
	32: "Physicien médical",
	35: "Aide-soignant",
	36: "Ambulancier",
	37: "Auxiliaire de puériculture",
	38: "Préparateur en pharmacie hospitalière",
	39: "Préparateur en pharmacie (officine)",
	40: "Chirurgien-dentiste",
	50: "Sage-femme",
	60: "Infirmier",
	70: "Masseur-kinésithérapeute",
	80: "Pédicure-podologue",
	81: "Orthoprothésiste",
	82: "Podo-orthésiste",
	83: "Orthopédiste-orthésiste",
	84: "Oculariste",
	85: "Épithésiste",
	86: "Technicien de laboratoire médical",
	91: "Orthophoniste",
	92: "Orthoptiste",
	94: "Ergothérapeute",
	95: "Diététicien",
	96: "Psychomotricien",
	98: "Manipulateur ERM",
}

// Known reports whether the code stands in the nomenclature shipped here.
func (p Profession) Known() bool { _, ok := professions[p]; return ok }

// String is the French wording, or the bare code when it is not known.
func (p Profession) String() string {
	if s, ok := professions[p]; ok {
		return s
	}
	if p == 0 {
		return ""
	}
	return strconv.Itoa(int(p))
}
