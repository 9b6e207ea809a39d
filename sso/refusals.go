package sso

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// How many refusals are recorded one by one in a window: anybody can cause them
// without having proved anything, and the audit is kept for years. What one
// causes hides nothing of another: a client that has proved itself has a number
// of its own, and the first of each kind always stand there.
const (
	refusalsWindow = time.Minute
	refusalsFirst  = 3   // of one reason at one client, whatever else is refused
	refusalsOfOne  = 30  // of one reason at one client
	refusalsInAll  = 300 // of all that nobody has proved anything for
	refusalsProven = 300 // of one reason at one client that has proved itself
	refusalsNamed  = 12  // reasons that a summary names
)

// refusals counts those of the running window.
type refusals struct {
	mu       sync.Mutex // guards what follows
	since    time.Time
	recorded int                 // of what is not proven
	one      map[refusalKind]int // recorded
	// of are those beyond, since from: earlier than since where they could not be
	// recorded before.
	of   map[refusalKind]int
	from time.Time
}

// refusalKind is of few values: nothing that callers send is in it.
type refusalKind struct {
	kind, reason, client string
	proven               bool // by the client
}

// uncounted are refusals that were counted only, from a time on.
type uncounted struct {
	of   map[refusalKind]int
	from time.Time
}

// count counts a refusal, and tells whether it is one too many to be recorded by
// itself. Where a window has ended it gives what is to be summed up.
func (r *refusals) count(e Event, proven bool, now time.Time) (over uncounted, full bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() || now.Sub(r.since) >= refusalsWindow {
		over = r.roll(now)
	}
	k := refusalKind{e.Kind, e.Reason, e.Client, proven}
	if r.full(k) {
		r.of[k]++
		return over, true
	}
	r.one[k]++
	if !proven {
		r.recorded++
	}
	return over, false
}

// full tells whether one more is not recorded. The caller holds mu.
func (r *refusals) full(k refusalKind) bool {
	n := r.one[k]
	switch {
	case k.proven:
		return n >= refusalsProven
	case n < refusalsFirst:
		return false
	}
	return n >= refusalsOfOne || r.recorded >= refusalsInAll
}

// end gives what is to be summed up of a window that has ended, or of the running
// one when all ends.
func (r *refusals) end(now time.Time, all bool) uncounted {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !all && now.Sub(r.since) < refusalsWindow {
		return uncounted{}
	}
	return r.roll(now)
}

// roll begins a window. The caller holds mu.
func (r *refusals) roll(now time.Time) (over uncounted) {
	over = uncounted{r.of, r.from}
	r.since, r.from, r.recorded, r.of, r.one = now, now, 0, map[refusalKind]int{}, map[refusalKind]int{}
	return over
}

// putBack counts again what could not be summed up.
func (r *refusals) putBack(over uncounted, kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, n := range over.of {
		if k.kind == kind {
			r.of[k] += n
			r.from = over.from
		}
	}
}

// reasonMany is of the summary of refusals that were not recorded one by one.
const reasonMany = "many-more"

// summary tells of the refusals of one kind of event.
func (u uncounted) summary(kind string) (e Event, some bool) {
	total := 0
	var of []refusalKind
	for k, n := range u.of {
		if k.kind == kind {
			total += n
			of = append(of, k)
		}
	}
	slices.SortFunc(of, func(a, b refusalKind) int {
		return cmp.Or(u.of[b]-u.of[a], strings.Compare(a.reason, b.reason), strings.Compare(a.client, b.client))
	})
	named := min(len(of), refusalsNamed)
	var says []string
	for _, k := range of[:named] {
		says = append(says, k.says(u.of[k]))
	}
	if others := of[named:]; len(others) > 0 {
		n := 0
		for _, k := range others {
			n += u.of[k]
		}
		says = append(says, fmt.Sprintf("and %d for %d other reasons", n, len(others)))
	}
	detail := fmt.Sprintf("%d more refused since %s, not recorded one by one: %s", total, u.from.UTC().Format(time.TimeOnly+"Z"), strings.Join(says, ", "))
	return Event{Kind: kind, Refused: true, Reason: reasonMany, Detail: detail}, total > 0
}

func (k refusalKind) says(n int) string {
	text := fmt.Sprintf("%s %d", k.reason, n)
	switch {
	case k.client == "":
		return text
	case k.proven:
		return text + " (client " + k.client + ", which had proved itself)"
	}
	return text + " (client " + k.client + ")"
}
