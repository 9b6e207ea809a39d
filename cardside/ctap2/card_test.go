package ctap2_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"testing"

	"cpsgate/cardside/apdu"
	"cpsgate/cardside/ctap2"
	"cpsgate/internal/virtualcard/authenticator"
)

const (
	goodPIN = "271828"
	badPIN  = "000000"
	rpID    = "sso.localhost"
)

// card is the shortest ISO shell around an authenticator that a contact reader
// could hold: T=1, short APDUs, chains and GET RESPONSE. The real reader's turn
// comes in package cardside's tests.
type card struct {
	handle   func([]byte) []byte
	onSelect func()
	selected []byte // answer to SELECT
	seen     []byte // CTAP command bytes, in order
	rewrite  func(command byte, answer []byte) []byte
	fault    func(command []byte) []byte // raw answer instead, or nil
	chain    []byte
	pending  []byte
}

func (c *card) transmit(command []byte) ([]byte, error) {
	if c.fault != nil {
		if answer := c.fault(command); answer != nil {
			return answer, nil
		}
	}
	cla, ins := command[0], command[1]
	var data []byte
	if len(command) > 5 {
		data = command[5 : 5+int(command[4])]
	}
	switch {
	case cla == 0x00 && ins == 0xA4:
		c.chain, c.pending = nil, nil
		if c.onSelect != nil {
			c.onSelect()
		}
		return c.give(c.selected), nil
	case ins == 0xC0:
		return c.give(c.pending), nil
	case cla == 0x90 && ins == 0x10:
		c.chain = append(c.chain, data...)
		return []byte{0x90, 0x00}, nil
	case cla == 0x80 && ins == 0x10:
		message := append(c.chain, data...)
		c.chain = nil
		c.seen = append(c.seen, message[0])
		answer := c.handle(bytes.Clone(message))
		if c.rewrite != nil {
			answer = c.rewrite(message[0], answer)
		}
		return c.give(answer), nil
	}
	return []byte{0x6D, 0x00}, nil
}

func (c *card) give(answer []byte) []byte {
	if len(answer) <= 256 {
		c.pending = nil
		return append(bytes.Clone(answer), 0x90, 0x00)
	}
	c.pending = answer[256:]
	return append(bytes.Clone(answer[:256]), 0x61, byte(min(len(c.pending), 256)))
}

// desk is a client with its virtual card.
type desk struct {
	*ctap2.Client
	card    *card
	engine  *authenticator.Engine
	channel *apdu.Channel
}

func newDesk(t *testing.T, with authenticator.Options, opts ctap2.Options) *desk {
	t.Helper()
	engine, err := authenticator.New(with)
	if err != nil {
		t.Fatal(err)
	}
	return deskOf(engine, opts)
}

func deskOf(engine *authenticator.Engine, opts ctap2.Options) *desk {
	c := &card{handle: engine.Handle, onSelect: engine.Select, selected: []byte("FIDO_2_0")}
	channel := &apdu.Channel{Transmit: c.transmit}
	client := ctap2.New(func(_ context.Context, f func(*apdu.Channel) error) error { return f(channel) }, opts)
	return &desk{Client: client, card: c, engine: engine, channel: channel}
}

// enrolled is a desk whose card has the good PIN.
func enrolled(t *testing.T, with authenticator.Options, opts ctap2.Options) *desk {
	t.Helper()
	d := newDesk(t, with, opts)
	if err := d.SetPIN(t.Context(), []byte(goodPIN)); err != nil {
		t.Fatal(err)
	}
	return d
}

func hash(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

func creation(user string) ctap2.Creation {
	return ctap2.Creation{
		ClientDataHash: hash("create"), RP: ctap2.RelyingParty{ID: rpID, Name: "Hospital"},
		User:       ctap2.User{ID: hash(user), Name: user, DisplayName: "EXEMPLE " + user},
		Algorithms: []int{ctap2.ES256}, ResidentKey: true, PIN: []byte(goodPIN),
	}
}

func request(ids ...[]byte) ctap2.Request {
	return ctap2.Request{RPID: rpID, ClientDataHash: hash("get"), Allow: ids, PIN: []byte(goodPIN)}
}

// made makes a credential and returns what the card says of it.
func (d *desk) made(t *testing.T, creation ctap2.Creation) ctap2.AuthenticatorData {
	t.Helper()
	attestation, err := d.MakeCredential(t.Context(), creation)
	if err != nil {
		t.Fatal(err)
	}
	data, err := attestation.Data()
	if err != nil {
		t.Fatal(err)
	}
	return data
}
