//go:build windows || cgo

package pcsc

import (
	"errors"
	"sync"
	"time"

	"cpsgate/cardside/apdu"

	"github.com/ebfe/scard"
)

// Available reports whether this program was built with PC/SC.
const Available = true

// system is a session with the service; its calls are made by one goroutine.
type system struct{ ctx *scard.Context }

// systemCard is a connection; its calls are made by its session's goroutine.
type systemCard struct{ card *scard.Card }

func establish() (*system, error) {
	ctx, err := scard.EstablishContext()
	if err != nil {
		return nil, unreached(translate("connecting to the smart card service", err))
	}
	return &system{ctx}, nil
}

func (s *system) release() { s.ctx.Release() } //nolint:errcheck // nothing is left to be done

func (s *system) readers() ([]string, error) {
	names, err := s.ctx.ListReaders()
	return names, lost(translate("listing readers", err))
}

// statusChange serialises GetStatusChange over all contexts: scard keeps a
// reader's name alive for C by one entry per name, which a second call for the
// same reader would replace under the first.
var statusChange sync.Mutex

// wait asks for the states of readers, for at most limit or until one of them
// differs from the states given.
func (s *system) wait(states []readerState, limit time.Duration) error {
	query := make([]scard.ReaderState, len(states))
	for i, state := range states {
		query[i] = scard.ReaderState{Reader: state.name, CurrentState: scard.StateFlag(state.flags)}
	}
	statusChange.Lock()
	err := s.ctx.GetStatusChange(query, limit)
	statusChange.Unlock()
	if err != nil {
		return lost(translate("watching readers", err))
	}
	for i := range query {
		states[i].flags, states[i].atr = uint32(query[i].EventState), query[i].Atr
	}
	return nil
}

func (s *system) connect(reader string, want Protocol) (*systemCard, error) {
	card, err := s.ctx.Connect(reader, scard.ShareShared, protocolBits(want))
	if err != nil {
		return nil, translate("connecting to the card", err)
	}
	return &systemCard{card}, nil
}

func protocolBits(want Protocol) scard.Protocol {
	switch want {
	case OnlyT0:
		return scard.ProtocolT0
	case OnlyT1:
		return scard.ProtocolT1
	}
	return scard.ProtocolAny
}

// reconnect keeps the connection after a reset by others, or powers the card
// off and on.
func (c *systemCard) reconnect(want Protocol, unpower bool) error {
	disposition := scard.LeaveCard
	if unpower {
		disposition = scard.UnpowerCard
	}
	return translate("reconnecting to the card", c.card.Reconnect(scard.ShareShared, protocolBits(want), disposition))
}

func (c *systemCard) disconnect() { c.card.Disconnect(scard.LeaveCard) } //nolint:errcheck // nothing is left to be done

func (c *systemCard) begin() error {
	return translate("waiting for the card's turn", c.card.BeginTransaction())
}

func (c *systemCard) end() { c.card.EndTransaction(scard.LeaveCard) } //nolint:errcheck // fails only with the connection

func (c *systemCard) transmit(command []byte) ([]byte, error) {
	response, err := c.card.Transmit(command)
	return response, translate("transmitting", err)
}

func (c *systemCard) control(code uint32, in []byte) ([]byte, error) {
	out, err := c.card.Control(code, in)
	return out, translate("asking the reader", err)
}

func (c *systemCard) status() (reader string, atr []byte, err error) {
	status, err := c.card.Status()
	if err != nil {
		return "", nil, translate("asking for the card's state", err)
	}
	return status.Reader, status.Atr, nil
}

func (c *systemCard) protocol() (apdu.Protocol, error) {
	switch c.card.ActiveProtocol() {
	case scard.ProtocolT0:
		return apdu.T0, nil
	case scard.ProtocolT1:
		return apdu.T1, nil
	}
	return 0, &Error{Op: "connecting to the card", Kind: ErrProtocol}
}

func featureRequest() uint32 { return scard.CtlCode(3400) } // part 10 §2.2: CM_IOCTL_GET_FEATURE_REQUEST

func translate(op string, err error) error {
	if err == nil {
		return nil
	}
	var code scard.Error
	if errors.As(err, &code) {
		return coded(op, Code(code))
	}
	return &Error{Op: op, Kind: errors.Join(ErrOther, err)}
}
