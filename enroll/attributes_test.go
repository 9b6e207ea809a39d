package enroll_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// TestWhatACertificateSaidStandsAboveAnImport, cell by cell; what it did not say
// a file may tell, and tell otherwise later.
func TestWhatACertificateSaidStandsAboveAnImport(t *testing.T) {
	d := staffed(t)
	who := identity.PSIdNat("8" + rpps(301))
	said := holder(who, "8025000001/0000000301", "301")
	said.Professional.Title, said.Professional.Specialties, said.Professional.Structure = "Infirmière", []string{"SM26"}, "10B0057881"
	d.admit(t, said)
	header := "ps_idnat,nom,prenom,titre,profession,en formation,specialites,structure,employeur\n"
	file := header + "8" + rpps(302) + ",AUTRE,,,,,,,\n" +
		string(who) + ",FAUX,Faux,Docteur,10,oui,SM54,10B0000000,HOPITAL EXEMPLE\n"

	foreseen := d.importing(t, file, enroll.ImportOptions{DryRun: true})
	report := d.importing(t, file, enroll.ImportOptions{})
	if fmt.Sprint(foreseen.Notes) != fmt.Sprint(report.Notes) || !report.Applied || report.Added != 1 || report.Changed != 1 || report.Kept() != 7 {
		t.Fatalf("%+v\n%+v", foreseen, report)
	}
	var fields []string
	for _, n := range report.Notes {
		if n.Line != 3 || n.Fault != enroll.FaultProved || !strings.Contains(n.String(), "line 3: "+n.Field+": stays ") {
			t.Errorf("%+v", n)
		}
		fields = append(fields, n.Field+"="+n.Value)
	}
	if want := []string{"family_name=FAUX", "given_name=Faux", "title=Docteur", "profession=10", "training=true", "specialties=SM54", "structure=10B0000000"}; !slices.Equal(fields, want) {
		t.Errorf("noted %q", fields)
	}
	want := said.Professional
	want.Employer = "HOPITAL EXEMPLE"
	d.wantPerson(t, want)
	events := d.events(t)
	if e := events[len(events)-1]; e.Kind != audit.KindPeopleImport || !strings.Contains(e.Detail, "7 cells left as certificates said") {
		t.Errorf("%+v", e)
	}

	again := d.importing(t, "ps_idnat,employeur\n"+string(who)+",CLINIQUE EXEMPLE\n", enroll.ImportOptions{})
	if again.Changed != 1 || again.Kept() != 0 {
		t.Errorf("what a file said cannot be told otherwise: %+v", again)
	}
	want.Employer = "CLINIQUE EXEMPLE"
	d.wantPerson(t, want)

	d.admit(t, said) // it says nothing of an employer
	d.wantPerson(t, want)
	said.Professional.Employer, said.Professional.Title = "HOPITAL DU CERTIFICAT", ""
	d.admit(t, said)
	d.wantPerson(t, said.Professional) // and the title that it said before is gone
	last := d.importing(t, "ps_idnat,titre,employeur\n"+string(who)+",Cadre,CLINIQUE EXEMPLE\n", enroll.ImportOptions{})
	if last.Changed != 1 || len(last.Notes) != 1 || last.Notes[0].Field != "employer" {
		t.Errorf("%+v", last)
	}
}

func (d *desk) wantPerson(t *testing.T, want identity.Professional) {
	t.Helper()
	got, err := d.Professional(t.Context(), want.IdNat)
	got.UserHandle, got.Proved = nil, nil
	if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
}

// TestManyNotesAreCounted: an import with a thousand and more of them says so.
func TestManyNotesAreCounted(t *testing.T) {
	d := staffed(t)
	var file strings.Builder
	file.WriteString("ps_idnat,nom,prenom,profession\n")
	for i := range 400 {
		who := identity.PSIdNat("8" + rpps(1000+i))
		d.admit(t, holder(who, fmt.Sprintf("8025000001/%010d", 1000+i), fmt.Sprint(1000+i)))
		fmt.Fprintf(&file, "%s,FAUX,Faux,10\n", who)
	}
	report := d.importing(t, file.String(), enroll.ImportOptions{})
	if len(report.Notes) != 1000 || report.MoreNotes != 200 || report.Kept() != 1200 || report.Unchanged != 400 {
		t.Errorf("%d notes and %d more, %d unchanged", len(report.Notes), report.MoreNotes, report.Unchanged)
	}
}
