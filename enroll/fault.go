package enroll

import (
	"errors"
	"fmt"
)

// Fault is what is wrong with a row of an imported file, or with its header, so
// that it can be said in the reader's language.
type Fault string

// The faults. Of the first group a file cannot be read, and none of its rows is.
const (
	FaultEmpty         Fault = "empty"
	FaultHeaderBroken  Fault = "header-broken"
	FaultHeaderLong    Fault = "header-long"
	FaultColumnUnknown Fault = "column-unknown" // Value
	FaultColumnTwice   Fault = "column-twice"   // Field
	FaultColumnMissing Fault = "column-missing" // Field
	FaultTooManyRows   Fault = "too-many-rows"  // Value: how many there may be
	FaultRowLong       Fault = "row-long"       // Value: which row

	FaultRowBroken     Fault = "row-broken"
	FaultRowCut        Fault = "row-cut"     // the last one, which nothing ends
	FaultEncoding      Fault = "encoding"    // Field
	FaultLong          Fault = "long"        // Field
	FaultUnprintable   Fault = "unprintable" // Field
	FaultFormula       Fault = "formula"     // Field, Value: how it begins
	FaultNobody        Fault = "nobody"      // no identifier
	FaultIdNat         Fault = "idnat"       // Value
	FaultTwoPeople     Fault = "two-people"  // PS_IdNat and RPPS differ
	FaultTwice         Fault = "twice"       // Value: the line of the first
	FaultProfession    Fault = "profession"  // Value
	FaultTraining      Fault = "training"    // Value
	FaultSpecialty     Fault = "specialty"   // Value
	FaultSpecialties   Fault = "specialties"
	FaultStructure     Fault = "structure"       // Value
	FaultProved        Fault = "proved"          // a note: a certificate said otherwise; Field, Value: what the file says
	FaultCardNumber    Fault = "card-number"     // Value
	FaultOtherHolder   Fault = "other-holder"    // Value: whom the file says
	FaultOppositionDay Fault = "opposition-date" // Value
)

// Faults lists all of them, for whoever has words to find.
func Faults() []Fault {
	return []Fault{
		FaultEmpty, FaultHeaderBroken, FaultHeaderLong, FaultColumnUnknown, FaultColumnTwice, FaultColumnMissing,
		FaultTooManyRows, FaultRowLong, FaultRowBroken, FaultRowCut, FaultEncoding, FaultLong, FaultUnprintable, FaultFormula, FaultNobody,
		FaultIdNat, FaultTwoPeople, FaultTwice, FaultProfession, FaultTraining, FaultSpecialty, FaultSpecialties, FaultStructure,
		FaultProved,
		FaultCardNumber, FaultOtherHolder, FaultOppositionDay,
	}
}

// RowError is one row that could not be taken, and why. Of a file that could
// not be read at all, it is the header's.
type RowError struct {
	Line   int
	Fault  Fault
	Field  string // what the column holds, by the name it has in an export
	Value  string // of the cell, or as Fault says
	Reason string // all of it, English
}

func (e RowError) String() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// fault is a RowError whose line its reader knows.
type fault struct{ RowError }

func (f *fault) Error() string { return f.Reason }

// wrong makes a row's error; the English sentence is for consoles and programs.
func wrong(what Fault, field, value, format string, args ...any) error {
	return &fault{RowError{Fault: what, Field: field, Value: bounded(value, 64), Reason: bounded(fmt.Sprintf(format, args...), 300)}}
}

// faultOf is an error as a row's; one of a reader of CSV is a broken row.
func faultOf(line int, err error) RowError {
	var f *fault
	if !errors.As(err, &f) {
		return RowError{Line: line, Fault: FaultRowBroken, Reason: bounded(err.Error(), 300)}
	}
	e := f.RowError
	e.Line = line
	return e
}

// refuseLayout is the error for a file that is not the one expected.
func refuseLayout(err error) error {
	e := faultOf(1, err)
	return &Refusal{Reason: ReasonLayout, Detail: e.String(), Row: &e}
}
