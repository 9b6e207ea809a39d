package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/cardlab"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
	"cpsgate/store"
)

// The codes that people would type.
const (
	holderCode = "1234"
	fidoPIN    = "271828"
)

// desk is a server, a reader, and the certificates of the card that will be in
// it.
type desk struct {
	folder   string
	cardside string
	server   *exec.Cmd
	main     string // origin
	root     string // PEM file
	holder   identity.PSIdNat
	lab      *cardlab.Lab
	token    cardlab.Token
	store    *store.Store
	registry *enroll.Registry
	next     time.Time // when the next may begin
}

// announcement is what `cpsgate demo --json` tells.
type announcement struct {
	Main, Root, Config string
	ContactCard        struct {
		Number, IdNat             string
		Authentication, Signature struct{ Certificate, Key string }
	}
}

// openDesk builds the programs and starts what they need.
func openDesk(ctx context.Context) (d *desk, err error) {
	if missing, err := cardlab.Missing(); err != nil || len(missing) > 0 {
		return nil, errors.Join(err, fmt.Errorf("needs the Debian packages %s", strings.Join(missing, " ")))
	}
	d = &desk{}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.folder, err = os.MkdirTemp("", "enrolment"); err != nil {
		return d, err
	}
	cpsgate := filepath.Join(d.folder, "cpsgate")
	d.cardside = filepath.Join(d.folder, "cardside")
	for program, to := range map[string]string{"cpsgate/cmd/cpsgate": cpsgate, "cpsgate/cmd/cardside": d.cardside} {
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", to, program).CombinedOutput(); err != nil {
			return d, fmt.Errorf("building %s: %w: %s", program, err, out)
		}
	}
	told, err := d.serve(ctx, cpsgate)
	if err != nil {
		return d, err
	}
	d.main, d.root, d.holder = told.Main, told.Root, identity.PSIdNat(told.ContactCard.IdNat)
	if d.lab, err = cardlab.Open(1); err != nil {
		return d, err
	}
	if err := d.makeToken(ctx, told); err != nil {
		return d, err
	}
	return d, d.openRecord(ctx)
}

// serve starts the demo, and reads what it announces.
func (d *desk) serve(ctx context.Context, cpsgate string) (told announcement, err error) {
	d.server = exec.CommandContext(ctx, cpsgate, "demo", "--json", "--port", "0", "--folder", filepath.Join(d.folder, "demo"))
	d.server.Cancel = func() error { return d.server.Process.Signal(syscall.SIGINT) }
	d.server.Env, d.server.Stderr = []string{"PATH=" + os.Getenv("PATH")}, os.Stderr
	out, err := d.server.StdoutPipe()
	if err != nil {
		return told, err
	}
	if err := d.server.Start(); err != nil {
		return told, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return told, fmt.Errorf("the demo announced nothing: %w", err)
	}
	return told, json.Unmarshal(line, &told)
}

// makeToken puts the card's certificates and keys on a PKCS#11 token.
func (d *desk) makeToken(ctx context.Context, told announcement) error {
	card := &testpki.Card{TokenID: "8025000001/" + told.ContactCard.Number}
	for _, half := range []struct {
		to                *testpki.Pair
		certificate, from string
	}{
		{&card.Authentication, told.ContactCard.Authentication.Certificate, told.ContactCard.Authentication.Key},
		{&card.Signature, told.ContactCard.Signature.Certificate, told.ContactCard.Signature.Key},
	} {
		der, err := block(half.certificate)
		if err != nil {
			return err
		}
		key, err := block(half.from)
		if err != nil {
			return err
		}
		parsed, err := x509.ParsePKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		signer, is := parsed.(crypto.Signer)
		if !is {
			return fmt.Errorf("%s: a key of type %T", half.from, parsed)
		}
		half.to.DER, half.to.Key = der, signer
	}
	folder := filepath.Join(d.folder, "token")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	var err error
	d.token, err = cardlab.MakeToken(ctx, folder, card, cardlab.TokenOptions{PIN: holderCode})
	return err
}

func block(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	b, _ := pem.Decode(text)
	if b == nil {
		return nil, fmt.Errorf("%s: no PEM", file)
	}
	return b.Bytes, nil
}

// openRecord opens the server's record beside it, as the console does.
func (d *desk) openRecord(ctx context.Context) (err error) {
	d.store, err = store.Open(ctx, filepath.Join(d.folder, "demo", "data", store.FileName))
	if err != nil {
		return err
	}
	d.registry, err = enroll.New(d.store, enroll.Options{Audit: audit.New(d.store, audit.Options{Now: time.Now}), Now: time.Now})
	return err
}

func (d *desk) close() {
	if d.lab != nil {
		d.lab.Close()
	}
	if d.store != nil {
		d.store.Close()
	}
	if d.server != nil && d.server.Process != nil {
		_ = d.server.Process.Signal(syscall.SIGINT)
		_ = d.server.Wait()
	}
	os.RemoveAll(d.folder)
}

// variantATR is that of the CPS4 that offers T=0 alone.
func variantATR() []byte {
	atr, _ := hex.DecodeString(virtualcard.ATRCPS4Variant) // a constant of the package's, which its tests read
	return atr
}

// apart is how far enrolments of one person begin from each other.
const apart = 5500 * time.Millisecond

// rest waits until the server lets the person's card prove itself again.
func (d *desk) rest(ctx context.Context) error {
	select {
	case <-time.After(time.Until(d.next)):
		d.next = time.Now().Add(apart)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enrol opens a ticket, puts a blank card in and runs `cardside enroll`.
func (d *desk) enrol(ctx context.Context, options virtualcard.Options) (enrolment, error) {
	_, code, err := d.registry.OpenTicket(ctx, enroll.Act{Console: true, Reason: "bench"}, d.holder)
	if err != nil {
		return enrolment{}, err
	}
	card, err := virtualcard.New(options)
	if err != nil {
		return enrolment{}, err
	}
	reader := d.lab.Readers[0]
	if err := reader.Insert(card); err != nil {
		return enrolment{}, err
	}
	defer reader.Eject() //nolint:errcheck // the next card tells
	before := card.APDUs()
	e, err := d.run(ctx, reader.Name, code)
	e.apdus = card.APDUs() - before
	return e, err
}

// run runs the command, its PINs ready in two pipes.
func (d *desk) run(ctx context.Context, reader, code string) (e enrolment, err error) {
	command := exec.CommandContext(ctx, d.cardside, "enroll", code, "--json", "--server", d.main, "--server-ca", d.root,
		"--reader", reader, "--module", d.token.Module, "--card-pin-fd", "3", "--pin-fd", "4")
	command.Env = append(append([]string{"PATH=" + os.Getenv("PATH")}, d.lab.Env()...), d.token.Env()...)
	for _, pin := range []string{holderCode, fidoPIN} {
		from, to, err := os.Pipe()
		if err != nil {
			return e, err
		}
		defer from.Close()
		_, err = io.WriteString(to, pin+"\n")
		if err := errors.Join(err, to.Close()); err != nil {
			return e, err
		}
		command.ExtraFiles = append(command.ExtraFiles, from)
	}
	began := time.Now()
	out, err := command.Output()
	e.took = time.Since(began)
	if err != nil {
		return e, fmt.Errorf("cardside enroll: %w: %s", err, out)
	}
	var outcome struct {
		Passkey  struct{ State string }
		Requests int
	}
	if err := json.Unmarshal(out, &outcome); err != nil {
		return e, err
	}
	if outcome.Passkey.State != string(identity.PasskeyActive) {
		return e, fmt.Errorf("the passkey is %s", outcome.Passkey.State)
	}
	e.requests = outcome.Requests
	return e, nil
}
