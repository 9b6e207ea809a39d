package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cpsgate/audit"
)

// chain is five events, with ids 0000-0001 to 0000-0005.
func chain(t *testing.T) []audit.Event {
	t.Helper()
	l := &ledger{}
	appendEvents(t, l, 5)
	return l.events
}

func appendEvents(t *testing.T, l *ledger, n int) {
	t.Helper()
	for range n {
		record(t, newLog(l), &audit.Event{
			ID: fmt.Sprintf("0000-%04d", len(l.events)+1), Kind: audit.KindLoginCPS, Outcome: audit.Accepted,
			Subject: "899700000017",
		})
	}
}

// reseal is what a forger does: it chains the events anew from the n-th on,
// keeping their order.
func reseal(t *testing.T, events []audit.Event, n int) []audit.Event {
	t.Helper()
	l := &ledger{events: slices.Clone(events[:n])}
	for _, e := range events[n:] {
		record(t, newLog(l), &e)
	}
	return l.events
}

func TestVerifySaysWhere(t *testing.T) {
	good := chain(t)
	end := audit.Tail{Sequence: 5, Hash: good[4].Hash}
	invented := audit.Event{ID: "0000-9999", Kind: audit.KindLoginCPS, Outcome: audit.Accepted}
	fourth := audit.Tail{Sequence: 4, Hash: good[3].Hash}
	third := audit.Tail{Sequence: 3, Hash: good[2].Hash}
	another := audit.Tail{Sequence: 3, Hash: good[3].Hash}
	tests := []struct {
		name     string
		forge    func(e []audit.Event) []audit.Event
		expected audit.Expected
		want     []string // kind and sequence
	}{
		{"untouched", func(e []audit.Event) []audit.Event { return e },
			audit.Expected{End: &end, Checkpoints: []audit.Tail{{}, fourth, end}}, nil},
		{"nothing recorded yet", func([]audit.Event) []audit.Event { return nil },
			audit.Expected{End: &audit.Tail{}}, nil},
		{"begun after a pruning", func(e []audit.Event) []audit.Event { return e[4:] },
			audit.Expected{Start: fourth, End: &end}, nil},

		{"a field edited", func(e []audit.Event) []audit.Event { e[2].Subject = "899700000025"; return e },
			audit.Expected{End: &end}, []string{"edited 3"}},
		{"a time edited", func(e []audit.Event) []audit.Event { e[2].At = e[2].At.Add(1000); return e },
			audit.Expected{End: &end}, []string{"edited 3"}},
		{"a hash edited", func(e []audit.Event) []audit.Event { e[2].Hash[0] ^= 1; return e },
			audit.Expected{End: &end}, []string{"edited 3", "unlinked 4"}},
		{"edited and sealed anew", func(e []audit.Event) []audit.Event {
			e[2].Subject = "899700000025"
			return append(reseal(t, e[:3], 2), e[3:]...)
		}, audit.Expected{End: &end}, []string{"unlinked 4"}},
		{"the last edited and sealed anew", func(e []audit.Event) []audit.Event {
			e[4].Subject = "899700000025"
			return reseal(t, e, 4)
		}, audit.Expected{End: &end}, []string{"beyond-tail 5"}},
		{"the first removed", func(e []audit.Event) []audit.Event { return e[1:] },
			audit.Expected{End: &end}, []string{"missing 1"}},
		{"one removed", func(e []audit.Event) []audit.Event { return slices.Delete(e, 2, 3) },
			audit.Expected{End: &end}, []string{"missing 3"}},
		{"two removed", func(e []audit.Event) []audit.Event { return slices.Delete(e, 1, 3) },
			audit.Expected{End: &end}, []string{"missing 2"}},
		{"one removed and the rest renumbered", func(e []audit.Event) []audit.Event {
			e = slices.Delete(e, 2, 3)
			e[2].Sequence, e[3].Sequence = 3, 4
			return e
		}, audit.Expected{End: &end}, []string{"unlinked 3", "edited 3", "edited 4", "truncated 5"}},
		{"one removed and all sealed anew", func(e []audit.Event) []audit.Event {
			return reseal(t, slices.Delete(e, 2, 3), 2)
		}, audit.Expected{End: &end}, []string{"truncated 5"}},
		{"two swapped", func(e []audit.Event) []audit.Event { e[1], e[2] = e[2], e[1]; return e },
			audit.Expected{End: &end}, []string{"missing 2", "reordered 2"}},
		{"one told twice", func(e []audit.Event) []audit.Event { return slices.Insert(e, 3, e[2]) },
			audit.Expected{End: &end}, []string{"reordered 3"}},
		{"one inserted", func(e []audit.Event) []audit.Event {
			return reseal(t, slices.Insert(e, 2, invented), 2)[:5]
		}, audit.Expected{End: &end}, []string{"beyond-tail 5"}},
		{"the tail cut off", func(e []audit.Event) []audit.Event { return e[:3] },
			audit.Expected{End: &end}, []string{"truncated 4"}},
		{"everything cut off", func([]audit.Event) []audit.Event { return nil },
			audit.Expected{End: &end}, []string{"truncated 1"}},
		{"one appended without the tail", func(e []audit.Event) []audit.Event {
			return reseal(t, append(e, invented), 5)
		}, audit.Expected{End: &end}, []string{"beyond-tail 5"}},

		// What only a checkpoint shows: the forger has the tail as well.
		{"all sealed anew, the tail too", func(e []audit.Event) []audit.Event {
			e[2].Subject = "899700000025"
			return reseal(t, e, 2)
		}, audit.Expected{Checkpoints: []audit.Tail{fourth}}, []string{"checkpoint 4"}},
		{"cut off before the checkpoint, the tail too", func(e []audit.Event) []audit.Event { return e[:3] },
			audit.Expected{Checkpoints: []audit.Tail{fourth}}, []string{"checkpoint 4"}},

		// Whatever the order, no checkpoint hides another of the same event.
		{"noted twice alike", func(e []audit.Event) []audit.Event { return e },
			audit.Expected{Checkpoints: []audit.Tail{third, third}}, nil},
		{"another event noted", func(e []audit.Event) []audit.Event { return e },
			audit.Expected{Checkpoints: []audit.Tail{another}}, []string{"checkpoint 3"}},
		{"another event noted, then this one", func(e []audit.Event) []audit.Event { return e },
			audit.Expected{Checkpoints: []audit.Tail{another, third}}, []string{"checkpoint 3"}},
		{"this event noted, then another", func(e []audit.Event) []audit.Event { return e },
			audit.Expected{Checkpoints: []audit.Tail{third, another, third}}, []string{"checkpoint 3"}},
		{"two noted of an event cut off", func(e []audit.Event) []audit.Event { return e[:2] },
			audit.Expected{Checkpoints: []audit.Tail{third, another}}, []string{"checkpoint 3", "checkpoint 3"}},
		{"two noted of an event that was pruned", func(e []audit.Event) []audit.Event { return e[4:] },
			audit.Expected{Start: fourth, Checkpoints: []audit.Tail{third, another}}, []string{"checkpoint 3"}},
		{"noted twice alike of an event that was pruned", func(e []audit.Event) []audit.Event { return e[4:] },
			audit.Expected{Start: fourth, Checkpoints: []audit.Tail{third, third}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report, err := audit.Verify(all(tt.forge(slices.Clone(good))), tt.expected)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range report.Faults {
				got = append(got, fmt.Sprintf("%s %d", f.Kind, f.Sequence))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("faults %v, want %v", got, tt.want)
			}
			if report.Intact() != (tt.want == nil) {
				t.Errorf("intact: %v", report.Intact())
			}
		})
	}
}

// What a chain cannot show is said in the package comment, and held here.
func TestVerifyCannotSeeAWholeNewChain(t *testing.T) {
	events := chain(t)
	events[2].Subject = "899700000025"
	events = reseal(t, events, 2)
	end := audit.Tail{Sequence: 5, Hash: events[4].Hash}
	report, err := audit.Verify(all(events), audit.Expected{End: &end})
	if err != nil || !report.Intact() {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestVerifyTakesAReadersFaultAsAFault(t *testing.T) {
	events := chain(t)
	report, err := audit.Verify(func(yield func(audit.Event, error) bool) {
		for i, e := range events {
			var err error
			if i == 2 {
				e.Kind, err = "", &audit.Fault{Kind: audit.FaultEdited, Sequence: 3, ID: e.ID, Detail: "unreadable"}
			}
			if !yield(e, err) {
				return
			}
		}
	}, audit.Expected{})
	if err != nil || len(report.Faults) != 1 || report.Faults[0].Detail != "unreadable" {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestVerifyGivesAReadersErrorAsItsOwn(t *testing.T) {
	_, err := audit.Verify(func(yield func(audit.Event, error) bool) {
		yield(audit.Event{}, errDisk)
	}, audit.Expected{})
	if !errors.Is(err, errDisk) {
		t.Errorf("error %v", err)
	}
}

func TestVerifyReportsAHundredFaultsAndCountsTheRest(t *testing.T) {
	l := &ledger{}
	appendEvents(t, l, 150)
	for i := range l.events {
		l.events[i].Detail = "edited"
	}
	report, err := audit.Verify(all(l.events), audit.Expected{})
	if err != nil || len(report.Faults) != 100 || report.More != 50 || report.Events != 150 {
		t.Errorf("%d faults, %d more, %v", len(report.Faults), report.More, err)
	}
}

func TestFaultReadsAsASentence(t *testing.T) {
	f := &audit.Fault{Kind: audit.FaultEdited, Sequence: 3, ID: "7K3M-9QXD", Detail: "its content does not give its hash"}
	if got := f.Error(); got != "event 3 (7K3M-9QXD): edited: its content does not give its hash" {
		t.Error(got)
	}
}

var goodEncoding = `{"v":1,"seq":1,"id":"0000-0001","at":"2026-03-02T11:00:00.123456Z","kind":"login.cps","outcome":"accepted"}`

func TestDecodeRefusesOtherSpellings(t *testing.T) {
	tests := []struct{ name, in string }{
		{"as written", goodEncoding},
		{"empty", ""},
		{"a space", strings.Replace(goodEncoding, ",", ", ", 1)},
		{"trailing bytes", goodEncoding + " "},
		{"two events", goodEncoding + goodEncoding},
		{"another order", strings.Replace(goodEncoding, `"v":1,"seq":1`, `"seq":1,"v":1`, 1)},
		{"a key twice", strings.Replace(goodEncoding, `"seq":1`, `"seq":1,"seq":1`, 1)},
		{"a key in capitals", strings.Replace(goodEncoding, `"seq"`, `"Seq"`, 1)},
		{"an unknown key", strings.Replace(goodEncoding, `"v":1`, `"v":1,"x":1`, 1)},
		{"an empty field", strings.Replace(goodEncoding, `"accepted"`, `"accepted","reason":""`, 1)},
		{"another version", strings.Replace(goodEncoding, `"v":1`, `"v":2`, 1)},
		{"no version", strings.Replace(goodEncoding, `"v":1,`, ``, 1)},
		{"an escape for a plain letter", strings.Replace(goodEncoding, `login`, `\u006cogin`, 1)},
		{"too long", strings.Replace(goodEncoding, `login`, strings.Repeat("x", 20<<10), 1)},
		{"null", "null"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := audit.Decode([]byte(tt.in))
			if i == 0 && err != nil || i > 0 && !errors.Is(err, audit.ErrEncoding) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(goodEncoding))
	f.Add([]byte(`{"v":1,"seq":18446744073709551615,"id":"","at":"0001-01-01T00:00:00Z","kind":"","outcome":""}`))
	f.Add([]byte(`{"v":1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := audit.Decode(b)
		if err != nil {
			if !errors.Is(err, audit.ErrEncoding) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		if again, err := e.Encode(); err != nil || string(again) != string(b) {
			t.Fatalf("%q decodes, and encodes to %q, %v", b, again, err)
		}
	})
}

// Whatever a browser or a certificate says, the event is one line of
// printable text that decodes to itself and verifies.
func FuzzRecord(f *testing.F) {
	f.Add("plain", "Mozilla/5.0", "CN=TEST")
	f.Add("\x00\r\n\x1b[2J", "\xff\xfe\u202e", strings.Repeat(`"\`, 2000))
	f.Fuzz(func(t *testing.T, reason, agent, issuer string) {
		l := &ledger{}
		record(t, newLog(l), &audit.Event{
			Kind: "x", Outcome: audit.Refused, Reason: reason, UserAgent: agent, CertificateIssuer: issuer, Detail: issuer,
		})
		b, err := l.events[0].Encode()
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(string(b), func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' }); i >= 0 {
			t.Fatalf("control character at %d of %q", i, b)
		}
		if _, err := audit.Decode(b); err != nil {
			t.Fatal(err)
		}
		if report, err := audit.Verify(all(l.events), audit.Expected{}); err != nil || !report.Intact() {
			t.Fatalf("%+v, %v", report, err)
		}
	})
}
