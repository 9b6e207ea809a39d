package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// importKind is what a file is of.
type importKind struct {
	name  string // in addresses
	words string // the key of what it is called
	event string // the audit's kind
	run   func(context.Context, enroll.Act, io.Reader, enroll.ImportOptions) (importReport, error)
}

// The kinds of imported files, by the last part of the upload's address.
const (
	importOfPeople      = "people"
	importOfOppositions = "oppositions"
)

func (s *Server) importKind(name string) importKind {
	if name == importOfOppositions {
		return importKind{name, "import.of.oppositions", audit.KindOppositionImport, s.importOppositions}
	}
	return importKind{importOfPeople, "import.of.people", audit.KindPeopleImport, s.importPeople}
}

func (s *Server) importPeople(ctx context.Context, act enroll.Act, in io.Reader, o enroll.ImportOptions) (importReport, error) {
	r, err := s.o.Registry.ImportPeople(ctx, act, in, o)
	if len(r.Errors) > 0 {
		return importReport{rows: r.Rows, told: r.Errors, more: r.More, as: rowsToMend, refused: true}, err
	}
	return importReport{rows: r.Rows, counts: []importCount{
		{"import.added", r.Added}, {"import.changed", r.Changed}, {"import.unchanged", r.Unchanged},
	}, told: r.Notes, more: r.MoreNotes, as: rowsKept}, err
}

func (s *Server) importOppositions(ctx context.Context, act enroll.Act, in io.Reader, o enroll.ImportOptions) (importReport, error) {
	r, err := s.o.Registry.ImportOppositions(ctx, act, in, o)
	if r.Nothing() {
		return importReport{rows: r.Rows, told: r.Errors, more: r.More, as: rowsToMend, refused: true}, err
	}
	return importReport{rows: r.Rows, counts: []importCount{
		{"import.not-understood", r.Wrong()}, {"import.opposed", r.Opposed}, {"import.known", r.Known},
		{"import.suspended", r.Suspended}, {"import.proposed", r.Proposed},
	}, told: r.Errors, more: r.More, as: rowsSkipped}, err
}

// uploadTime is how long a large file may take to come, or an answer that
// waits for all of it to be dealt with.
const uploadTime = 10 * time.Minute

// patient gives the request that time: for people and clients who have proved
// who they are.
func patient(c echo.Context) error {
	ctl, until := http.NewResponseController(c.Response()), time.Now().Add(uploadTime)
	if err := errors.Join(ctl.SetReadDeadline(until), ctl.SetWriteDeadline(until)); err != nil {
		return fmt.Errorf("taking time for a file: %w", err)
	}
	return nil
}

// upload takes the one file of a form into the spool.
func (s *Server) upload(c echo.Context) (*importing, error) {
	if err := patient(c); err != nil {
		return nil, err
	}
	form, err := c.Request().MultipartReader()
	if err != nil {
		return nil, reasonMediaType
	}
	part, err := form.NextPart()
	if err != nil {
		return nil, badBody(err)
	}
	if part.FormName() != "file" {
		return nil, fmt.Errorf("%w: a field that is unknown", reasonBadRequest)
	}
	if part.FileName() == "" {
		return nil, reasonNoFile
	}
	j := &importing{id: newLabel(), name: fileName(part.FileName()), state: importChecking}
	if j.file, err = s.newSpool(); err != nil {
		return nil, err
	}
	if err := j.fill(part, form); err != nil {
		j.drop()
		return nil, err
	}
	return j, nil
}

// newSpool is a file that only we see, and that is gone with us: where it can
// be, it has no name from the start.
func (s *Server) newSpool() (*os.File, error) {
	f, err := os.CreateTemp(s.o.Spool, "import-*")
	if err != nil {
		return nil, fmt.Errorf("spooling an upload: %w", err)
	}
	_ = os.Remove(f.Name()) // not on Windows, where drop does it
	return f, nil
}

// fill takes the part into the file, counts its lines, and wants nothing after it.
func (j *importing) fill(part io.Reader, form *multipart.Reader) error {
	var lines lineCount
	if _, err := io.Copy(j.file, io.TeeReader(part, &lines)); err != nil {
		return uploadFault(err)
	}
	j.rows = max(lines.lines()-1, 0)
	if _, err := form.NextPart(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: more than one file", reasonBadRequest)
	}
	return nil
}

// uploadFault tells what came from what could not be kept.
func uploadFault(err error) error {
	var size *http.MaxBytesError
	var disk *os.PathError
	switch {
	case errors.As(err, &size):
		return reasonTooLarge
	case errors.As(err, &disk):
		return fmt.Errorf("spooling an upload: %w", err)
	}
	return reasonBadRequest
}

// lineCount counts lines, the last one too if nothing ends it.
type lineCount struct {
	ended int
	open  bool // bytes came after the last end
}

func (l *lineCount) Write(b []byte) (int, error) {
	if len(b) > 0 {
		l.ended += bytes.Count(b, []byte("\n"))
		l.open = b[len(b)-1] != '\n'
	}
	return len(b), nil
}

func (l *lineCount) lines() int {
	if l.open {
		return l.ended + 1
	}
	return l.ended
}

// fileName keeps of a file's name what can be shown.
func fileName(told string) string {
	name := path.Base(strings.ReplaceAll(told, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
	if runes := []rune(name); len(runes) > 80 {
		name = string(runes[:80])
	}
	return name
}
