package enroll

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// rowSource gives a table's rows, io.EOF after the last. A brokenRow is one that
// cannot be read: the next one can.
type rowSource interface {
	next() (sheetRow, error)
}

// brokenRow is a row that cannot be read as one.
type brokenRow struct {
	line int
	err  error
}

func (b *brokenRow) Error() string { return b.err.Error() }

// quotedRows reads CSV whose quoted cells may hold line ends.
type quotedRows struct {
	csv   *csv.Reader
	limit *rowLimit
}

func quoted(in io.Reader, limit *rowLimit, comma rune) *quotedRows {
	r := csv.NewReader(in)
	r.ReuseRecord = true
	r.Comma = comma
	r.LazyQuotes = comma == '|' // such files quote nothing
	return &quotedRows{r, limit}
}

func (q *quotedRows) next() (sheetRow, error) {
	q.limit.left = 2 * maxRow
	cells, err := q.csv.Read()
	var broken *csv.ParseError
	switch {
	case errors.As(err, &broken):
		return sheetRow{}, &brokenRow{broken.StartLine, broken.Err}
	case err != nil:
		return sheetRow{}, err
	}
	line, _ := q.csv.FieldPos(0)
	return sheetRow{line: line, cells: cells}, nil
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

// lineRows reads a table each of whose lines is a row: a quote that is never
// closed, or a line without end, spoils that line and no other. Bars stand
// between cells that quote nothing.
type lineRows struct {
	in    *bufio.Reader
	comma rune
	line  int
	cut   bool // nothing ended the line
	cells []string
	width int // how many cells the first row had
}

func (l *lineRows) next() (sheetRow, error) {
	for {
		text, err := l.readLine()
		if err != nil {
			return sheetRow{}, err
		}
		if text == "" {
			continue
		}
		if err := l.split(text); err != nil {
			return sheetRow{}, &brokenRow{l.line, err}
		}
		if l.width == 0 {
			l.width = len(l.cells)
		}
		if len(l.cells) != l.width {
			return sheetRow{}, &brokenRow{l.line, csv.ErrFieldCount}
		}
		return sheetRow{line: l.line, cells: l.cells, cut: l.cut}, nil
	}
}

// readLine gives one line without its end; of one that is too long it reads all
// and keeps nothing.
func (l *lineRows) readLine() (string, error) {
	b, err := l.in.ReadSlice('\n')
	l.line++
	long := false
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		b, err = l.in.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) && (long || len(b) > 0) {
		l.cut, err = !bytes.HasSuffix(b, []byte("\r")), nil
	}
	switch {
	case err != nil:
		return "", err
	case long:
		return "", &brokenRow{l.line, wrong(FaultRowLong, "", strconv.Itoa(l.line), "a row of more than %d bytes", maxRow)}
	}
	return string(bytes.TrimRight(b, "\r\n")), nil
}

func (l *lineRows) split(text string) (err error) {
	if l.comma != '|' && strings.Contains(text, `"`) {
		r := csv.NewReader(strings.NewReader(text))
		r.Comma = l.comma
		l.cells, err = r.Read()
		var broken *csv.ParseError
		if errors.As(err, &broken) {
			err = broken.Err
		}
		return err
	}
	l.cells = l.cells[:0]
	for more := true; more; {
		var cell string
		cell, text, more = strings.Cut(text, string(l.comma))
		l.cells = append(l.cells, cell)
	}
	return nil
}
