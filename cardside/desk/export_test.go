package desk

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
)

// Caller is a server as tests call it.
type Caller struct{ s *server }

// NewCaller reads an address.
func NewCaller(address string, o Options) (*Caller, error) {
	s, err := newServer(address, o)
	return &Caller{s}, err
}

// Origin is what client data would name.
func (c *Caller) Origin() string { return c.s.origin }

// Requests counts what was sent.
func (c *Caller) Requests() int { return c.s.requests }

// Claim sends a claim and returns the ticket named in the answer.
func (c *Caller) Claim(ctx context.Context) (ticket string, resent bool, err error) {
	var answer claimed
	resent, err = c.s.call(ctx, "/enroll/claim", claim{Code: "7K3M-9QXD"}, &answer)
	return answer.Ticket, resent, err
}

// Read judges an answer of that status and type.
func Read(status int, kind string, body []byte) error {
	var into claimed
	return read(&http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Content-Type": {kind}}}, body, &into)
}

// ReadPolicy reads rules and judges them.
func ReadPolicy(text []byte) error {
	var p policy
	if err := decode(text, &p); err != nil {
		return err
	}
	return p.check()
}

// MetBy judges an applet by rules.
func MetBy(t *testing.T, rules string, info ctap2.Info, engine cardside.EngineName, erased bool) error {
	t.Helper()
	var p policy
	if err := decode([]byte(rules), &p); err != nil {
		t.Fatal(err)
	}
	return p.metBy(info, engine, erased)
}

// ReadMessages reads an answer as each message that a server may answer with,
// and counts those that it is.
func ReadMessages(answer []byte) (taken int) {
	for _, into := range []any{&claimed{}, &asked{}, &proved{}, &standing{}, &loginBegun{}, &loginDone{}, &Refusal{}} {
		if decode(answer, into) == nil {
			taken++
		}
	}
	return taken
}

// ReadCreation and ReadRequest report whether options can be used.
func ReadCreation(text json.RawMessage) error { _, err := readCreation(text); return err }
func ReadRequest(text json.RawMessage) error  { _, err := readRequest(text); return err }

// RandomPIN draws a first PIN.
var RandomPIN = randomPIN
