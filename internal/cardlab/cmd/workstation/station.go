package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"cpsgate/internal/cardlab"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// Announcement is what people and programs are told.
type Announcement struct {
	Folder      string          `json:"folder"`
	Server      json.RawMessage `json:"server"`      // the demo's own announcement
	Start       string          `json:"start"`       // the page that says what to click
	Lacking     string          `json:"lacking"`     // what a workstation would need; the rest is then empty
	Environment string          `json:"environment"` // a file for a shell to read, "." or source
	Variables   []string        `json:"variables"`   // of it, NAME=value
	Cardside    string          `json:"cardside"`
	Module      string          `json:"module"` // PKCS#11
	Token       string          `json:"token"`  // its label
	PIN         string          `json:"pin"`    // of the certificates
	Reader      string          `json:"reader"` // that holds the card
	Empty       string          `json:"empty"`  // reader
	EmptyAt     string          `json:"emptyAt"`
	State       string          `json:"state"` // file of the virtual card
	Staff       string          `json:"staff"` // who may open the desk
	Says        serverSays      `json:"-"`
}

// station is a workstation with its card service, card and token.
type station struct {
	Announcement
	lab  *cardlab.Lab
	card *virtualcard.Card
	in   bool // the card is in its reader
}

// openStation adds a workstation to what is announced. The caller closes it.
func openStation(ctx context.Context, a Announcement) (_ *station, err error) {
	s := &station{Announcement: a}
	place := filepath.Join(s.Folder, "workstation")
	if err := os.Mkdir(place, 0o700); err != nil {
		return nil, err
	}
	token, err := s.makeToken(ctx, place)
	if err != nil {
		return nil, err
	}
	s.Module, s.Token, s.PIN = token.Module, token.Label, token.PIN
	s.State = filepath.Join(place, "cps4.json")
	if s.card, err = blankCard(s.State); err != nil {
		return nil, err
	}
	if s.lab, err = cardlab.Open(1); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.lab.Close()
		}
	}()
	s.Reader, s.Empty, s.EmptyAt = s.lab.Readers[0].Name, s.lab.Readers[1].Name, s.lab.Readers[1].Address
	s.Variables = append(s.lab.Env(), token.Env()...)
	if _, err := s.turn(); err != nil {
		return nil, err
	}
	s.Environment = filepath.Join(place, "environment")
	return s, s.writeEnvironment()
}

// makeToken puts the contact card's certificates and keys on a PKCS#11 token.
func (s *station) makeToken(ctx context.Context, place string) (cardlab.Token, error) {
	contact := s.Says.ContactCard
	card := &testpki.Card{}
	for _, half := range []struct {
		from keyFiles
		to   *testpki.Pair
	}{{contact.Authentication, &card.Authentication}, {contact.Signature, &card.Signature}} {
		certificate, err := readPEM(half.from.Certificate)
		if err != nil {
			return cardlab.Token{}, err
		}
		der, err := readPEM(half.from.Key)
		if err != nil {
			return cardlab.Token{}, err
		}
		key, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return cardlab.Token{}, err
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			return cardlab.Token{}, fmt.Errorf("%s holds a key that does not sign", half.from.Key)
		}
		*half.to = testpki.Pair{DER: certificate, Key: signer}
	}
	return cardlab.MakeToken(ctx, place, card, cardlab.TokenOptions{Serial: contact.Number})
}

func readPEM(file string) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM", file)
	}
	return block.Bytes, nil
}

// blankCard is a CPS4 as delivered, which keeps what becomes of it in a file.
// Its attestation is under testpki's root.
func blankCard(state string) (*virtualcard.Card, error) {
	pki, err := testpki.New(testpki.Options{Test: true})
	if err != nil {
		return nil, err
	}
	pair, err := pki.Attestation(authenticator.DefaultAAGUID)
	if err != nil {
		return nil, err
	}
	return virtualcard.New(virtualcard.Options{
		Protocol: virtualcard.T1, KeepATR: true, StateFile: state,
		FIDO: authenticator.Options{Attestation: authenticator.Attestation{Key: pair.Key, Chain: [][]byte{pair.DER}}},
	})
}

// turn takes the card out of its reader, or puts it back.
func (s *station) turn() (said string, err error) {
	reader := s.lab.Readers[0]
	if s.in {
		s.in, err = false, reader.Eject()
		if errors.Is(err, virtualcard.ErrEjected) {
			err = nil
		}
		return cardOut, err
	}
	s.in, err = true, reader.Insert(s.card)
	return cardIn, err
}

func (s *station) close() { s.lab.Close() }
