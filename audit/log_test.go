package audit_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 123456789, time.FixedZone("Paris", 3600))

func newLog(l *ledger) *audit.Log {
	return audit.New(l, audit.Options{Now: func() time.Time { return noon }})
}

// The encoding and the hash are a format: others verify chains too.
func TestEncodingAndHashAreFixed(t *testing.T) {
	l := &ledger{}
	log := newLog(l)
	record(t, log, &audit.Event{ID: "0000-0001", Kind: audit.KindLoginCPS, Outcome: audit.Accepted})
	record(t, log, &audit.Event{
		ID: "7K3M-9QXD", Kind: audit.KindCardState, Outcome: audit.Done, Reason: "lost",
		Actor: "899700000017", Subject: "899700000025", Approver: "899700000033",
		Card: "8025000001/0000000001", CertificateSerial: "0A", CertificateIssuer: "CN=TEST",
		CredentialHash: "00ff", AAGUID: "11", Attestation: "recorded", Proof: "desk",
		Method: "cps", Session: "S", Address: "192.0.2.1", UserAgent: `A "quoted" <b>`,
		Workstation: "W", Reader: "R", Detail: `é\`,
	})
	want := []string{
		`{"v":1,"seq":1,"id":"0000-0001","at":"2026-03-02T11:00:00.123456Z","kind":"login.cps","outcome":"accepted"}`,
		`{"v":1,"seq":2,"id":"7K3M-9QXD","at":"2026-03-02T11:00:00.123456Z","kind":"card.state","outcome":"done","reason":"lost",` +
			`"actor":"899700000017","subject":"899700000025","approver":"899700000033",` +
			`"card":"8025000001/0000000001","certificateSerial":"0A","certificateIssuer":"CN=TEST",` +
			`"credentialHash":"00ff","aaguid":"11","attestation":"recorded","proof":"desk",` +
			`"method":"cps","session":"S","address":"192.0.2.1","userAgent":"A \"quoted\" <b>",` +
			`"workstation":"W","reader":"R","detail":"é\\"}`,
	}
	var previous [32]byte
	for i, e := range l.events {
		got, err := e.Encode()
		if err != nil || string(got) != want[i] {
			t.Errorf("event %d encodes to\n%s, want\n%s (%v)", i+1, got, want[i], err)
		}
		hash := sha256.Sum256(append(previous[:], want[i]...))
		if e.Previous != previous || e.Hash != hash {
			t.Errorf("event %d: previous %x, hash %x; want %x, %x", i+1, e.Previous, e.Hash, previous, hash)
		}
		previous = hash
		decoded, err := audit.Decode(got)
		if err != nil {
			t.Fatalf("decoding event %d: %v", i+1, err)
		}
		decoded.Previous, decoded.Hash = e.Previous, e.Hash
		if decoded != e {
			t.Errorf("event %d decodes to %+v, want %+v", i+1, decoded, e)
		}
	}
}

func TestRecordTellsTheCallerWhatItAssigned(t *testing.T) {
	e := &audit.Event{Kind: audit.KindLogout, Outcome: audit.Done}
	record(t, newLog(&ledger{}), e)
	if !regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$`).MatchString(e.ID) {
		t.Errorf("id %q", e.ID)
	}
	if e.Sequence != 1 || e.Hash == [32]byte{} || !e.At.Equal(noon.Truncate(time.Microsecond)) {
		t.Errorf("sealed as %+v", e)
	}
}

func TestRecordFails(t *testing.T) {
	good := audit.Event{Kind: audit.KindLogout, Outcome: audit.Done}
	tests := []struct {
		name   string
		event  audit.Event
		ledger *ledger
		want   error
	}{
		{"never for a complete event", good, &ledger{}, nil},
		{"without a kind", audit.Event{Outcome: audit.Done}, &ledger{}, audit.ErrIncomplete},
		{"without an outcome", audit.Event{Kind: "x"}, &ledger{}, audit.ErrIncomplete},
		{"when the ledger does", good, &ledger{fail: errDisk}, errDisk},
		{"when the given id is taken", audit.Event{ID: "7K3M-9QXD", Kind: "x", Outcome: audit.Done},
			&ledger{events: []audit.Event{{ID: "7K3M-9QXD"}}}, audit.ErrDuplicateID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(tt.ledger.events)
			err := newLog(tt.ledger).Record(t.Context(), &tt.event)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if kept := len(tt.ledger.events) - before; (tt.want == nil) != (kept == 1) {
				t.Errorf("%d events kept", kept)
			}
		})
	}
}

// twice refuses the first id that it is given, as a ledger that has it.
type twice struct {
	ledger
	refused string
}

func (l *twice) Append(ctx context.Context, seal func(audit.Tail) (audit.Event, error)) error {
	return l.ledger.Append(ctx, func(tail audit.Tail) (audit.Event, error) {
		e, err := seal(tail)
		if l.refused == "" {
			l.refused = e.ID
			return e, audit.ErrDuplicateID
		}
		return e, err
	})
}

func TestRecordDrawsAnotherIDWhenOneIsTaken(t *testing.T) {
	l := &twice{}
	e := &audit.Event{Kind: audit.KindLogout, Outcome: audit.Done}
	if err := audit.New(l, audit.Options{}).Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if e.ID == l.refused || len(l.events) != 1 {
		t.Errorf("id %s after %s was refused, %d events", e.ID, l.refused, len(l.events))
	}
}

func TestCircumstancesFillWhatIsEmpty(t *testing.T) {
	ctx := audit.WithCircumstances(t.Context(), audit.Circumstances{
		Actor: "899700000017", Method: identity.MethodCPS, Session: "S",
		Address: "192.0.2.1", UserAgent: "UA", Workstation: "W",
	})
	l := &ledger{}
	e := &audit.Event{Kind: "x", Outcome: audit.Done, Actor: "899700000025", Address: "192.0.2.2"}
	if err := newLog(l).Record(ctx, e); err != nil {
		t.Fatal(err)
	}
	if e.Actor != "899700000025" || e.Address != "192.0.2.2" {
		t.Errorf("overwritten: %+v", e)
	}
	if e.Method != "cps" || e.Session != "S" || e.UserAgent != "UA" || e.Workstation != "W" {
		t.Errorf("not filled: %+v", e)
	}
}

func TestTextsAreBoundedAndPrintable(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain text stays", "Lecteur n° 3 — étage 2", "Lecteur n° 3 — étage 2"},
		{"line ends", "a\r\nb", "a��b"},
		{"terminal escapes", "\x1b[2J", "�[2J"},
		{"line separators", "a\u2028b\u2029c\u0085d", "a�b�c�d"},
		{"direction overrides", "a\u202eb\u2066c", "a�b�c"},
		{"invisible characters", "a\u200bb\ufeffc", "a�b�c"},
		{"bytes that are no UTF-8", "a\xffb\xc3", "a�b�"},
		{"256 bytes stay", strings.Repeat("x", 256), strings.Repeat("x", 256)},
		{"longer is cut", strings.Repeat("x", 257), strings.Repeat("x", 253) + "…"},
		{"cut at a rune", strings.Repeat("é", 200), strings.Repeat("é", 126) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &audit.Event{Kind: "x", Outcome: audit.Done, UserAgent: tt.in}
			record(t, newLog(&ledger{}), e)
			if e.UserAgent != tt.want {
				t.Errorf("%q, want %q", e.UserAgent, tt.want)
			}
		})
	}
}

func TestManyRecordAtOnce(t *testing.T) {
	l := &ledger{}
	log := newLog(l)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := log.Record(t.Context(), &audit.Event{Kind: "x", Outcome: audit.Done}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	end := l.tail()
	report, err := audit.Verify(all(l.events), audit.Expected{End: &end})
	if err != nil || !report.Intact() || report.Events != 50 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestIDs(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"as shown", "7K3M-9QXD", "7K3M-9QXD"},
		{"small letters, no hyphen", "7k3m9qxd", "7K3M-9QXD"},
		{"spaces as read aloud", " 7K 3M 9Q XD ", "7K3M-9QXD"},
		{"letters mistaken for digits", "OIL0-1234", "0110-1234"},
		{"too short", "7K3M-9QX", ""},
		{"too long", "7K3M-9QXDD", ""},
		{"U is no digit of it", "7K3M-9QXU", ""},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := audit.ParseID(tt.in)
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	id := audit.NewID()
	if got, err := audit.ParseID(id); got != id || err != nil {
		t.Errorf("a new id %q parses to %q, %v", id, got, err)
	}
	if audit.NewID() == id {
		t.Error("the same id twice")
	}
}

func TestHashCredential(t *testing.T) {
	if got := audit.HashCredential([]byte("abc")); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("got %s", got) // FIPS 180-4, the example "abc"
	}
	if got := audit.HashCredential(nil); got != "" {
		t.Errorf("no credential: %s", got)
	}
}

func TestTailReadsWhatItWrites(t *testing.T) {
	tail := audit.Tail{Sequence: 42, Hash: sha256.Sum256([]byte("x"))}
	if got, err := audit.ParseTail(" " + tail.String() + "\n"); got != tail || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	hash := hex.EncodeToString(tail.Hash[:])
	for name, text := range map[string]string{
		"empty": "", "no hash": "42", "short hash": "42:" + hash[2:], "long hash": "42:00" + hash,
		"no number": ":" + hash, "negative": "-1:" + hash, "not hex": "42:" + strings.Repeat("x", 64),
	} {
		if _, err := audit.ParseTail(text); !errors.Is(err, audit.ErrNotATail) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func record(t *testing.T, log *audit.Log, e *audit.Event) {
	t.Helper()
	if err := log.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}
