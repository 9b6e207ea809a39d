package enroll

import (
	"encoding/csv"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Table writes text as CSV (RFC 4180) of which a spreadsheet runs nothing,
// whichever separator it splits at: an apostrophe stands before what it would
// take for a formula (OWASP, "CSV Injection"). What imports a table takes that
// apostrophe away again.
type Table struct{ csv *csv.Writer }

// NewTable begins a table.
func NewTable(out io.Writer) Table { return Table{csv.NewWriter(out)} }

// Row writes one row. Its error may come late: Flush has the last word.
func (t Table) Row(cells ...string) error {
	plain := make([]string, len(cells))
	for i, cell := range cells {
		plain[i] = guarded(cell)
	}
	return t.csv.Write(plain)
}

// Flush writes what is left.
func (t Table) Flush() error {
	t.csv.Flush()
	return t.csv.Error()
}

// guarded is the cell with one apostrophe more before whatever begins a formula;
// bare is the cell without it. bare(guarded(s)) is s, whatever s is.
func guarded(cell string) string { return apostrophes(cell, func(n int) int { return n + 1 }) }

func bare(cell string) string {
	if !strings.Contains(cell, "'") {
		return cell
	}
	return apostrophes(cell, func(n int) int { return max(n-1, 0) })
}

// apostrophes changes how many stand before each character that begins a formula
// where a spreadsheet may see the beginning of a cell: at the start, and after
// anything that some spreadsheet splits at. Spaces, quotes and what does not
// print may be lost on the way, so that they hide nothing.
func apostrophes(cell string, change func(n int) int) string {
	if !strings.ContainsFunc(cell, beginsFormula) {
		return cell
	}
	var b strings.Builder
	fresh, held := true, 0 // at a beginning, after so many apostrophes
	for len(cell) > 0 {
		r, size := utf8.DecodeRuneInString(cell)
		text := cell[:size]
		cell = cell[size:]
		switch {
		case fresh && r == '\'':
			held++
			continue
		case fresh && beginsFormula(r):
			held = change(held)
			fresh = false
		case fresh && held == 0 && (r == ' ' || r == '"' || !unicode.IsPrint(r)):
		default:
			fresh = false
		}
		b.WriteString(strings.Repeat("'", held))
		b.WriteString(text)
		held = 0
		if splits(r) {
			fresh = true
		}
	}
	b.WriteString(strings.Repeat("'", held))
	return b.String()
}

// beginsFormula: the wide forms count as the others where a system's language
// makes them so.
func beginsFormula(r rune) bool { return strings.ContainsRune("=+-@\t\r\n＝＋－＠", r) }

func splits(r rune) bool { return strings.ContainsRune(";,|\t\r\n", r) }
