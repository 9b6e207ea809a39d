package enroll_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

func (d *desk) importing(t *testing.T, file string, o enroll.ImportOptions) enroll.ImportReport {
	t.Helper()
	report, err := d.ImportPeople(t.Context(), d.by(admin), strings.NewReader(file), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestImportPeople(t *testing.T) {
	full := identity.Professional{
		IdNat: identity.PSIdNat("8" + rpps(1)), FamilyName: "EXEMPLE", GivenName: "Infirmière", Title: "Infirmière", Profession: 60, Training: true,
		Specialties: []string{"SM26", "SCD01"}, Structure: "10B0057881", Employer: `HOPITAL "EXEMPLE", SITE 2`,
	}
	tests := map[string]string{
		"with commas": "ps_idnat,family_name,given_name,title,profession,training,specialties,structure,employer\n" +
			"8" + rpps(1) + `,EXEMPLE,Infirmière,Infirmière,60,true,SM26 SCD01,10B0057881,"HOPITAL ""EXEMPLE"", SITE 2"` + "\n",
		"as a French spreadsheet writes it": "\ufeffRPPS;Nom;Prénom;Titre;Code profession;En formation;Spécialités;Structure;Employeur\r\n" +
			rpps(1) + `;EXEMPLE;Infirmière;Infirmière;60;oui;SM26|SCD01;10B0057881;"HOPITAL ""EXEMPLE"", SITE 2"` + "\r\n",
		"with tabs, other columns order, no last line end": "Employeur\tPS_IdNat\tnom\tprenom\ttitre\tprofession\ten formation\tspecialites\tstructure\n" +
			`"HOPITAL ""EXEMPLE"", SITE 2"` + "\t8" + rpps(1) + "\t EXEMPLE \tInfirmière\tInfirmière\t60\t1\tSM26,SCD01\t10B0057881",
	}
	for name, file := range tests {
		t.Run(name, func(t *testing.T) {
			d := staffed(t)
			report := d.importing(t, file, enroll.ImportOptions{})
			if !report.Applied || report.Rows != 1 || report.Added != 1 || len(report.Errors) != 0 {
				t.Fatalf("%+v", report)
			}
			p, err := d.Professional(t.Context(), full.IdNat)
			if len(p.UserHandle) != 32 {
				t.Errorf("handle %x", p.UserHandle)
			}
			p.UserHandle = nil
			if err != nil || fmt.Sprintf("%+v", p) != fmt.Sprintf("%+v", full) {
				t.Errorf("%+v, %v", p, err)
			}
			events := d.events(t)
			if e := events[len(events)-1]; e.Kind != audit.KindPeopleImport || e.Actor != admin || !strings.Contains(e.Detail, report.Digest) {
				t.Errorf("%+v", e)
			}
			again := d.importing(t, file, enroll.ImportOptions{})
			if again.Unchanged != 1 || again.Added+again.Changed != 0 {
				t.Errorf("again: %+v", again)
			}
		})
	}
}

func TestAnEmptyCellLeavesWhatIsKnown(t *testing.T) {
	d := staffed(t)
	report := d.importing(t, "ps_idnat,nom,employeur\n8"+rpps(101)+",EXEMPLE,\n8"+rpps(102)+",,HOPITAL EXEMPLE\n", enroll.ImportOptions{})
	if report.Changed != 2 {
		t.Fatalf("%+v", report)
	}
	report = d.importing(t, "ps_idnat,nom,employeur\n8"+rpps(101)+",,\n8"+rpps(102)+",EXEMPLE,\n", enroll.ImportOptions{})
	if report.Changed != 1 || report.Unchanged != 1 {
		t.Fatalf("%+v", report)
	}
	for who, employer := range map[identity.PSIdNat]string{operator: "", approver: "HOPITAL EXEMPLE"} {
		p, err := d.Professional(t.Context(), who)
		if err != nil || p.FamilyName != "EXEMPLE" || p.Employer != employer || len(p.Roles) != 1 {
			t.Errorf("%+v, %v", p, err)
		}
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	d := staffed(t)
	before := d.dump(t)
	var done []int
	report := d.importing(t, "ps_idnat,nom\n8"+rpps(101)+",EXEMPLE\n8"+rpps(1)+",EXEMPLE\n",
		enroll.ImportOptions{DryRun: true, Progress: func(n int) { done = append(done, n) }})
	if report.Applied || report.Added != 1 || report.Changed != 1 || len(done) != 1 || done[0] != 2 {
		t.Errorf("%+v, progress %v", report, done)
	}
	if after := d.dump(t); after != before {
		t.Errorf("changed:\n%s\n%s", before, after)
	}
}

func TestRowsThatAreWrong(t *testing.T) {
	header := "ps_idnat,rpps,nom,profession,training,specialties,structure\n"
	good := "8" + rpps(1) + ",,EXEMPLE,60,,,\n"
	tests := []struct{ name, row, want string }{
		{"none", "8" + rpps(2) + ",,EXEMPLE,60,no,SM26,10B0057881\n", ""},
		{"no identifier", ",,EXEMPLE,,,,\n", "line 3: no PS_IdNat"},
		{"a wrong key", "899700000012,,EXEMPLE,,,,\n", "check digit"},
		{"a form that is none", "hello,,EXEMPLE,,,,\n", "unknown form"},
		{"not even an identifier", "8 1,,EXEMPLE,,,,\n", "malformed"},
		{"two identifiers of two people", "8" + rpps(2) + "," + rpps(3) + ",,,,,\n", "not of one person"},
		{"somebody twice", "8" + rpps(1) + ",,EXEMPLE,,,,\n", "line 3: 8" + rpps(1) + " is on line 2 already"},
		{"a formula for a name", "8" + rpps(2) + `,,"=HYPERLINK(1)",,,,` + "\n", "formula"},
		{"a name that does not print", "8" + rpps(2) + ",,EX\x1b[31m,,,,\n", "print"},
		{"a name on two lines", "8" + rpps(2) + ",,\"EX\nEMPLE\",,,,\n", "print"},
		{"a name without end", "8" + rpps(2) + ",," + strings.Repeat("X", 129) + ",,,,\n", "longer than 128"},
		{"another encoding", "8" + rpps(2) + ",,ZO\xc9,,,,\n", "not UTF-8"},
		{"a profession in words", "8" + rpps(2) + ",,X,Infirmier,,,\n", "TRE_G15"},
		{"a profession of four digits", "8" + rpps(2) + ",,X,1000,,,\n", "TRE_G15"},
		{"neither true nor false", "8" + rpps(2) + ",,X,,perhaps,,\n", "neither true nor false"},
		{"a speciality that is no code", "8" + rpps(2) + ",,X,,,cardio,\n", "TRE_R01"},
		{"forty specialities", "8" + rpps(2) + ",,X,,," + strings.Repeat("SM26 ", 40) + ",\n", "more than 32"},
		{"a structure with spaces", "8" + rpps(2) + ",,X,,,,a b\n", "structure"},
		{"a cell too few", "8" + rpps(2) + ",,X\n", "line 3: wrong number of fields"},
		{"a stray quote", "8" + rpps(2) + `,,EX"EMPLE,,,,` + "\n", `line 3: bare "`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := staffed(t)
			report := d.importing(t, header+good+tt.row, enroll.ImportOptions{})
			if tt.want == "" {
				if !report.Applied || report.Added != 2 {
					t.Errorf("%+v", report)
				}
				return
			}
			if report.Applied || len(report.Errors) != 1 || !strings.Contains(report.Errors[0].String(), tt.want) {
				t.Errorf("%+v, want %q", report, tt.want)
			}
			if _, err := d.Professional(t.Context(), identity.PSIdNat("8"+rpps(1))); !errors.Is(err, enroll.ErrNotFound) {
				t.Errorf("half applied: %v", err)
			}
		})
	}
}

func TestFilesThatAreNone(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"an empty one", "", "empty"},
		{"no identifier", "nom,prenom\nA,B\n", "no column ps_idnat"},
		{"a column of somebody else's", "ps_idnat,roles\n", `unknown column "roles"`},
		{"a column twice", "ps_idnat,nom,family_name\n", "two columns for family_name"},
		{"a header without end", "ps_idnat" + strings.Repeat(" ", 1<<17), "more than"},
		{"rows without end", "ps_idnat\n" + strings.Repeat("x\n", 200_001), "more than 200000 rows"},
		{"a picture", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "unknown column"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := staffed(t)
			_, err := d.ImportPeople(t.Context(), d.by(admin), strings.NewReader(tt.file), enroll.ImportOptions{})
			if refusal := wantRefusal(t, err, enroll.ReasonLayout); !strings.Contains(refusal.Detail, tt.want) {
				t.Errorf("%q, want %q", refusal.Detail, tt.want)
			}
		})
	}
	d := staffed(t)
	_, err := d.ImportPeople(t.Context(), d.by(operator), strings.NewReader(""), enroll.ImportOptions{})
	wantRefusal(t, err, enroll.ReasonRoleMissing)
	torn := io.MultiReader(strings.NewReader("ps_idnat,nom\n8"+rpps(1)+",EXEMPLE\n"), failing{})
	if _, err := d.ImportPeople(t.Context(), d.by(admin), torn, enroll.ImportOptions{}); !errors.Is(err, errDisk) {
		t.Errorf("error %v", err)
	}
	endless := io.MultiReader(strings.NewReader("ps_idnat,nom\n8"+rpps(1)+`,"`), repeating{})
	if _, err := d.ImportPeople(t.Context(), d.by(admin), endless, enroll.ImportOptions{}); err == nil || !strings.Contains(err.Error(), "row of more than") {
		t.Errorf("error %v", err)
	}
	if _, err := d.Professional(t.Context(), identity.PSIdNat("8"+rpps(1))); !errors.Is(err, enroll.ErrNotFound) {
		t.Errorf("half applied: %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errDisk }

type repeating struct{}

func (repeating) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

func TestManyErrorsAreCounted(t *testing.T) {
	d := staffed(t)
	report := d.importing(t, "ps_idnat\n"+strings.Repeat("x\n", 1500), enroll.ImportOptions{})
	if len(report.Errors) != 1000 || report.More != 500 || report.Rows != 1500 {
		t.Errorf("%d errors, %d more, %d rows", len(report.Errors), report.More, report.Rows)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.ImportPeople(gone, d.by(admin), strings.NewReader("ps_idnat\n"), enroll.ImportOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestWhatIsExportedCanBeImported(t *testing.T) {
	d := staffed(t)
	d.importing(t, "ps_idnat,nom,prenom,profession,specialties,employer\n8"+rpps(1)+`,"EXEMPLE, ""X""",Zoé,60,SM26 SM54,"A;B"`+"\n", enroll.ImportOptions{})
	var out bytes.Buffer
	n, err := d.ExportPeople(t.Context(), d.by(admin), &out)
	if err != nil || n != 7 {
		t.Fatalf("%d people, %v", n, err)
	}
	if events := d.events(t); events[len(events)-1].Kind != audit.KindPeopleExport {
		t.Error("not recorded")
	}
	there := newDesk(t)
	if _, err := there.Grant(t.Context(), console, admin, identity.RoleAdmin); err != nil {
		t.Fatal(err)
	}
	// Alice and Bob have identifiers whose key is wrong: those are told.
	text := strings.ReplaceAll(strings.ReplaceAll(out.String(), string(alice), "8"+rpps(201)), string(bob), "8"+rpps(202))
	report := there.importing(t, text, enroll.ImportOptions{})
	if !report.Applied || report.Added != 6 || report.Unchanged != 1 {
		t.Fatalf("%+v", report)
	}
	a, _ := d.Professional(t.Context(), identity.PSIdNat("8"+rpps(1)))
	b, err := there.Professional(t.Context(), identity.PSIdNat("8"+rpps(1)))
	a.UserHandle, b.UserHandle = nil, nil
	if err != nil || fmt.Sprintf("%+v", a) != fmt.Sprintf("%+v", b) {
		t.Errorf("%+v\n%+v, %v", a, b, err)
	}
	_, err = d.ExportPeople(t.Context(), d.by(auditor), io.Discard)
	wantRefusal(t, err, enroll.ReasonRoleMissing)
}

// FuzzImportPeople: whatever a file holds, it is applied whole or told wrong.
func FuzzImportPeople(f *testing.F) {
	f.Add("ps_idnat,nom\n8" + rpps(1) + ",EXEMPLE\n")
	f.Add("\ufeffRPPS;Nom\r\n" + rpps(1) + `;"EX;""EMPLE"` + "\r\n")
	f.Add("ps_idnat\tnom\n\"\n")
	f.Add("rpps|nom\n" + rpps(1) + "|\"x\n")
	d := openForFuzz(f)
	f.Fuzz(func(t *testing.T, file string) {
		report, err := d.ImportPeople(t.Context(), console, strings.NewReader(file), enroll.ImportOptions{DryRun: true})
		if err == nil && len(report.Errors) == 0 && report.Added+report.Changed+report.Unchanged != report.Rows {
			t.Errorf("%+v", report)
		}
	})
}

func openForFuzz(f *testing.F) *desk { return deskOn(f, nil) }

// BenchmarkImport50000 is the time of one import of 50,000 people into an
// empty record, during which nobody else can write.
func BenchmarkImport50000(b *testing.B) {
	var file strings.Builder
	file.WriteString("rpps,nom,prenom,profession\n")
	for i := range 50_000 {
		fmt.Fprintf(&file, "%s,EXEMPLE %s,%s,60\n", rpps(i), letters(i), letters(i))
	}
	for b.Loop() {
		b.StopTimer()
		d := deskOn(b, nil)
		b.StartTimer()
		began := time.Now()
		report, err := d.ImportPeople(b.Context(), console, strings.NewReader(file.String()), enroll.ImportOptions{})
		if err != nil || report.Added != 50_000 {
			b.Fatal(report, err)
		}
		b.ReportMetric(50_000/time.Since(began).Seconds(), "rows/s")
	}
}
