package libfido2

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/pcsc"
)

// ChildArgument is the first argument of this program's child processes; main
// calls Main when it finds it.
const ChildArgument = "libfido2-conversation"

// childLimit bounds a conversation: a security key waits half a minute for a
// touch.
const childLimit = 90 * time.Second

// maxReply bounds what is read from a child.
const maxReply = 1 << 20

// Options say what to speak to: a card in a reader, or a security key.
type Options struct {
	Reader   string        // a PC/SC reader's name (Linux)
	Protocol pcsc.Protocol // with Reader
	Device   string        // a security key's path, from Devices
	// SpendLastTry and FewTries are as in ctap2.Options.
	SpendLastTry bool
	FewTries     func(left int)
	// BeforeWrite, if set, runs before each conversation that changes the card;
	// its error stops it.
	BeforeWrite func(ctx context.Context) error
	// Child makes the command that runs Main; nil: this program again, with
	// ChildArgument.
	Child func(ctx context.Context) (*exec.Cmd, error)
}

// Client has conversations by libfido2, each in a process of its own.
type Client struct{ opts Options }

// New makes a client; it starts no process yet.
func New(opts Options) *Client { return &Client{opts} }

// Devices lists the security keys that libfido2 finds.
func Devices(ctx context.Context, opts Options) ([]Device, error) {
	r, err := New(opts).converse(ctx, &request{Operation: opDevices})
	if err != nil {
		return nil, fmt.Errorf("listing security keys: %w", err)
	}
	return r.Devices, nil
}

// Info asks what the authenticator is; members that go-libfido2 does not read
// stay empty.
func (c *Client) Info(ctx context.Context) (ctap2.Info, error) {
	r, err := c.converse(ctx, &request{Operation: opInfo})
	if err != nil {
		return ctap2.Info{}, fmt.Errorf("getInfo: %w", err)
	}
	if r.Info == nil || len(r.Info.AAGUID) != len(ctap2.AAGUID{}) {
		return ctap2.Info{}, fmt.Errorf("getInfo: %w: no AAGUID", ctap2.ErrMalformed)
	}
	return ctap2.Info{
		Versions: r.Info.Versions, Extensions: r.Info.Extensions, AAGUID: ctap2.AAGUID(r.Info.AAGUID),
		Options: r.Info.Options, PINProtocols: r.Info.Protocols,
	}, nil
}

// Retries asks how many PIN tries are left. libfido2 does not say whether the
// card waits for a power-off.
func (c *Client) Retries(ctx context.Context) (ctap2.Retries, error) {
	r, err := c.converse(ctx, &request{Operation: opRetries})
	if err != nil {
		return ctap2.Retries{}, fmt.Errorf("reading PIN tries: %w", err)
	}
	return ctap2.Retries{Left: r.Retries}, nil
}

// SetPIN sets the first PIN.
func (c *Client) SetPIN(ctx context.Context, pin []byte) error {
	r := &request{Operation: opSetPIN, NewPIN: ctap2.NormalPIN(pin)}
	err := ctap2.CheckPIN(r.NewPIN, ctap2.MinPINLength)
	if err == nil {
		_, err = c.converse(ctx, r)
	}
	r.clearPINs()
	if err != nil {
		return fmt.Errorf("setting the PIN: %w", err)
	}
	return nil
}

// ChangePIN replaces the PIN.
func (c *Client) ChangePIN(ctx context.Context, current, next []byte) error {
	r := &request{Operation: opChangePIN, PIN: ctap2.NormalPIN(current), NewPIN: ctap2.NormalPIN(next)}
	err := ctap2.CheckPIN(r.NewPIN, ctap2.MinPINLength)
	if err == nil {
		_, err = c.withPIN(ctx, r)
	}
	r.clearPINs()
	if err != nil {
		return fmt.Errorf("changing the PIN: %w", err)
	}
	return nil
}

// MakeCredential makes a credential.
func (c *Client) MakeCredential(ctx context.Context, creation ctap2.Creation) (ctap2.Attestation, error) {
	own := creation
	own.PIN = normalOrNone(creation.PIN)
	r, err := c.withPIN(ctx, &request{Operation: opMake, Creation: &own})
	if err == nil && r.Attestation == nil {
		err = ErrChild
	}
	if err != nil {
		return ctap2.Attestation{}, fmt.Errorf("making a credential: %w", err)
	}
	return *r.Attestation, nil
}

// GetAssertion signs with a credential; of several discoverable ones, the
// newest.
func (c *Client) GetAssertion(ctx context.Context, wanted ctap2.Request) ([]ctap2.Assertion, error) {
	own := wanted
	own.PIN = normalOrNone(wanted.PIN)
	r, err := c.withPIN(ctx, &request{Operation: opAssert, Assertion: &own})
	if err == nil && len(r.Assertions) == 0 {
		err = ErrChild
	}
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return r.Assertions, nil
}

// Credentials lists the discoverable credentials.
func (c *Client) Credentials(ctx context.Context, pin []byte) ([]ctap2.Stored, error) {
	r, err := c.withPIN(ctx, &request{Operation: opCredentials, PIN: ctap2.NormalPIN(pin)})
	if err != nil {
		return nil, fmt.Errorf("listing credentials: %w", err)
	}
	return r.Credentials, nil
}

// DeleteCredential deletes one discoverable credential.
func (c *Client) DeleteCredential(ctx context.Context, id, pin []byte) error {
	_, err := c.withPIN(ctx, &request{Operation: opDelete, Credential: id, PIN: ctap2.NormalPIN(pin)})
	if err != nil {
		return fmt.Errorf("deleting a credential: %w", err)
	}
	return nil
}

// Reset erases the authenticator; see ctap2.Client.Reset.
func (c *Client) Reset(ctx context.Context) error {
	if _, err := c.converse(ctx, &request{Operation: opReset}); err != nil {
		return fmt.Errorf("resetting: %w", err)
	}
	return nil
}

// normalOrNone keeps an absent PIN absent.
func normalOrNone(pin []byte) []byte {
	if pin == nil {
		return nil
	}
	return ctap2.NormalPIN(pin)
}

// withPIN reads the retry counter before it lets a PIN go.
func (c *Client) withPIN(ctx context.Context, r *request) (reply, error) {
	defer r.clearPINs()
	if !r.hasPIN() {
		return c.converse(ctx, r)
	}
	before, err := c.Retries(ctx)
	if err != nil {
		return reply{}, err
	}
	if err := before.Allow(c.opts.SpendLastTry); err != nil {
		return reply{}, err
	}
	if before.Left <= ctap2.WarnTries && c.opts.FewTries != nil {
		c.opts.FewTries(before.Left)
	}
	answer, err := c.converse(ctx, r)
	switch {
	case errors.Is(err, ctap2.StatusPINInvalid):
		return reply{}, &ctap2.PINError{Status: ctap2.StatusPINInvalid, Left: before.Left - 1}
	case errors.Is(err, ctap2.StatusPINBlocked):
		return reply{}, &ctap2.PINError{Status: ctap2.StatusPINBlocked}
	case errors.Is(err, ctap2.StatusPINAuthBlocked):
		// Either this PIN was the third wrong one or none was looked at; the
		// counter tells.
		left := before.Left
		if after, aErr := c.Retries(ctx); aErr == nil {
			left = after.Left
		}
		return reply{}, &ctap2.PINError{Status: ctap2.StatusPINAuthBlocked, Left: left}
	}
	return answer, err
}

func (r *request) hasPIN() bool {
	return r.PIN != nil || r.Creation != nil && r.Creation.PIN != nil || r.Assertion != nil && r.Assertion.PIN != nil
}

// converse runs one child. The request's bytes, PINs among them, are cleared.
func (c *Client) converse(ctx context.Context, r *request) (reply, error) {
	defer r.clearPINs()
	if r.Operation.writes() && c.opts.BeforeWrite != nil {
		if err := c.opts.BeforeWrite(ctx); err != nil {
			return reply{}, err
		}
	}
	r.Device, r.Reader, r.Protocol = c.opts.Device, c.opts.Reader, c.opts.Protocol
	ctx, cancel := context.WithTimeout(ctx, childLimit)
	defer cancel()
	child, err := c.child(ctx)
	if err != nil {
		return reply{}, fmt.Errorf("%w: %w", ErrChild, err)
	}
	input, err := json.Marshal(r)
	if err != nil {
		return reply{}, fmt.Errorf("%w: %w", ErrChild, err)
	}
	defer clear(input)
	var output, complaints limited
	child.Stdin, child.Stdout, child.Stderr = bytes.NewReader(input), &output, &complaints
	if err := child.Run(); err != nil {
		if ctx.Err() != nil {
			return reply{}, context.Cause(ctx)
		}
		return reply{}, fmt.Errorf("%w: %w: %s", ErrChild, err, complaints.Bytes())
	}
	return readReply(output.Bytes())
}

func readReply(output []byte) (reply, error) {
	var answer reply
	if err := json.Unmarshal(output, &answer); err != nil {
		return reply{}, fmt.Errorf("%w: %w", ErrChild, err)
	}
	return answer, answer.Failure.error()
}

func (c *Client) child(ctx context.Context) (*exec.Cmd, error) {
	if c.opts.Child != nil {
		return c.opts.Child(ctx)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, program, ChildArgument), nil //nolint:gosec // this very program
}

// limited keeps no more than maxReply bytes.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxReply {
		return 0, errors.New("child says too much")
	}
	return l.Buffer.Write(p)
}
