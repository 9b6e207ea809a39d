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
	Notes     []RowError // what was left as a certificate said it; the first thousand
	MoreNotes int        // notes beyond those
	Applied   bool
	Digest    string // SHA-256 of the file, as the audit names it
}

// Kept is how many cells were left out, because a certificate said otherwise.
func (r ImportReport) Kept() int { return len(r.Notes) + r.MoreNotes }

// The fields of a person in a file: what ExportPeople writes, in its order.
const (
	fieldIdNat       = "ps_idnat"
	fieldFamilyName  = string(identity.AttributeFamilyName)
	fieldGivenName   = string(identity.AttributeGivenName)
	fieldTitle       = string(identity.AttributeTitle)
	fieldProfession  = string(identity.AttributeProfession)
	fieldTraining    = string(identity.AttributeTraining)
	fieldSpecialties = string(identity.AttributeSpecialties)
	fieldStructure   = string(identity.AttributeStructure)
	fieldEmployer    = string(identity.AttributeEmployer)
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

// peopleRow is one person as a line of a file says.
type peopleRow struct {
	line  int
	idNat identity.PSIdNat
	says  identity.Professional
	said  []identity.Attribute // what says holds
}

// ImportPeople adds and changes people from a table of text, all of it in one
// transaction with its event, or none. An empty cell, or a missing column,
// leaves what is known. Cards have the last word: what a certificate said of
// its holder stays, with a note in the report, and what it says when it is next
// used replaces this. The error is for a file that is not such a table; rows
// that are wrong are in the report.
func (r *Registry) ImportPeople(ctx context.Context, act Act, in io.Reader, o ImportOptions) (ImportReport, error) {
	if err := r.may(ctx, r.records, act, rightImport); err != nil {
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
		if err := r.may(ctx, u, act, rightImport); err != nil {
			return err
		}
		if err := mergePeople(ctx, u, u, people, &report, o.Progress); err != nil {
			return err
		}
		e := r.event(act, audit.KindPeopleImport)
		e.Detail = fmt.Sprintf("%d rows: %d added, %d changed, %d cells left as certificates said; sha256 %s",
			report.Rows, report.Added, report.Changed, report.Kept(), report.Digest)
		return r.record(ctx, u, e)
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
	p := peopleRow{line: row.line, idNat: id}
	for _, text := range []struct {
		field string
		into  *string
	}{
		{fieldFamilyName, &p.says.FamilyName}, {fieldGivenName, &p.says.GivenName},
		{fieldTitle, &p.says.Title}, {fieldEmployer, &p.says.Employer},
	} {
		if *text.into, err = readText(row, text.field); err != nil {
			return p, err
		}
		if *text.into != "" {
			p.saying(text.field)
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

// readText refuses what would not be shown as it is, and what a spreadsheet made
// of a formula, or would: a text that begins like one has an apostrophe before
// it, as Table writes it.
func readText(row sheetRow, field string) (string, error) {
	value := row.cell(field)
	first, size := utf8.DecodeRuneInString(row.raw(field))
	switch {
	case len(value) > 128:
		return "", wrong(FaultLong, field, "", "%s: longer than 128 bytes", field)
	case strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", wrong(FaultUnprintable, field, "", "%s: holds what does not print", field)
	case size > 0 && beginsFormula(first):
		return "", wrong(FaultFormula, field, string(first), "%s: begins with %q, which a spreadsheet takes for a formula", field, first)
	}
	return value, nil
}

func (p *peopleRow) saying(field string) { p.said = append(p.said, identity.Attribute(field)) }

func (p *peopleRow) readCodes(row sheetRow) error {
	if text := row.cell(fieldProfession); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 999 {
			return wrong(FaultProfession, fieldProfession, text, "profession: %q is no code of TRE_G15", text)
		}
		p.says.Profession = identity.Profession(n)
		p.saying(fieldProfession)
	}
	switch text := Fold(row.cell(fieldTraining)); text {
	case "":
	case "true", "yes", "oui", "1", "false", "no", "non", "0":
		p.says.Training = slices.Contains([]string{"true", "yes", "oui", "1"}, text)
		p.saying(fieldTraining)
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
		p.says.Specialties = codes
		p.saying(fieldSpecialties)
	}
	if text := row.cell(fieldStructure); text != "" {
		id, err := identity.ParseStructureID(text)
		if err != nil {
			return wrong(FaultStructure, fieldStructure, text, "%v", err)
		}
		p.says.Structure = id
		p.saying(fieldStructure)
	}
	return nil
}
