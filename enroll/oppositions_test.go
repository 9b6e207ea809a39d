package enroll_test

import (
	"fmt"
	"strings"
	"testing"

	"cpsgate/enroll"
	"cpsgate/identity"
)

func opposing(rows ...string) string {
	return "Type d'identifiant PP|Identifiant PP|Numéro carte|Nom d'exercice|Date opposition|\n" + strings.Join(rows, "\n") + "\n"
}

func TestImportOppositions(t *testing.T) {
	tests := []struct {
		name   string
		before func(t *testing.T, d *desk)
		file   string
		want   enroll.OppositionReport
		state  identity.CardState
		reason string
	}{
		{"an opposed card", nil, opposing("8|99700000017|0000000001|EXEMPLE|2026-03-01|"),
			enroll.OppositionReport{Rows: 1, Opposed: 1, Known: 1, Suspended: 1}, identity.CardSuspended, enroll.ReasonOpposed},
		{"its number without zeros, a date without hyphens", nil, opposing("8|99700000017|1||20260301|"),
			enroll.OppositionReport{Rows: 1, Opposed: 1, Known: 1, Suspended: 1}, identity.CardSuspended, enroll.ReasonOpposed},
		{"plain names, commas", nil, "card number,rpps,opposition date\n0000000001,899700000017,01/03/2026\n",
			enroll.OppositionReport{Rows: 1, Opposed: 1, Known: 1, Suspended: 1}, identity.CardSuspended, enroll.ReasonOpposed},
		{"an old encoding", nil, "Identifiant PP|Num\xe9ro carte|Pr\xe9nom|Date opposition\n99700000017|0000000001|Zo\xe9|2026-03-01\n",
			enroll.OppositionReport{Rows: 1, Opposed: 1, Known: 1, Suspended: 1}, identity.CardSuspended, enroll.ReasonOpposed},
		{"stray quotes in a column that is none of ours", nil, opposing(`8|99700000017|0000000001|LE "GRAND" EXEMPLE|2026-03-01|`),
			enroll.OppositionReport{Rows: 1, Opposed: 1, Known: 1, Suspended: 1}, identity.CardSuspended, enroll.ReasonOpposed},
		{"not opposed", nil, opposing("8|99700000017|0000000001|EXEMPLE||"),
			enroll.OppositionReport{Rows: 1, Known: 1}, identity.CardActive, ""},
		{"only from tomorrow on", nil, opposing("8|99700000017|0000000001|EXEMPLE|2026-03-03|"),
			enroll.OppositionReport{Rows: 1, Known: 1}, identity.CardActive, ""},
		{"on two rows, one of which opposes it", nil, opposing("8|99700000017|0000000001|||", "8|99700000017|0000000001||2026-03-01|", "8|99700000017|0000000001|||"),
			enroll.OppositionReport{Rows: 3, Opposed: 1, Known: 1, Suspended: 1}, identity.CardSuspended, enroll.ReasonOpposed},
		{"a card of elsewhere", nil, opposing("8|99700000041|1234567890|EXEMPLE|2026-03-01|", "0|x|12345678901234|EXEMPLE|2026-03-01|"),
			enroll.OppositionReport{Rows: 2, Opposed: 2}, identity.CardActive, ""},
		{"a card that is lost already", func(t *testing.T, d *desk) { d.set(t, cardA, identity.CardSuspended) }, opposing("8|99700000017|0000000001||2026-03-01|"),
			enroll.OppositionReport{Rows: 1, Opposed: 1, Known: 1}, identity.CardSuspended, "test"},
		{"an opposition that was lifted", func(t *testing.T, d *desk) { d.oppose(t, opposing("8|99700000017|0000000001||2026-03-01|")) },
			opposing("8|99700000017|0000000001|||"), enroll.OppositionReport{Rows: 1, Known: 1, Proposed: 1}, identity.CardSuspended, enroll.ReasonOpposed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := staffed(t)
			if tt.before != nil {
				tt.before(t, d)
			}
			d.told = nil
			foreseen, err := d.ImportOppositions(t.Context(), d.by(operator), strings.NewReader(tt.file), enroll.ImportOptions{DryRun: true})
			if err != nil || foreseen.Applied {
				t.Fatalf("%+v, %v", foreseen, err)
			}
			got := d.oppose(t, tt.file)
			tt.want.Applied, tt.want.Digest = true, got.Digest
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tt.want) {
				t.Errorf("%+v\nwant %+v", got, tt.want)
			}
			foreseen.Applied = true
			if fmt.Sprintf("%+v", foreseen) != fmt.Sprintf("%+v", got) {
				t.Errorf("the dry run foresaw %+v", foreseen)
			}
			d.wantCard(t, cardA, tt.state, tt.reason)
			if (len(d.told) > 0) != (tt.want.Suspended > 0) {
				t.Errorf("told %q", d.told)
			}
			again := d.oppose(t, tt.file)
			if again.Suspended+again.Proposed != 0 {
				t.Errorf("again: %+v", again)
			}
		})
	}
}

func (d *desk) oppose(t *testing.T, file string) enroll.OppositionReport {
	t.Helper()
	report, err := d.ImportOppositions(t.Context(), d.by(operator), strings.NewReader(file), enroll.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestOppositionsThatAreWrong(t *testing.T) {
	d := staffed(t)
	report := d.oppose(t, opposing("8|99700000017|0000000001||2026-03-01|", "8|x|abc|||", "8|x|0000000009||yesterday|", "8|99700000017|0000000002|||", "8|x|1"))
	if report.Applied || len(report.Errors) != 4 {
		t.Fatalf("%+v", report)
	}
	for i, want := range []string{"line 3: card number", "line 4: opposition date", "line 5: card 0000000002 is known here as that of", "line 6: wrong number"} {
		if got := report.Errors[i].String(); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	d.wantCard(t, cardA, identity.CardActive, "")
	for name, file := range map[string]string{
		"no dates": "Identifiant PP|Numéro carte\n", "no cards": "Identifiant PP|Date opposition\n", "no holders": "Numéro carte|Date opposition\n",
		"two dates": "rpps,card number,opposition date,date opposition\n", "nothing": "",
	} {
		_, err := d.ImportOppositions(t.Context(), d.by(operator), strings.NewReader(file), enroll.ImportOptions{})
		if refusal := wantRefusal(t, err, enroll.ReasonLayout); !strings.HasPrefix(refusal.Detail, "line 1: ") {
			t.Errorf("%s: %q", name, refusal.Detail)
		}
	}
	_, err := d.ImportOppositions(t.Context(), d.by(auditor), strings.NewReader(""), enroll.ImportOptions{})
	wantRefusal(t, err, enroll.ReasonRoleMissing)
}

func FuzzImportOppositions(f *testing.F) {
	f.Add(opposing("8|99700000017|0000000001|EXEMPLE|2026-03-01|"))
	f.Add("Identifiant PP;Num\xe9ro carte;Date opposition\n1;2;3\n")
	f.Add("rpps,card number,opposition date\n\"")
	d := openForFuzz(f)
	f.Fuzz(func(t *testing.T, file string) {
		report, err := d.ImportOppositions(t.Context(), console, strings.NewReader(file), enroll.ImportOptions{DryRun: true})
		if err == nil && (report.Known > report.Rows || report.Opposed > report.Rows) {
			t.Errorf("%+v", report)
		}
	})
}
