package desk

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
)

// Visit says where a card signs in, as a browser would at the sign-in page.
type Visit struct {
	Server   string // https://sso.hospital.example
	Trust    *x509.CertPool
	Language cardside.Language
	Choice   cardside.Choice
	PIN      func(ctx context.Context) ([]byte, error) // cleared after use
	// Stay keeps the session open until the server ends it, or ctx does.
	Stay bool
	// In, if set, is told once somebody is signed in.
	In func(SignedIn)
}

// SignedIn is a session that a card has opened.
type SignedIn struct {
	Credential cardside.URLBytes `json:"credential"`
	Next       string            `json:"next"` // where a browser would go on
}

// sessionLook is how often the session is looked at, while it is stayed in.
const sessionLook = 250 * time.Millisecond

// beginning and end of a sign-in, as the sign-in page's script exchanges them.
type (
	loginBegun struct {
		Ceremony  string          `json:"ceremony"`
		PublicKey json.RawMessage `json:"publicKey"`
	}
	loginAnswer struct {
		Ceremony string `json:"ceremony"`
		Response any    `json:"response"`
	}
	loginDone struct {
		Next string `json:"next"`
	}
)

// SignIn signs in with the passkey on the card, and out again: that the card
// opens a session is what is learned. The session's cookie is kept in memory
// alone. A session that the server ended while it was stayed in is
// cardside.ErrSessionEnded.
func SignIn(ctx context.Context, v Visit) error {
	server, err := newServer(v.Server, Options{Language: v.Language, Trust: v.Trust})
	if err != nil {
		return err
	}
	defer server.close()
	if server.client.Jar, err = cookiejar.New(nil); err != nil {
		return err
	}
	in, err := server.signIn(ctx, v)
	if err != nil {
		return err
	}
	if v.In != nil {
		v.In(in)
	}
	if v.Stay {
		if err := server.stay(ctx); err != nil {
			return err
		}
	}
	return server.signOut(ctx)
}

// signIn opens the session.
func (s *server) signIn(ctx context.Context, v Visit) (SignedIn, error) {
	card, err := cardside.Open(ctx, v.Choice)
	if err != nil {
		return SignedIn{}, err
	}
	defer card.Close()
	info, err := card.Info(ctx)
	if err != nil {
		return SignedIn{}, err
	}
	if info.Blank() {
		return SignedIn{}, cardside.ErrBlank
	}
	pin, err := v.PIN(ctx)
	if err != nil {
		return SignedIn{}, err
	}
	defer clear(pin)
	var begun loginBegun
	if err := s.once(ctx, s.client, s.origin+"/login/passkey/options", map[string]string{"return": ""}, &begun); err != nil {
		return SignedIn{}, err
	}
	signed, ceremony, err := s.assert(ctx, card, begun.PublicKey, pin)
	if err != nil {
		return SignedIn{}, err
	}
	var done loginDone
	answer := loginAnswer{begun.Ceremony, ceremony.Authentication(signed)}
	if err := s.once(ctx, s.client, s.origin+"/login/passkey/finish", answer, &done); err != nil {
		return SignedIn{}, err
	}
	return SignedIn{signed.CredentialID, done.Next}, nil
}

// assert signs the server's question with the newest credential for it.
func (s *server) assert(ctx context.Context, card *cardside.Card, question json.RawMessage, pin []byte) (ctap2.Assertion, cardside.Ceremony, error) {
	options, err := readRequest(question)
	if err != nil {
		return ctap2.Assertion{}, cardside.Ceremony{}, err
	}
	ceremony, err := cardside.NewCeremony(cardside.TypeGet, s.origin, options.RPID, options.Challenge)
	if err != nil {
		return ctap2.Assertion{}, ceremony, err
	}
	all, err := card.GetAssertion(ctx, ctap2.Request{RPID: options.RPID, ClientDataHash: ceremony.Hash(), Allow: ids(options.Allow), PIN: pin})
	if err != nil {
		return ctap2.Assertion{}, ceremony, err
	}
	return all[0], ceremony, nil
}

// stay looks at the session until it is over.
func (s *server) stay(ctx context.Context) error {
	for {
		select {
		case <-time.After(sessionLook):
		case <-ctx.Done():
			return nil // stayed long enough
		}
		if err := s.look(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// look asks for a page that only a session opens.
func (s *server) look(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, http.MethodGet, s.origin+"/account", nil)
	if err != nil {
		return fmt.Errorf("%w: %w", cardside.ErrServerAnswer, err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return cardside.Unreached(err)
	}
	defer response.Body.Close()
	if _, err := io.CopyN(io.Discard, response.Body, answerLimit); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: reading its page: %w", cardside.ErrServer, err)
	}
	switch code := response.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code == http.StatusSeeOther || code == http.StatusFound || code == http.StatusUnauthorized || code == http.StatusForbidden:
		return cardside.ErrSessionEnded
	}
	return fmt.Errorf("%w: it answers %s", cardside.ErrServer, response.Status)
}

// signOut ends the session, even where ctx has ended.
func (s *server) signOut(ctx context.Context) error {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(last, http.MethodPost, s.origin+"/logout", strings.NewReader(""))
	if err != nil {
		return fmt.Errorf("%w: %w", cardside.ErrServerAnswer, err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := s.client.Do(request)
	if err != nil {
		return cardside.Unreached(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%w: signing out: it answers %s", cardside.ErrServerAnswer, response.Status)
	}
	return nil
}
