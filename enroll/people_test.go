package enroll_test

import (
	"slices"
	"strings"
	"testing"

	"cpsgate/enroll"
	"cpsgate/identity"
)

func TestFold(t *testing.T) {
	for s, want := range map[string]string{
		"EXEMPLE Infirmière":      "exemple infirmiere",
		"D'EXEMPLE-Ÿ  Zoé":        "d exemple y zoe",
		"Œuvre Ægir Strauß Łódź":  "oeuvre aegir strauss lodz",
		"  --  ":                  "",
		"":                        "",
		"İstanbul ı":              "istanbul i",
		"Ñandú №5 ﬁn":             "nandu no5 fin",
		"Пример 例":                "",
		"a\x00b\u202ec":           "a b c",
		"e\u0301le\u0300ve ÉLÈVE": "eleve eleve",
		"\xff\xfe":                "",
	} {
		if got := enroll.Fold(s); got != want {
			t.Errorf("%q gives %q, want %q", s, got, want)
		}
	}
}

func FuzzFold(f *testing.F) {
	f.Add("Éléonore d'Exemple")
	f.Fuzz(func(t *testing.T, s string) {
		folded := enroll.Fold(s)
		if strings.Trim(folded, "abcdefghijklmnopqrstuvwxyz0123456789 ") != "" || strings.TrimSpace(folded) != folded || strings.Contains(folded, "  ") {
			t.Errorf("%q gives %q", s, folded)
		}
		if again := enroll.Fold(folded); again != folded {
			t.Errorf("%q folds again to %q", folded, again)
		}
	})
}

// directory knows some people with other names than Alice and Bob.
func directory(t *testing.T) *desk {
	t.Helper()
	d := populated(t)
	file := "ps_idnat;nom;prénom\n"
	for i, name := range []string{"DUPONT-EXEMPLE;Jean", "DUPONT;Élise", "DUPOND;Jean-Pierre", "ÉTIENNE;Zoé", "EXEMPLE DUPONT;Anne"} {
		file += "8" + rpps(i) + ";" + name + "\n"
	}
	file += "30B0057881/CPET0002;SALARIÉ;Élie\n"
	report, err := d.ImportPeople(t.Context(), console, strings.NewReader(file), enroll.ImportOptions{})
	if err != nil || !report.Applied {
		t.Fatalf("%+v, %v", report, err)
	}
	return d
}

func TestSearchPeople(t *testing.T) {
	d := directory(t)
	tests := []struct {
		name, text string
		want       []string // family names
	}{
		{"everybody, by name", "", []string{"DUPOND", "DUPONT", "DUPONT-EXEMPLE", "ÉTIENNE", "EXEMPLE DUPONT", "EXEMPLE", "EXEMPLE", "SALARIÉ"}},
		{"the beginning of a name", "dupon", []string{"DUPOND", "DUPONT", "DUPONT-EXEMPLE"}},
		{"without its accents", "etie", []string{"ÉTIENNE"}},
		{"in capitals, with other hyphens", "DUPONT  exemple", []string{"DUPONT-EXEMPLE"}},
		{"name and the beginning of the given one", "dupont el", []string{"DUPONT"}},
		{"given name first", "jean pierre dupond", []string{"DUPOND"}},
		{"a given name and the beginning of a name", "zoe eti", []string{"ÉTIENNE"}},
		{"a PS_IdNat", "8" + rpps(3), []string{"ÉTIENNE"}},
		{"the beginning of one", "30b005", []string{"SALARIÉ"}},
		{"an RPPS", rpps(3), []string{"ÉTIENNE"}},
		{"an RPPS in groups", rpps(3)[:3] + " " + rpps(3)[3:], []string{"ÉTIENNE"}},
		{"a card's number", "0000000002", []string{"EXEMPLE"}},
		{"a token id", cardB, []string{"EXEMPLE"}},
		{"nobody's name", "nobody", nil},
		{"nobody's number", "1234567890", nil},
		{"no letters at all", "-- '", nil},
		{"what a LIKE would take", "dup%", []string{"DUPOND", "DUPONT", "DUPONT-EXEMPLE"}},
		{"what SQL would take", "x' OR 1=1 --", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			page, err := d.SearchPeople(t.Context(), enroll.PeopleQuery{Text: tt.text})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range page.People {
				got = append(got, p.FamilyName)
			}
			if !slices.Equal(got, tt.want) || page.Next != "" {
				t.Errorf("found %q, want %q; next %q", got, tt.want, page.Next)
			}
		})
	}
}

func TestPagesOfPeople(t *testing.T) {
	d := directory(t)
	for _, text := range []string{"", "dup", "jean d", rpps(0)[:5]} {
		var all []identity.PSIdNat
		whole, err := d.SearchPeople(t.Context(), enroll.PeopleQuery{Text: text})
		if err != nil {
			t.Fatal(err)
		}
		for cursor := ""; ; {
			page, err := d.SearchPeople(t.Context(), enroll.PeopleQuery{Text: text, After: cursor, Limit: 1})
			if err != nil || len(page.People) > 1 {
				t.Fatalf("%q: %+v, %v", text, page, err)
			}
			for _, p := range page.People {
				all = append(all, p.IdNat)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if len(all) != len(whole.People) || len(all) == 0 {
			t.Errorf("%q: %d one by one, %d at once", text, len(all), len(whole.People))
		}
		for i, p := range whole.People {
			if all[i] != p.IdNat {
				t.Errorf("%q: %s stands where %s should", text, all[i], p.IdNat)
			}
		}
	}
	for _, cursor := range []string{"x", "e30K!", "bnVsbA==", "eyJyIjotMX0"} {
		_, err := d.SearchPeople(t.Context(), enroll.PeopleQuery{After: cursor})
		wantRefusal(t, err, enroll.ReasonCursor)
	}
	if page, err := d.SearchPeople(t.Context(), enroll.PeopleQuery{After: "eyJyIjo5OTl9"}); err != nil || len(page.People) != 0 { // {"r":999}
		t.Errorf("%+v, %v", page, err)
	}
}

func TestTokenID(t *testing.T) {
	for s, want := range map[string]string{
		"0000000001":             cardA,
		" 00000 00001 ":          cardA,
		cardA:                    cardA,
		"8025000009/0000000001":  "8025000009/0000000001",
		"1":                      "",
		"00000000011":            "",
		"":                       "",
		"8025000001/\x1b0000001": "",
	} {
		got, err := enroll.TokenID(s)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q gives %q, %v", s, got, err)
		}
	}
}
