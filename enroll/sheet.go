package enroll

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ImportOptions are how a file is imported.
type ImportOptions struct {
	DryRun   bool           // read and compare, change nothing
	Progress func(done int) // told now and then how many rows were dealt with; nil: nobody asks
}

// Bounds of an imported file.
const (
	maxErrors     = 1000     // rows told one by one; the others are counted
	maxRow        = 64 << 10 // bytes, the header too
	progressEvery = 500
)

// sheet reads a table of text with a header: comma, semicolon, tab or bar
// between the cells, UTF-8 with or without a byte order mark.
type sheet struct {
	source rowSource
	column map[string]int // field → index of its cell
	errors rowErrors
	rows   int
	most   int
}

// rowErrors gathers what was wrong.
type rowErrors struct {
	list []RowError
	more int
}

func (e *rowErrors) add(line int, err error) {
	if len(e.list) >= maxErrors {
		e.more++
		return
	}
	e.list = append(e.list, faultOf(line, err))
}

// layout is what a header may hold: fields by the folded names of their
// columns.
type layout struct {
	fields  map[string]string
	foreign bool // columns that are none of ours are passed over
	lines   bool // each line is a row, whatever stands in another
	rows    int  // at most
}

// openSheet reads the header.
func openSheet(r io.Reader, l layout) (*sheet, error) {
	limit := &rowLimit{r: r, left: 2 * maxRow}
	in := bufio.NewReaderSize(limit, maxRow)
	if l.lines {
		in = bufio.NewReaderSize(r, maxRow)
	}
	if mark, _ := in.Peek(3); bytes.Equal(mark, []byte("\ufeff")) {
		_, _ = in.Discard(3)
	}
	start, err := in.Peek(maxRow)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	line, _, ended := bytes.Cut(start, []byte("\n"))
	if !ended && len(start) == maxRow {
		return nil, refuseLayout(wrong(FaultHeaderLong, "", "", "more than %d bytes", maxRow))
	}
	comma := separator(line)
	s := &sheet{source: quoted(in, limit, comma), column: map[string]int{}, most: l.rows}
	if l.lines {
		s.source = &lineRows{in: in, comma: comma}
	}
	header, err := s.source.next()
	if errors.Is(err, io.EOF) {
		return nil, refuseLayout(wrong(FaultEmpty, "", "", "the file is empty"))
	}
	if err != nil {
		return nil, refuseLayout(wrong(FaultHeaderBroken, "", "", "%v", err))
	}
	return s, s.name(header.cells, l)
}

func (s *sheet) name(header []string, l layout) error {
	for i, title := range header {
		field, known := l.fields[Fold(decoded(title))]
		if !known {
			if l.foreign {
				continue
			}
			return refuseLayout(wrong(FaultColumnUnknown, "", decoded(title), "unknown column %q", bounded(decoded(title), 64)))
		}
		if _, twice := s.column[field]; twice {
			return refuseLayout(wrong(FaultColumnTwice, field, "", "two columns for %s", field))
		}
		s.column[field] = i
	}
	return nil
}

func (s *sheet) has(field string) bool { _, found := s.column[field]; return found }

// decoded reads what is no UTF-8 as ISO 8859-1, whose bytes are the first runes.
func decoded(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, 0, len(s))
	for i := range len(s) {
		runes = append(runes, rune(s[i]))
	}
	return string(runes)
}

// separator is the candidate that the header holds most of.
func separator(header []byte) rune {
	best, most := ',', 0
	for _, candidate := range []rune{';', ',', '\t', '|'} {
		if n := bytes.Count(header, []byte(string(candidate))); n > most {
			best, most = candidate, n
		}
	}
	return best
}

// sheetRow is one row of a sheet, good until the next is read.
type sheetRow struct {
	line  int
	cells []string
	cut   bool // nothing ends it: the file may have been cut off in it
	sheet *sheet
}

// cell is what the row holds of a field, without what a Table put before it.
func (r sheetRow) cell(field string) string { return bare(r.raw(field)) }

// last reports that nothing of the row comes after the field.
func (r sheetRow) last(field string) bool { return r.sheet.column[field] == len(r.cells)-1 }

func (r sheetRow) raw(field string) string {
	i, found := r.sheet.column[field]
	if !found {
		return ""
	}
	return strings.TrimSpace(r.cells[i])
}

// each reads all rows: take's error is the row's. A row that cannot be read as
// one is an error of its own, and reading goes on; a file that cannot be read
// ends it.
func (s *sheet) each(ctx context.Context, take func(sheetRow) error) error {
	for {
		row, err := s.source.next()
		var broken *brokenRow
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case s.rows == s.most && (err == nil || errors.As(err, &broken)):
			return refuseLayout(wrong(FaultTooManyRows, "", strconv.Itoa(s.most), "more than %d rows", s.most))
		case errors.As(err, &broken):
			s.rows++
			s.errors.add(broken.line, broken.err)
			continue
		case errors.Is(err, errRowTooLong):
			return refuseLayout(wrong(FaultRowLong, "", strconv.Itoa(s.rows+1), "row %d: %v", s.rows+1, err))
		case err != nil:
			return fmt.Errorf("reading after row %d: %w", s.rows, err)
		}
		s.rows++
		row.sheet = s
		if err := take(row); err != nil {
			s.errors.add(row.line, err)
		}
		if s.rows%progressEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
