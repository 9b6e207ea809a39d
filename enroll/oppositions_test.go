package enroll_test

import (
	"fmt"
	"strings"
	"testing"

	"cpsgate/audit"
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

// TestOppositionsThatAreWrong: each row that is not understood is told, and keeps
// no other from being applied.
func TestOppositionsThatAreWrong(t *testing.T) {
	d := staffed(t)
	file := opposing("8|x|abc|||", "8|x|0000000009||yesterday|", "8|99700000017|0000000002|||", "8|x|1",
		"8|x|"+strings.Repeat("1", 200_000), "8|99700000017|0000000001||2026-03-01|", `8|"|1234567890|"EXEMPLE||`)
	foreseen, err := d.ImportOppositions(t.Context(), d.by(operator), strings.NewReader(file), enroll.ImportOptions{DryRun: true})
	report := d.oppose(t, file)
	if err != nil || foreseen.Applied || fmt.Sprint(foreseen.Errors) != fmt.Sprint(report.Errors) || foreseen.Suspended != 1 {
		t.Errorf("foreseen %+v, %v", foreseen, err)
	}
	if !report.Applied || report.Suspended != 1 || report.Wrong() != 5 || report.Understood() != 2 || report.Nothing() {
		t.Fatalf("%+v", report)
	}
	for i, want := range []string{
		"line 2: card number", "line 3: opposition date", "line 4: card 0000000002 is known here as that of", "line 5: wrong number", "line 6: a row of more than",
	} {
		if got := report.Errors[i].String(); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	d.wantCard(t, cardA, identity.CardSuspended, enroll.ReasonOpposed)
	events := d.events(t)
	if e := events[len(events)-1]; e.Kind != audit.KindOppositionImport || e.Outcome != audit.Done || !strings.Contains(e.Detail, "7 rows, 5 not understood, 1 opposed") {
		t.Errorf("%+v", e)
	}
}

// TestARowSpoilsNoOther: neither a quote that is never closed, nor one too many.
func TestARowSpoilsNoOther(t *testing.T) {
	for _, separator := range []string{",", ";", "\t", "|"} {
		t.Run(separator, func(t *testing.T) {
			d := staffed(t)
			file := "rpps;card number;name;opposition date\n" +
				`8;1111111111;"never closed;2026-03-01` + "\n" +
				`8;1111111112;B"C;2026-03-01` + "\n" +
				strings.Repeat("8;1111111113;EXEMPLE;2026-03-01\n", 5000) +
				`99700000017;0000000001;"EXEMPLE";2026-03-01` + "\n"
			report := d.oppose(t, strings.ReplaceAll(file, ";", separator))
			if want := map[bool]int{true: 0, false: 2}[separator == "|"]; report.Wrong() != want || report.Rows != 5003 {
				t.Errorf("%d of %d not understood, want %d: %v", report.Wrong(), report.Rows, want, report.Errors)
			}
			d.wantCard(t, cardA, identity.CardSuspended, enroll.ReasonOpposed)
		})
	}
}

// TestAListThatWasCutOff stops fewer cards, and never brings one back: of a last
// row that nothing ends, what may be half a word is not believed.
func TestAListThatWasCutOff(t *testing.T) {
	const plain, cardLast, barred = "rpps,card number,opposition date\n", "opposition date,rpps,card number\n", "rpps|card number|opposition date|\n"
	for _, tt := range []struct {
		name, file string
		wrong      int
		state      identity.CardState
	}{
		{"whole, opposed", plain + "99700000017,0000000001,2026-03-01\n", 0, identity.CardSuspended},
		{"whole but for the last line end", plain + "99700000017,0000000001,2026-03-01", 0, identity.CardSuspended},
		{"cut within the last line end", plain + "99700000017,0000000001,2026-03-01\r", 0, identity.CardSuspended},
		{"cut within the date", plain + "99700000017,0000000001,2026-03-0", 1, identity.CardActive},
		{"cut before the date", plain + "99700000017,0000000001,", 1, identity.CardActive},
		{"cut before the date's cell", plain + "99700000017,0000000001", 1, identity.CardActive},
		{"cut within the card's number", cardLast + "2026-03-01,99700000017,1", 1, identity.CardActive},
		{"cut after the date's cell", barred + "99700000017|0000000001|2026-03-01|", 0, identity.CardSuspended},
		{"cut before its end", barred + "99700000017|0000000001|2026-03-01", 1, identity.CardActive},
		{"cut between rows", plain + "99700000041,1234567890,2026-03-01\n", 0, identity.CardActive},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := staffed(t)
			report := d.oppose(t, tt.file)
			if report.Wrong() != tt.wrong || report.Applied != (tt.wrong == 0) {
				t.Errorf("%+v", report)
			}
			if c, err := d.Card(t.Context(), cardA); err != nil || c.State != tt.state {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
	t.Run("after which nothing is lifted", func(t *testing.T) {
		d := staffed(t)
		d.oppose(t, plain+"99700000017,0000000001,2026-03-01\n")
		for _, cut := range []string{"99700000041,1234567890,\n99700000017,0000000001,", "99700000041,1234567890,\n99700000017,00000", "99700000041,1234567890,\n"} {
			if report := d.oppose(t, plain+cut); report.Proposed != 0 || !report.Applied {
				t.Errorf("%q: %+v", cut, report)
			}
		}
		if report := d.oppose(t, plain+"99700000017,0000000001,\n"); report.Proposed != 1 {
			t.Errorf("%+v", report)
		}
	})
}

// TestAListThatNobodyUnderstands is not applied, nor called so.
func TestAListThatNobodyUnderstands(t *testing.T) {
	d := staffed(t)
	before := len(d.events(t))
	report := d.oppose(t, opposing("8|x|abc|||", "8|x|abd||2026-03-01|"))
	if report.Applied || !report.Nothing() || report.Wrong() != 2 || len(d.events(t)) != before {
		t.Errorf("%+v", report)
	}
	if report := d.oppose(t, opposing()); !report.Applied || report.Rows != 0 || report.Nothing() { // a day without any
		t.Errorf("%+v", report)
	}
}

// TestAReportOutlastsAnOpposition: a card that somebody has reported lost while it
// was opposed is not proposed when the opposition is lifted.
func TestAReportOutlastsAnOpposition(t *testing.T) {
	d := staffed(t)
	d.oppose(t, opposing("8|99700000017|0000000001||2026-03-01|"))
	before := len(d.events(t))
	act := d.by(operator)
	act.Reason = "perdue, dit son porteur"
	if err := d.Suspend(t.Context(), act, cardA); err != nil {
		t.Fatal(err)
	}
	d.wantCard(t, cardA, identity.CardSuspended, act.Reason)
	if events := d.events(t)[before:]; len(events) != 1 || events[0].Reason != act.Reason || events[0].Actor != operator || events[0].Subject != alice || events[0].Detail != "suspended already" {
		t.Errorf("%+v", events)
	}
	if report := d.oppose(t, opposing("8|99700000017|0000000001|||")); report.Proposed != 0 {
		t.Errorf("%+v", report)
	}
	d.set(t, cardA, identity.CardRevoked)
	if err := d.Revoke(t.Context(), act, cardA); err != nil {
		t.Fatal(err)
	}
	d.wantCard(t, cardA, identity.CardRevoked, "test")
}

func TestListsThatAreNone(t *testing.T) {
	d := staffed(t)
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
		if err == nil && (report.Known > report.Rows || report.Opposed > report.Rows || report.Understood() < 0) {
			t.Errorf("%+v", report)
		}
	})
}
