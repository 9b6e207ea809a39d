package sso

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// How many refusals are recorded one by one: anybody can cause them without
// having proved anything, and the audit is kept for years.
const (
	refusalsWindow = time.Minute
	refusalsOfOne  = 30  // of one reason at one client
	refusalsInAll  = 300 // in a window
	refusalsNamed  = 12  // reasons that a summary names
)

// refusals counts those of the running window.
type refusals struct {
	mu       sync.Mutex // guards what follows
	since    time.Time
	recorded int
	of       map[refusalKind]int // beyond those recorded
	one      map[refusalKind]int // recorded
}

// refusalKind is of few values: nothing that callers send is in it.
type refusalKind struct{ kind, reason, client string }

// count counts a refusal, and tells whether it is one too many to be recorded by
// itself. Where a window has ended it gives its summary.
func (r *refusals) count(e Event, now time.Time) (over []Event, full bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() || now.Sub(r.since) >= refusalsWindow {
		over = r.roll(now)
	}
	k := refusalKind{e.Kind, e.Reason, e.Client}
	if r.one[k] >= refusalsOfOne || r.recorded >= refusalsInAll {
		r.of[k]++
		return over, true
	}
	r.one[k]++
	r.recorded++
	return over, false
}

// end gives the summary of a window that has ended, or of the running one when
// all ends.
func (r *refusals) end(now time.Time, all bool) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !all && now.Sub(r.since) < refusalsWindow {
		return nil
	}
	return r.roll(now)
}

// roll begins a window, and tells of each kind of event what was counted only.
// The caller holds mu.
func (r *refusals) roll(now time.Time) (over []Event) {
	counted := r.of
	r.since, r.recorded, r.of, r.one = now, 0, map[refusalKind]int{}, map[refusalKind]int{}
	for _, kind := range []string{EventSignIn, EventToken, EventLogout} {
		if e, some := summary(kind, counted); some {
			over = append(over, e)
		}
	}
	return over
}

// reasonMany is of the summary of refusals that were not recorded one by one.
const reasonMany = "many-more"

func summary(kind string, counted map[refusalKind]int) (e Event, some bool) {
	total := 0
	var of []refusalKind
	for k, n := range counted {
		if k.kind == kind {
			total += n
			of = append(of, k)
		}
	}
	slices.SortFunc(of, func(a, b refusalKind) int {
		return cmp.Or(counted[b]-counted[a], strings.Compare(a.reason, b.reason), strings.Compare(a.client, b.client))
	})
	var named []string
	for _, k := range of[:min(len(of), refusalsNamed)] {
		text := fmt.Sprintf("%s %d", k.reason, counted[k])
		if k.client != "" {
			text += " (client " + k.client + ")"
		}
		named = append(named, text)
	}
	detail := fmt.Sprintf("%d more refused within a minute, not recorded one by one: %s", total, strings.Join(named, ", "))
	return Event{Kind: kind, Refused: true, Reason: reasonMany, Detail: detail}, total > 0
}
