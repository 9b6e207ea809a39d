package enroll

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
)

// OppositionReport is what an import of oppositions found and did. Rows that
// were not understood are in Errors; the others were applied.
type OppositionReport struct {
	Rows      int
	Opposed   int        // rows with an opposition in force
	Known     int        // cards of the list that are known here
	Suspended int        // cards that this import stopped
	Proposed  int        // cards whose opposition was lifted: reactivation is proposed
	Errors    []RowError // the first thousand
	More      int        // errors beyond those
	Applied   bool
	Digest    string // SHA-256 of the file, as the audit names it
}

// Wrong is how many rows were not understood.
func (r OppositionReport) Wrong() int { return len(r.Errors) + r.More }

// Understood is how many rows were.
func (r OppositionReport) Understood() int { return r.Rows - r.Wrong() }

// Nothing reports a list none of whose rows was understood: it is not applied.
func (r OppositionReport) Nothing() bool { return r.Wrong() > 0 && r.Understood() == 0 }

// The fields of a row about a card.
const (
	fieldCard       = "card number"
	fieldHolder     = "holder"
	fieldOpposition = "opposition date"
)

// oppositionLayout names the three columns that count: those of the public
// extraction Porteurs_CPS_CPF, and plain ones. The other columns are passed
// over; a file that lacks one of the three, or has one twice, is refused.
func oppositionLayout() layout {
	return layout{foreign: true, lines: true, rows: maxCards, fields: map[string]string{
		"numero carte": fieldCard, "numero de carte": fieldCard, "card number": fieldCard,
		"identifiant pp": fieldHolder, "rpps": fieldHolder, "numero rpps": fieldHolder,
		"date opposition": fieldOpposition, "date d opposition": fieldOpposition, "opposition date": fieldOpposition,
	}}
}

// maxCards bounds the rows of one list; the country's has some two million.
const maxCards = 10_000_000

// opposed is what a file says of one card that is known here.
type opposed struct {
	tokenID string
	since   time.Time // zero: not opposed
}

// ImportOppositions suspends, with their passkeys and sessions, the cards that
// a list says were opposed (reported lost or stolen), as a revoked certificate
// does; and proposes to reactivate those suspended so that it no longer says
// so. Cards that are not known here are passed over. A row that is not
// understood keeps no other from being applied, for a stolen card must not wait
// until a file is mended; it is in the report, and counted in the audit. All
// that is applied is so in one transaction with its events, or nothing is. A
// card that the list does not name stays as it is: a list that was cut off stops
// fewer cards and brings none back.
func (r *Registry) ImportOppositions(ctx context.Context, act Act, in io.Reader, o ImportOptions) (OppositionReport, error) {
	if err := r.may(ctx, r.records, act, rightOpposed); err != nil {
		return OppositionReport{}, err
	}
	cards, err := r.knownCards(ctx)
	if err != nil {
		return OppositionReport{}, err
	}
	digest := sha256.New()
	list := oppositionReader{cards: cards, today: r.o.Now(), progress: o.Progress}
	report, err := list.read(ctx, io.TeeReader(in, digest))
	report.Digest = hex.EncodeToString(digest.Sum(nil))
	if err != nil || report.Nothing() {
		return report, err
	}
	if o.DryRun {
		list.foresee(&report)
		return report, nil
	}
	read := report
	err = r.changed(ctx, func(u Unit) (telling, error) {
		report = read
		return r.applyOppositions(ctx, u, act, list.matches, &report)
	})
	report.Applied = err == nil
	return report, err
}

// knownCards is all cards by token id: the list is of the whole country, and
// most of it is not ours.
func (r *Registry) knownCards(ctx context.Context) (map[string]identity.Card, error) {
	cards := map[string]identity.Card{}
	for after := ""; ; {
		page, err := r.records.CardsAfter(ctx, after, recheckPage)
		if err != nil || len(page) == 0 {
			return cards, err
		}
		for _, c := range page {
			cards[c.TokenID] = c
			after = c.TokenID
		}
	}
}

type oppositionReader struct {
	cards    map[string]identity.Card
	today    time.Time
	progress func(int)
	matches  []opposed
	index    map[string]int // of matches, by token id
	opposed  int
}

func (l *oppositionReader) read(ctx context.Context, in io.Reader) (OppositionReport, error) {
	s, err := openSheet(in, oppositionLayout())
	if err != nil {
		return OppositionReport{}, err
	}
	for _, field := range []string{fieldCard, fieldHolder, fieldOpposition} {
		if !s.has(field) {
			return OppositionReport{}, refuseLayout(wrong(FaultColumnMissing, field, "", "no column for the %s", field))
		}
	}
	err = s.each(ctx, func(row sheetRow) error {
		if l.progress != nil && s.rows%(20*progressEvery) == 0 {
			l.progress(s.rows)
		}
		return l.row(row)
	})
	return OppositionReport{
		Rows: s.rows, Opposed: l.opposed, Known: len(l.matches), Errors: s.errors.list, More: s.errors.more,
	}, err
}

func (l *oppositionReader) row(row sheetRow) error {
	if row.cut && (row.last(fieldCard) || row.last(fieldHolder) || row.last(fieldOpposition) && row.cell(fieldOpposition) == "") {
		return wrong(FaultRowCut, "", "", "the file ends within this row: what it says may be cut off")
	}
	number := row.cell(fieldCard)
	if number == "" || strings.Trim(number, "0123456789") != "" {
		return wrong(FaultCardNumber, fieldCard, number, "card number %q: not digits", number)
	}
	since, err := oppositionDate(row.cell(fieldOpposition))
	if err != nil {
		return err
	}
	if since.After(l.today) {
		since = time.Time{} // not in force yet
	}
	if !since.IsZero() {
		l.opposed++
	}
	card, known := l.cards[paddedToken(number)]
	if !known {
		return nil
	}
	if rpps, has := card.Holder.RPPS(); has {
		if said := row.cell(fieldHolder); said != string(rpps) && said != string(card.Holder) {
			return wrong(FaultOtherHolder, fieldHolder, said, "card %s is known here as that of %s, not of %q", number, card.Holder, said)
		}
	}
	l.match(opposed{card.TokenID, since})
	return nil
}

// match keeps one word on each card: of several rows, the one that opposes it.
func (l *oppositionReader) match(m opposed) {
	if l.index == nil {
		l.index = map[string]int{}
	}
	i, twice := l.index[m.tokenID]
	switch {
	case !twice:
		l.index[m.tokenID] = len(l.matches)
		l.matches = append(l.matches, m)
	case l.matches[i].since.IsZero():
		l.matches[i] = m
	}
}

// paddedToken is the token id of a card number, which spreadsheets like to
// strip of its leading zeros.
func paddedToken(number string) string {
	number = strings.TrimLeft(number, "0")
	return tokenIssuer + strings.Repeat("0", max(0, 10-len(number))) + number
}

// oppositionDate reads the ways a date is written in such files; none is the
// zero time.
func oppositionDate(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{"2006-01-02", "20060102", "02/01/2006"} {
		if t, err := time.Parse(form, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, wrong(FaultOppositionDay, fieldOpposition, s, "opposition date %q: not a date as 2026-03-02, 20260302 or 02/03/2026", s)
}

// foresee counts what applying would do.
func (l *oppositionReader) foresee(report *OppositionReport) {
	for _, m := range l.matches {
		switch card := l.cards[m.tokenID]; {
		case !m.since.IsZero() && card.State == identity.CardActive:
			report.Suspended++
		case m.since.IsZero() && card.State == identity.CardSuspended && card.StateReason == ReasonOpposed && card.Against == "":
			report.Proposed++
		}
	}
}

func (r *Registry) applyOppositions(ctx context.Context, u Unit, act Act, matches []opposed, report *OppositionReport) (after telling, err error) {
	if err := r.may(ctx, u, act, rightOpposed); err != nil {
		return after, err
	}
	for _, m := range matches {
		if m.since.IsZero() {
			made, err := r.lifted(ctx, u, m.tokenID, ReasonOpposed, "opposition lifted")
			if err != nil {
				return after, err
			}
			if made {
				report.Proposed++
			}
			continue
		}
		stopped, err := r.suspendByItself(ctx, u, m.tokenID, &audit.Event{
			Actor: act.Actor(), Reason: ReasonOpposed, At: r.o.Now(), Detail: "opposed " + m.since.Format(time.DateOnly),
		})
		if err != nil {
			return after, err
		}
		report.Suspended += len(stopped.cards)
		after.add(stopped)
	}
	e := r.event(act, audit.KindOppositionImport)
	e.Detail = fmt.Sprintf("%d rows, %d not understood, %d opposed, %d of cards here: %d suspended, %d proposed; sha256 %s",
		report.Rows, report.Wrong(), report.Opposed, report.Known, report.Suspended, report.Proposed, report.Digest)
	return after, r.record(ctx, u, e)
}
