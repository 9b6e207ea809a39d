package sso

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"cpsgate/identity"
	"cpsgate/sessions"
)

// newToken draws an opaque token of 256 bits and gives what is kept of it.
func newToken() (token string, hash [32]byte) {
	var random [32]byte
	rand.Read(random[:]) // never fails since Go 1.24
	token = base64.RawURLEncoding.EncodeToString(random[:])
	return token, sha256.Sum256([]byte(token))
}

// tokenAnswer is an answer of the token endpoint (RFC 6749 §5.1).
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token"`
	Scope        string `json:"scope"`
}

// redeem exchanges a code for tokens (RFC 6749 §4.1.3). Whatever comes of it,
// the code is gone; one that comes again ends what it gave.
func (p *Provider) redeem(ctx context.Context, client *Client, given oidc.AccessTokenRequest) (*tokenAnswer, error) {
	id := grantID(given.Code)
	var c code
	err := p.o.Once.Take(ctx, onceCode, given.Code, &c)
	switch {
	case errors.Is(err, sessions.ErrTaken):
		return nil, p.reused(ctx, client, id, "code-replayed")
	case errors.Is(err, sessions.ErrNoSuch):
		return nil, refuse(InvalidGrant, "code-unknown", "this code is unknown, or too old")
	case err != nil:
		return nil, fmt.Errorf("taking a code: %w", err)
	case c.Grant.Client != client.ID:
		return nil, refuse(InvalidGrant, "code-client", "this code was given to another client")
	case c.Redirect != given.RedirectURI:
		return nil, refuse(InvalidGrant, "code-redirect", "redirect_uri is not the one that the code was asked with")
	}
	if err := checkVerifier(given.CodeVerifier, c.Challenge); err != nil {
		return nil, err
	}
	session, err := p.standing(ctx, c.Grant)
	if err != nil {
		return nil, err
	}
	if err := p.stillAdmitted(ctx, client, id, c.Grant); err != nil {
		return nil, err
	}
	answer, tokens := p.newTokens(client, c.Grant, id, session)
	if answer.IDToken, err = p.idToken(ctx, client, c.Grant, c.Nonce, answer.AccessToken); err != nil {
		return nil, err
	}
	return answer, p.addGrant(ctx, id, c.Grant, session, tokens)
}

// checkVerifier is RFC 7636 §4.6, for S256 alone.
func checkVerifier(verifier, challenge string) error {
	if len(verifier) < 43 || len(verifier) > 128 { // §4.1
		return refuse(InvalidGrant, "pkce-verifier", "code_verifier is missing, or not of 43 to 128 characters")
	}
	if !oidc.VerifyCodeChallenge(&oidc.CodeChallenge{Challenge: challenge, Method: oidc.CodeChallengeMethodS256}, verifier) {
		return refuse(InvalidGrant, "pkce-verifier", "code_verifier does not match code_challenge")
	}
	return nil
}

// newTokens draws the tokens of an answer. A refresh token lives as long as
// the session may.
func (p *Provider) newTokens(client *Client, g grant, id string, session sessions.Session) (*tokenAnswer, []TokenRecord) {
	now := p.o.Now()
	access, hash := newToken()
	answer := &tokenAnswer{AccessToken: access, TokenType: "Bearer", ExpiresIn: int64(client.AccessLife / time.Second), Scope: joined(g.Scopes)}
	tokens := []TokenRecord{{Hash: hash, Grant: id, Until: now.Add(client.AccessLife)}}
	if !client.NoRefresh {
		answer.RefreshToken, hash = newToken()
		tokens = append(tokens, TokenRecord{Hash: hash, Grant: id, Refresh: true, Until: session.ExpiresAt})
	}
	return answer, tokens
}

// idToken makes the ID token (OpenID Connect Core §2).
func (p *Provider) idToken(ctx context.Context, client *Client, g grant, nonce, access string) (string, error) {
	c, err := p.claims(ctx, client, g)
	if err != nil {
		return "", fmt.Errorf("reading who signed in: %w", err)
	}
	now := p.o.Now()
	c["iss"], c["aud"], c["azp"] = p.o.Issuer, client.ID, client.ID
	c["iat"], c["exp"], c["auth_time"] = now.Unix(), now.Add(client.IDLife).Unix(), g.AuthTime.Unix()
	c["sid"], c["amr"] = p.sid(ctx, client.ID, g.Session), g.AMR
	c["at_hash"] = halfHash(access)
	c.set("acr", g.ACR)
	c.set("nonce", nonce)
	return p.o.Keys.Sign(ctx, client.Algorithm, typeIDToken, c)
}

// halfHash is at_hash for ES256 and RS256 (OpenID Connect Core §3.1.3.6).
func halfHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// refresh exchanges a refresh token for another (RFC 6749 §6). One that comes
// twice ends all of its grant.
func (p *Provider) refresh(ctx context.Context, client *Client, given oidc.RefreshTokenRequest) (*tokenAnswer, error) {
	hash := sha256.Sum256([]byte(given.RefreshToken))
	token, record, g, err := p.grantOf(ctx, hash)
	switch {
	case err != nil:
		return nil, err
	case !token.Refresh || record.Client != client.ID:
		return nil, refuse(InvalidGrant, "refresh-unknown", "this refresh token is unknown, or another client's")
	case token.Used:
		return nil, p.reused(ctx, client, record.ID, "refresh-replayed")
	}
	for _, asked := range given.Scopes {
		if !has(g.Scopes, asked) {
			return nil, refuse(InvalidScope, "scope", "a scope was not granted")
		}
	}
	session, err := p.standing(ctx, g)
	if err != nil {
		return nil, err
	}
	if err := p.stillAdmitted(ctx, client, record.ID, g); err != nil {
		return nil, err
	}
	answer, fresh := p.newTokens(client, g, record.ID, session)
	// Signed before the token is used: after a fault of ours the client may try
	// again, and is no thief.
	if answer.IDToken, err = p.idToken(ctx, client, g, "", answer.AccessToken); err != nil {
		return nil, err
	}
	first, err := p.o.Shelf.UseToken(ctx, hash, fresh...)
	if err != nil {
		return nil, fmt.Errorf("using a refresh token: %w", err)
	}
	if !first {
		return nil, p.reused(ctx, client, record.ID, "refresh-replayed")
	}
	return answer, nil
}

// bearer gives the grant of an access token whose session stands, and whose
// holder may use the client.
func (p *Provider) bearer(ctx context.Context, access string) (TokenRecord, grant, *Client, error) {
	token, record, g, err := p.grantOf(ctx, sha256.Sum256([]byte(access)))
	if err == nil && token.Refresh {
		err = refuse(InvalidGrant, "token-kind", "this is no access token")
	}
	if err != nil {
		return TokenRecord{}, grant{}, nil, err
	}
	if _, err := p.standing(ctx, g); err != nil {
		return TokenRecord{}, grant{}, nil, err
	}
	client, err := p.client(ctx, record.Client)
	if err == nil {
		err = p.stillAdmitted(ctx, client, record.ID, g)
	}
	return token, g, client, err
}

// revoke ends the grant of a token, be it an access or a refresh token (RFC
// 7009 §2.1). Another client's, or an unknown one, is passed over in silence.
func (p *Provider) revoke(ctx context.Context, client *Client, token string) error {
	_, record, _, err := p.grantOf(ctx, sha256.Sum256([]byte(token)))
	var refused *Refusal
	if errors.As(err, &refused) || err == nil && record.Client != client.ID {
		return nil
	}
	if err != nil {
		return err
	}
	if err := p.endGrant(ctx, record.ID, "revoked"); err != nil {
		return err
	}
	return p.tell(ctx, Event{
		Kind: EventToken, Reason: "revoked", Client: client.ID,
		Holder: identity.PSIdNat(record.Holder), Session: record.Session, Detail: "grant " + record.ID,
	}, nil)
}
