package enroll_test

import (
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"

	"cpsgate/enroll"
)

func written(t testing.TB, rows ...[]string) string {
	t.Helper()
	var b strings.Builder
	table := enroll.NewTable(&b)
	for _, row := range rows {
		if err := table.Row(row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCellsThatASpreadsheetWouldRun(t *testing.T) {
	for _, tt := range []struct{ name, cell, want string }{
		{"a name", "EXEMPLE", "EXEMPLE"},
		{"a hyphen inside", "EXEMPLE-MARIÉE", "EXEMPLE-MARIÉE"},
		{"an apostrophe", "'t HOOFT", "'t HOOFT"},
		{"nothing", "", ""},
		{"equals", "=1+1", "'=1+1"},
		{"plus", "+33 1", "'+33 1"},
		{"minus", "-1", "'-1"},
		{"at", "@SUM(A1)", "'@SUM(A1)"},
		{"a wide one", "＝1", "'＝1"},
		{"a tab", "\tx", "'\tx"},
		{"a line end", "\n=1", "\"'\n'=1\""},
		{"spaces before", "  =1", `"  '=1"`},
		{"a space that does not break, before", "\u00a0=1", `"` + "\u00a0'=1" + `"`},
		{"after a semicolon", "A;=1", "A;'=1"},
		{"after a comma", "A,+1", `"A,'+1"`},
		{"after a bar and a space", "A| @x", "A| '@x"},
		{"after a tab", "A\t-1", "A\t'-1"},
		{"behind quotes", `A;"=1`, `"A;""'=1"`},
		{"one apostrophe already", "'=1", "''=1"},
		{"several cells in one", "=1;=2|'=3", "'=1;'=2|''=3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.TrimSuffix(written(t, []string{tt.cell, "x"}), ",x\n"); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

type refusing struct{}

func (refusing) Write([]byte) (int, error) { return 0, errDisk }

func TestATableThatCannotBeWritten(t *testing.T) {
	table := enroll.NewTable(refusing{})
	if err := errors.Join(table.Row("a"), table.Flush()); !errors.Is(err, errDisk) {
		t.Errorf("error %v", err)
	}
}

// FuzzTable: whatever the cells hold, no spreadsheet finds a formula in them at
// whichever separator it splits, with or without regard for quotes; and what was
// written can be had back.
func FuzzTable(f *testing.F) {
	for _, seed := range [][2]string{
		{"=1", "@x"}, {`";=1`, "|\t-1"}, {"'=1", "''"}, {"\ufeff=1", " \u00a0+1"}, {"a\r\n=1", "a,b;c|d"}, {"\xff=1", "\x00=1"}, {"é", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		text := written(t, []string{first, second})
		for _, separator := range []string{",", ";", "|", "\t"} {
			for _, piece := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || string(r) == separator }) {
				mayRun(t, piece)
			}
		}
		for _, cell := range []string{first, second} {
			if got := enroll.Bare(enroll.Guarded(cell)); got != cell {
				t.Errorf("%q came back as %q", cell, got)
			}
		}
		if strings.Contains(first+second, "\r") { // which readers of CSV make "\n"
			return
		}
		back, err := csv.NewReader(strings.NewReader(text)).Read()
		if err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		for i, cell := range back {
			mayRun(t, cell)
			back[i] = enroll.Bare(cell)
		}
		if !slices.Equal(back, []string{first, second}) {
			t.Errorf("%q came back as %q", []string{first, second}, back)
		}
	})
}

func mayRun(t *testing.T, cell string) {
	t.Helper()
	seen := strings.TrimLeftFunc(cell, func(r rune) bool {
		return r == '"' || r != '\t' && (unicode.IsSpace(r) || !unicode.IsPrint(r))
	})
	if seen != "" && strings.ContainsAny(string([]rune(seen)[:1]), "=+-@\t＝＋－＠") {
		t.Errorf("%q would run", cell)
	}
}
