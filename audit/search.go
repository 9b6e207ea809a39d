package audit

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"cpsgate/identity"
)

// Query chooses events, the latest first. Empty fields choose all.
type Query struct {
	Person  identity.PSIdNat // who acted, whom it is about, or who approved
	Card    string           // token id
	Kinds   []string
	Outcome Outcome
	From    time.Time // from then on
	To      time.Time // before then
	After   string    // the cursor that the page before gave
	Limit   int       // 0: 50; at most 500
}

// Page is one page of a search; Next is empty on the last one.
type Page struct {
	Events []Event
	Next   string
}

// Trail is a ledger as auditors read it. Search gives events that were edited
// as a *Fault, like all who read events.
type Trail interface {
	Search(ctx context.Context, q Query) (Page, error)
	Event(ctx context.Context, id string) (Event, error)
	Events(ctx context.Context, after uint64) iter.Seq2[Event, error]
}

// PageSize is the query's limit within its bounds.
func (q Query) PageSize() int {
	if q.Limit <= 0 {
		return 50
	}
	return min(q.Limit, 500)
}

// Place is where a page of a search ended: an event's time and sequence.
type Place struct {
	At       time.Time
	Sequence uint64
}

// ErrCursor is the error for an After that no page gave.
var ErrCursor = errors.New("not a cursor of an audit search")

// String is the cursor that ParsePlace reads.
func (p Place) String() string {
	return strconv.FormatInt(p.At.UnixMicro(), 10) + "." + strconv.FormatUint(p.Sequence, 10)
}

// ParsePlace reads a cursor.
func ParsePlace(s string) (Place, error) {
	at, sequence, _ := strings.Cut(s, ".")
	micros, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return Place{}, fmt.Errorf("%w: %w", ErrCursor, err)
	}
	n, err := strconv.ParseUint(sequence, 10, 63)
	if err != nil {
		return Place{}, fmt.Errorf("%w: %w", ErrCursor, err)
	}
	return Place{time.UnixMicro(micros).UTC(), n}, nil
}

// Found gives all that a query finds, the latest first, page by page: what is
// recorded meanwhile is not among it.
func Found(ctx context.Context, t Trail, q Query) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		q.Limit = 500
		for {
			page, err := t.Search(ctx, q)
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, e := range page.Events {
				if !yield(e, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			q.After = page.Next
		}
	}
}

// exported is one line of an export. The event stands in its canonical
// encoding, byte for byte, so that the line can be verified by itself:
// hash = SHA-256( previous ‖ event ).
type exported struct {
	Hash     string          `json:"hash"`
	Previous string          `json:"previous"`
	Event    json.RawMessage `json:"event"`
}

// Export writes events as JSON Lines, one {"hash":…,"previous":…,"event":{…}}
// each, and says how many. One that was edited ends it, with a *Fault.
func Export(w io.Writer, events iter.Seq2[Event, error]) (n int, err error) {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for e, err := range events {
		if err != nil {
			return n, fmt.Errorf("exporting the audit after %d events: %w", n, err)
		}
		if !e.Sealed() { // what is exported is evidence
			return n, &Fault{FaultEdited, e.Sequence, e.ID, "its content does not give its hash"}
		}
		encoded, err := e.Encode()
		if err != nil {
			return n, err
		}
		line := exported{hex.EncodeToString(e.Hash[:]), hex.EncodeToString(e.Previous[:]), encoded}
		if err := out.Encode(line); err != nil {
			return n, fmt.Errorf("exporting the audit: %w", err)
		}
		n++
	}
	return n, nil
}
