package sso

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// credentials are what a client shows of itself.
type credentials struct {
	id, secret               string
	basic                    bool // in the Authorization header
	assertion, assertionType string
	twice                    bool // by more than one method
	basicUnread              bool
}

// credentialsOf reads them from a request that guard has let through.
func credentialsOf(r *http.Request) credentials {
	f := r.PostForm
	c := credentials{
		id: f.Get("client_id"), secret: f.Get("client_secret"),
		assertion: f.Get("client_assertion"), assertionType: f.Get("client_assertion_type"),
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		return c
	}
	c.twice = c.secret != "" || c.assertion != "" || c.id != "" && c.id != id
	var err1, err2 error
	c.basic = true
	c.id, err1 = url.QueryUnescape(id) // RFC 6749 §2.3.1
	c.secret, err2 = url.QueryUnescape(secret)
	c.basicUnread = err1 != nil || err2 != nil
	return c
}

// authenticate finds the client that credentials prove, by the one method that
// it is registered with.
func (p *Provider) authenticate(ctx context.Context, c credentials) (*Client, error) {
	if c.twice || c.secret != "" && c.assertion != "" {
		return nil, refuse(InvalidRequest, "client-auth-twice", "a client proves itself by one method") // RFC 6749 §2.3
	}
	if c.id == "" && c.assertion != "" {
		c.id = claimedIssuer(c.assertion)
	}
	client, err := p.client(ctx, c.id)
	if err != nil {
		return nil, err
	}
	if err := p.prove(ctx, client, c); err != nil {
		return nil, err
	}
	if !client.Confidential() {
		return client, nil
	}
	return client, p.counted(ctx, client)
}

func (p *Provider) prove(ctx context.Context, client *Client, c credentials) error {
	wrong := refuse(InvalidClient, "client-auth", "the client did not prove itself in the way it is registered with")
	wrong.Client = client.ID
	proven := false
	if certified(ctx) != nil && client.Auth != AuthTLS {
		return wrong // a certificate is no second way in, and the first one is elsewhere
	}
	switch client.Auth {
	case AuthNone:
		proven = c.secret == "" && c.assertion == ""
	case AuthTLS:
		proven = !c.basic && c.secret == "" && c.assertion == "" && client.isOf(certified(ctx))
	case AuthSecretBasic:
		proven = c.basic && !c.basicUnread && client.knows(c.secret)
	case AuthSecretPost:
		proven = !c.basic && client.knows(c.secret)
	case AuthPrivateKeyJWT:
		if c.assertionType != oidc.ClientAssertionTypeJWTAssertion {
			return wrong
		}
		return p.proveByAssertion(ctx, client, c.assertion)
	}
	if !proven {
		return wrong
	}
	return nil
}

// The bounds of an assertion.
const (
	assertionLife = 5 * time.Minute // at most, from now
	clockSkew     = time.Minute
)

// assertion is what is read of a client's JWT (RFC 7523 §3).
type assertion struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	ID        string   `json:"jti"`
	Expires   int64    `json:"exp"`
	NotBefore int64    `json:"nbf"`
}

// audience is one text or several (RFC 7519 §4.1.3). The library's own panics
// on what is no text.
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// proveByAssertion judges a JWT signed by one of the client's keys: for us, for
// a few minutes, once.
func (p *Provider) proveByAssertion(ctx context.Context, client *Client, token string) error {
	payload, err := client.verify(token)
	if err != nil {
		return p.badAssertion(client, "not signed by a key of this client")
	}
	var a assertion
	if err := json.Unmarshal(payload, &a); err != nil {
		return p.badAssertion(client, "not a client assertion")
	}
	now, expires := p.o.Now(), time.Unix(a.Expires, 0)
	switch {
	case a.Issuer != client.ID || a.Subject != client.ID:
		return p.badAssertion(client, "iss and sub must be the client_id")
	case !slices.Contains(a.Audience, p.o.Issuer) && !slices.Contains(a.Audience, p.o.Issuer+PathToken):
		return p.badAssertion(client, "aud must be this provider")
	case !now.Before(expires.Add(clockSkew)) || expires.After(now.Add(assertionLife+clockSkew)):
		return p.badAssertion(client, "exp must be within five minutes")
	case time.Unix(a.NotBefore, 0).After(now.Add(clockSkew)):
		return p.badAssertion(client, "nbf is to come")
	case a.ID == "":
		return p.badAssertion(client, "jti is missing")
	}
	first, err := p.o.Shelf.First(ctx, sha256.Sum256([]byte("assertion\x00"+client.ID+"\x00"+a.ID)), expires.Add(2*clockSkew))
	if err != nil {
		return fmt.Errorf("remembering an assertion: %w", err)
	}
	if !first {
		return p.badAssertion(client, "this assertion was used before")
	}
	return nil
}

func (p *Provider) badAssertion(client *Client, detail string) error {
	r := refuse(InvalidClient, "client-assertion", detail)
	r.Client = client.ID
	return r
}

// verify gives the payload of a JWT that one of the client's keys signed, by
// an algorithm that goes with the key (RFC 8725 §3.1).
func (c *Client) verify(token string) ([]byte, error) {
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256})
	if err != nil {
		return nil, err
	}
	set, err := c.keys()
	if err != nil {
		return nil, err
	}
	header := parsed.Signatures[0].Protected
	for _, key := range set.Keys {
		if header.KeyID != "" && key.KeyID != "" && key.KeyID != header.KeyID || key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := parsed.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, ErrNotOurs
}

// claimedIssuer is whose an assertion says that it is. Nothing is proved by it.
func claimedIssuer(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256})
	if err != nil {
		return ""
	}
	var a assertion
	if err := json.Unmarshal(parsed.UnsafePayloadWithoutVerification(), &a); err != nil {
		return ""
	}
	return a.Issuer
}
