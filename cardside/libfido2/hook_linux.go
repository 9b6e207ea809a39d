//go:build cgo

package libfido2

// #cgo pkg-config: libfido2
// #cgo LDFLAGS: -ldl
// #include <stdint.h>
// #include <fido.h>
import "C"

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	"cpsgate/cardside/apdu"
	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/pcsc"
)

// scheme begins the paths of cards, which hook_linux.c tells from libfido2's own.
const scheme = "cardside:"

// Commands and capabilities of CTAPHID (CTAP 2.1 §11.2), in which libfido2 frames
// its messages.
const (
	hidInit   = 0x06
	hidCBOR   = 0x10
	canCBOR   = 0x04
	cannotMsg = 0x08
)

// conversation is the one that this process has; a process has no second.
var conversation struct {
	link   *ctap2.Link
	nonce  [8]byte
	answer []byte
	err    error // why the link failed
}

// noU2F keeps libfido2 from taking a card for a U2F token when getInfo fails.
func noU2F() { C.fido_init(C.FIDO_DISABLE_U2F_FALLBACK) }

// withCard runs f with the path of the card in the request's reader, in one
// transaction.
func withCard(ctx context.Context, r *request, f func(path string) error) error {
	session, err := pcsc.Establish(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	card, err := session.Connect(ctx, r.Reader, pcsc.Options{Protocol: r.Protocol})
	if err != nil {
		return err
	}
	defer card.Close()
	return card.Exchange(ctx, func(channel *apdu.Channel) error {
		if r.Operation.writes() {
			if err := card.Confirm(ctx); err != nil {
				return err
			}
		}
		conversation.link = &ctap2.Link{Channel: channel}
		return f(scheme + r.Reader)
	})
}

// linkFailure prefers what the link knows to libfido2's "rx error".
func linkFailure(err error) error {
	if known := conversation.err; known != nil {
		return errors.Join(known, err)
	}
	return fmt.Errorf("%w: %w", pcsc.ErrTransmission, err)
}

//export cardsideTx
func cardsideTx(command C.uint8_t, message unsafe.Pointer, n C.size_t) C.int {
	var err error
	switch command {
	case hidInit:
		copy(conversation.nonce[:], unsafe.Slice((*byte)(message), n))
		err = conversation.link.Select()
	case hidCBOR:
		own := C.GoBytes(message, C.int(n))
		conversation.answer, err = conversation.link.Message(own)
		clear(own)
	default:
		err = fmt.Errorf("%w: CTAPHID command %#x", ErrUnsupported, uint8(command))
	}
	if err != nil {
		conversation.err = err
		return -1
	}
	return 0
}

//export cardsideRx
func cardsideRx(command C.uint8_t, buffer unsafe.Pointer, n C.size_t) C.int {
	out := unsafe.Slice((*byte)(buffer), n)
	var answer []byte
	switch command {
	case hidInit: // CTAP 2.1 §11.2.9.1.3: nonce, channel, protocol, version, capabilities
		answer = append(conversation.nonce[:], 0, 0, 0, 1, 2, 0, 0, 0, canCBOR|cannotMsg)
	case hidCBOR:
		answer = conversation.answer
	}
	if len(answer) == 0 || len(answer) > len(out) {
		return -1
	}
	return C.int(copy(out, answer))
}
