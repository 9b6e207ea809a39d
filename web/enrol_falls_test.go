package web_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
)

// falling are records that keep no passkey as active while down.
type falling struct {
	enroll.Records
	down *atomic.Bool
}

func (r falling) Change(ctx context.Context, act func(enroll.Unit) error) error {
	return r.Records.Change(ctx, func(u enroll.Unit) error { return act(fallingUnit{u, r.down}) })
}

type fallingUnit struct {
	enroll.Unit
	down *atomic.Bool
}

func (u fallingUnit) SavePasskey(ctx context.Context, p identity.Passkey) error {
	if p.State == identity.PasskeyActive && u.down.Load() {
		return errDisk
	}
	return u.Unit.SavePasskey(ctx, p)
}

// TestAProofComesAgainToAServerThatFell: an applet whose PIN is to be changed has
// no second one to give.
func TestAProofComesAgainToAServerThatFell(t *testing.T) {
	var down atomic.Bool
	p := plan{
		policy:  enroll.Policy{Applet: enroll.AppletPolicy{ForcePINChange: true}},
		records: func(r enroll.Records) enroll.Records { return falling{r, &down} },
	}
	h := newHouse(t, p)
	id, code := h.ticket("")
	w := h.workstation(h.card(testpki.CardSpec{}))
	made := w.creates(w.upToProved(code))
	made["pin"] = map[string]any{"set": true, "minLength": 6, "forceChange": true}
	proof := w.signs(w.call("/enroll/register", made))
	down.Store(true)
	if a := w.call("/enroll/prove", proof); a.status < http.StatusInternalServerError {
		t.Fatalf("%d %s", a.status, a.body)
	}
	down.Store(false)
	w.client.CloseIdleConnections()
	h.wire(p) // another process
	h.mainAddr = h.listen(h.web.Main(), false)
	if a := w.call("/enroll/prove", proof); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	if state, _ := h.state(t, id); state != enroll.TicketDone {
		t.Error(state)
	}
	w.call("/enroll/prove", proof).refuses(t, http.StatusConflict, "ticket-used")
}
