package enroll

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
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
	csv    *csv.Reader
	limit  *rowLimit
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
	rows    int  // at most
}

// openSheet reads the header.
func openSheet(r io.Reader, l layout) (*sheet, error) {
	limit := &rowLimit{r: r, left: 2 * maxRow}
	in := bufio.NewReaderSize(limit, maxRow)
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
	s := &sheet{csv: csv.NewReader(in), limit: limit, column: map[string]int{}, most: l.rows}
	s.csv.ReuseRecord = true
	s.csv.Comma = separator(line)
	s.csv.LazyQuotes = s.csv.Comma == '|' // such files quote nothing
	header, err := s.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, refuseLayout(wrong(FaultEmpty, "", "", "the file is empty"))
	}
	if err != nil {
		return nil, refuseLayout(wrong(FaultHeaderBroken, "", "", "%v", err))
	}
	return s, s.name(header, l)
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
	sheet *sheet
}

func (r sheetRow) cell(field string) string {
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
		s.limit.left = 2 * maxRow
		cells, err := s.csv.Read()
		var broken *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case s.rows == s.most && (err == nil || errors.As(err, &broken)):
			return refuseLayout(wrong(FaultTooManyRows, "", strconv.Itoa(s.most), "more than %d rows", s.most))
		case errors.As(err, &broken):
			s.rows++
			s.errors.add(broken.StartLine, broken.Err)
			continue
		case errors.Is(err, errRowTooLong):
			return refuseLayout(wrong(FaultRowLong, "", strconv.Itoa(s.rows+1), "row %d: %v", s.rows+1, err))
		case err != nil:
			return fmt.Errorf("reading after row %d: %w", s.rows, err)
		}
		s.rows++
		line, _ := s.csv.FieldPos(0)
		if err := take(sheetRow{line, cells, s}); err != nil {
			s.errors.add(line, err)
		}
		if s.rows%progressEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// errRowTooLong ends the reading: where the next row begins cannot be told.
var errRowTooLong = fmt.Errorf("a row of more than %d bytes", maxRow)

// rowLimit refuses to feed a row that never ends; left is set before each.
type rowLimit struct {
	r    io.Reader
	left int
}

func (l *rowLimit) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, errRowTooLong
	}
	n, err := l.r.Read(b)
	l.left -= n
	return n, err
}
