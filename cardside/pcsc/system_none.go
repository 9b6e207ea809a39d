//go:build !windows && !cgo

package pcsc

import (
	"time"

	"cpsgate/cardside/apdu"
)

// Available reports whether this program was built with PC/SC.
const Available = false

type (
	system     struct{}
	systemCard struct{}
)

func establish() (*system, error) {
	return nil, &Error{Op: "connecting to the smart card service", Kind: ErrNotBuilt}
}

// No session is ever established, so nothing below is reached.

func (*system) release()                                      {}
func (*system) readers() ([]string, error)                    { return nil, ErrNotBuilt }
func (*system) wait([]readerState, time.Duration) error       { return ErrNotBuilt }
func (*system) connect(string, Protocol) (*systemCard, error) { return nil, ErrNotBuilt }

func (*systemCard) reconnect(Protocol, bool) error         { return ErrNotBuilt }
func (*systemCard) disconnect()                            {}
func (*systemCard) begin() error                           { return ErrNotBuilt }
func (*systemCard) end()                                   {}
func (*systemCard) transmit([]byte) ([]byte, error)        { return nil, ErrNotBuilt }
func (*systemCard) control(uint32, []byte) ([]byte, error) { return nil, ErrNotBuilt }
func (*systemCard) status() (string, []byte, error)        { return "", nil, ErrNotBuilt }
func (*systemCard) protocol() (apdu.Protocol, error)       { return 0, ErrNotBuilt }

func featureRequest() uint32 { return 0 }
