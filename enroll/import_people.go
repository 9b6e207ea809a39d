package enroll

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"cpsgate/audit"
	"cpsgate/identity"
)

// ImportReport is what an import found and did. With any error nothing was
// applied.
type ImportReport struct {
	Rows      int
	Added     int
	Changed   int
	Unchanged int
	Errors    []RowError // the first thousand
	More      int        // errors beyond those
	Applied   bool
	Digest    string // SHA-256 of the file, as the audit names it
}

// The fields of a person in a file: what ExportPeople writes, in its order.
const (
	fieldIdNat       = "ps_idnat"
	fieldFamilyName  = "family_name"
	fieldGivenName   = "given_name"
	fieldTitle       = "title"
	fieldProfession  = "profession"
	fieldTraining    = "training"
	fieldSpecialties = "specialties"
	fieldStructure   = "structure"
	fieldEmployer    = "employer"
	fieldRPPS        = "rpps"
)

// peopleLayout is what the header may hold, besides case, accents and
// underscores: our own names, and those that French directories use. A file
// needs a PS_IdNat or an RPPS; all other columns may be missing. Roles are no
// column: they are granted, one by one.
func peopleLayout() layout {
	return layout{rows: maxPeople, fields: map[string]string{
		"ps idnat": fieldIdNat, "psidnat": fieldIdNat, "identification nationale pp": fieldIdNat,
		"rpps": fieldRPPS, "identifiant pp": fieldRPPS,
		"family name": fieldFamilyName, "nom": fieldFamilyName, "nom d exercice": fieldFamilyName,
		"given name": fieldGivenName, "prenom": fieldGivenName, "prenom d exercice": fieldGivenName,
		"title": fieldTitle, "titre": fieldTitle,
		"profession": fieldProfession, "code profession": fieldProfession,
		"training": fieldTraining, "en formation": fieldTraining,
		"specialties": fieldSpecialties, "specialites": fieldSpecialties,
		"structure": fieldStructure, "identifiant structure": fieldStructure,
		"employer": fieldEmployer, "employeur": fieldEmployer,
	}}
}

// maxPeople bounds the rows of one import, which is kept in memory until all
// of it was read without an error.
const maxPeople = 200_000

// peopleRow is one person as a file says; a nil field is not said.
type peopleRow struct {
	idNat   identity.PSIdNat
	changes []func(*identity.Professional)
}

// ImportPeople adds and changes people from a table of text, all of it in one
// transaction with its event, or none. An empty cell, or a missing column,
// leaves what is known. Cards have the last word: what a certificate says of
// its holder replaces this when it is next used. The error is for a file that
// is not such a table; rows that are wrong are in the report.
func (r *Registry) ImportPeople(ctx context.Context, act Act, in io.Reader, o ImportOptions) (ImportReport, error) {
	if err := r.may(ctx, r.records, act, rightPeople); err != nil {
		return ImportReport{}, err
	}
	digest := sha256.New()
	people, report, err := readPeople(ctx, io.TeeReader(in, digest))
	report.Digest = hex.EncodeToString(digest.Sum(nil))
	if err != nil || len(report.Errors) > 0 {
		return report, err
	}
	if o.DryRun {
		return report, mergePeople(ctx, r.records, nil, people, &report, o.Progress)
	}
	read := report
	err = r.records.Change(ctx, func(u Unit) error {
		report = read
		if err := r.may(ctx, u, act, rightPeople); err != nil {
			return err
		}
		if err := mergePeople(ctx, u, u, people, &report, o.Progress); err != nil {
			return err
		}
		e := r.event(act, audit.KindPeopleImport)
		e.Detail = fmt.Sprintf("%d rows: %d added, %d changed; sha256 %s", report.Rows, report.Added, report.Changed, report.Digest)
		return r.o.Audit.RecordIn(ctx, u, e)
	})
	report.Applied = err == nil
	return report, err
}

func readPeople(ctx context.Context, in io.Reader) ([]peopleRow, ImportReport, error) {
	s, err := openSheet(in, peopleLayout())
	if err != nil {
		return nil, ImportReport{}, err
	}
	if !s.has(fieldIdNat) && !s.has(fieldRPPS) {
		return nil, ImportReport{}, refuseLayout(wrong(FaultColumnMissing, fieldIdNat, "", "no column %s nor %s", fieldIdNat, fieldRPPS))
	}
	var people []peopleRow
	lines := map[identity.PSIdNat]int{}
	err = s.each(ctx, func(row sheetRow) error {
		p, err := readPerson(row)
		if err != nil {
			return err
		}
		if first, twice := lines[p.idNat]; twice {
			return wrong(FaultTwice, fieldIdNat, strconv.Itoa(first), "%s is on line %d already", p.idNat, first)
		}
		lines[p.idNat] = row.line
		people = append(people, p)
		return nil
	})
	return people, ImportReport{Rows: s.rows, Errors: s.errors.list, More: s.errors.more}, err
}

func readPerson(row sheetRow) (peopleRow, error) {
	for field, i := range row.sheet.column {
		if !utf8.ValidString(row.cells[i]) {
			return peopleRow{}, wrong(FaultEncoding, field, "", "%s: not UTF-8: save the table as \"CSV UTF-8\"", field)
		}
	}
	id, err := readIdNat(row)
	if err != nil {
		return peopleRow{}, err
	}
	p := peopleRow{idNat: id}
	for _, text := range []struct {
		field string
		into  func(*identity.Professional) *string
	}{
		{fieldFamilyName, func(p *identity.Professional) *string { return &p.FamilyName }},
		{fieldGivenName, func(p *identity.Professional) *string { return &p.GivenName }},
		{fieldTitle, func(p *identity.Professional) *string { return &p.Title }},
		{fieldEmployer, func(p *identity.Professional) *string { return &p.Employer }},
	} {
		value, err := readText(row, text.field)
		if err != nil {
			return p, err
		}
		if value != "" {
			p.changes = append(p.changes, func(p *identity.Professional) { *text.into(p) = value })
		}
	}
	return p, p.readCodes(row)
}

func readIdNat(row sheetRow) (identity.PSIdNat, error) {
	text, rpps := row.cell(fieldIdNat), row.cell(fieldRPPS)
	switch {
	case text == "" && rpps == "":
		return "", wrong(FaultNobody, fieldIdNat, "", "no PS_IdNat")
	case text == "":
		text = "8" + rpps
	case rpps != "" && text != "8"+rpps:
		return "", wrong(FaultTwoPeople, fieldIdNat, text, "PS_IdNat %q and RPPS %q are not of one person", text, rpps)
	}
	id, err := identity.ParsePSIdNat(text)
	if err != nil {
		return "", wrong(FaultIdNat, fieldIdNat, text, "%v", err)
	}
	if err := id.Check(); err != nil {
		return "", wrong(FaultIdNat, fieldIdNat, text, "PS_IdNat %q: %v", id, err)
	}
	return id, nil
}

// readText refuses what would not be shown as it is, or would be run by a
// spreadsheet that opens an export.
func readText(row sheetRow, field string) (string, error) {
	value := row.cell(field)
	switch {
	case len(value) > 128:
		return "", wrong(FaultLong, field, "", "%s: longer than 128 bytes", field)
	case strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", wrong(FaultUnprintable, field, "", "%s: holds what does not print", field)
	case value != "" && strings.ContainsAny(value[:1], "=+-@"):
		return "", wrong(FaultFormula, field, value[:1], "%s: begins with %q, which a spreadsheet takes for a formula", field, value[:1])
	}
	return value, nil
}

func (p *peopleRow) readCodes(row sheetRow) error {
	if text := row.cell(fieldProfession); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 999 {
			return wrong(FaultProfession, fieldProfession, text, "profession: %q is no code of TRE_G15", text)
		}
		p.changes = append(p.changes, func(p *identity.Professional) { p.Profession = identity.Profession(n) })
	}
	switch text := Fold(row.cell(fieldTraining)); text {
	case "":
	case "true", "yes", "oui", "1", "false", "no", "non", "0":
		in := slices.Contains([]string{"true", "yes", "oui", "1"}, text)
		p.changes = append(p.changes, func(p *identity.Professional) { p.Training = in })
	default:
		return wrong(FaultTraining, fieldTraining, text, "training: %q is neither true nor false", text)
	}
	if text := row.cell(fieldSpecialties); text != "" {
		codes := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '|' })
		for _, code := range codes {
			if len(code) > 16 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
				return wrong(FaultSpecialty, fieldSpecialties, code, "specialties: %q is no code of TRE_R01", code)
			}
		}
		if len(codes) > 32 {
			return wrong(FaultSpecialties, fieldSpecialties, "", "specialties: more than 32")
		}
		p.changes = append(p.changes, func(p *identity.Professional) { p.Specialties = codes })
	}
	if text := row.cell(fieldStructure); text != "" {
		id, err := identity.ParseStructureID(text)
		if err != nil {
			return wrong(FaultStructure, fieldStructure, text, "%v", err)
		}
		p.changes = append(p.changes, func(p *identity.Professional) { p.Structure = id })
	}
	return nil
}
