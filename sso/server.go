package sso

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// server is the provider as the library serves it: it routes, reads forms and
// writes answers. What is decided is decided by the provider.
type server struct {
	op.UnimplementedServer
	provider *Provider
}

// refusedAs makes our refusal the library's answer, and records it.
func (s *server) refusedAs(ctx context.Context, endpoint string, err error) error {
	refused := s.provider.refusedAt(ctx, endpoint, err)
	answer := oidc.ErrInvalidRequest()
	if refused.Detail != "" {
		answer = answer.WithDescription("%s", refused.Detail)
	}
	switch refused.Code {
	case InvalidClient:
		answer.ErrorType = oidc.InvalidClient
	case InvalidGrant:
		answer.ErrorType = oidc.InvalidGrant
	case InvalidScope:
		answer.ErrorType = oidc.InvalidScope
	case UnauthorizedClient:
		answer.ErrorType = oidc.UnauthorizedClient
	case InvalidToken:
		answer.ErrorType = "invalid_token"
	case TemporarilyUnavailable:
		answer.ErrorType = "temporarily_unavailable"
	case ServerError:
		answer.ErrorType = oidc.ServerError
	}
	return op.NewStatusError(answer, statusOf(refused))
}

// Health and Ready are another listener's.

// Discovery is OpenID Connect Discovery 1.0 §3 and RFC 8414 §2.
func (s *server) Discovery(context.Context, *op.Request[struct{}]) (*op.Response, error) {
	return op.NewResponse(s.provider.discovery()), nil
}

// Keys is the JWK set.
func (s *server) Keys(ctx context.Context, _ *op.Request[struct{}]) (*op.Response, error) {
	answer := op.NewResponse(json.RawMessage(s.provider.o.Keys.JWKS(ctx)))
	answer.Header.Set("Cache-Control", "public, max-age=300") // well below the notice of a key
	return answer, nil
}

// VerifyClient proves the client.
func (s *server) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	in := &http.Request{Header: r.Header, PostForm: r.Form}
	client, err := s.provider.authenticate(ctx, credentialsOf(in.WithContext(ctx)))
	if err != nil {
		return nil, s.refusedAs(ctx, r.URL.Path, err)
	}
	return libraryClient{client}, nil
}

// CodeExchange is the authorization_code grant.
func (s *server) CodeExchange(ctx context.Context, r *op.ClientRequest[oidc.AccessTokenRequest]) (*op.Response, error) {
	client := clientOf(r.Client)
	answer, err := s.provider.redeem(ctx, client, *r.Data)
	return s.answer(ctx, client, answer, err)
}

// RefreshToken is the refresh_token grant.
func (s *server) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	client := clientOf(r.Client)
	answer, err := s.provider.refresh(ctx, client, *r.Data)
	return s.answer(ctx, client, answer, err)
}

func (s *server) answer(ctx context.Context, client *Client, answer *tokenAnswer, err error) (*op.Response, error) {
	if err != nil {
		var refused *Refusal
		if errors.As(err, &refused) {
			refused.Client = client.ID
		}
		return nil, s.refusedAs(ctx, PathToken, err)
	}
	return op.NewResponse(answer), nil
}

// UserInfo tells a client about the person whose access token it shows.
func (s *server) UserInfo(ctx context.Context, r *op.Request[oidc.UserInfoRequest]) (*op.Response, error) {
	_, g, client, err := s.provider.bearer(ctx, r.Data.AccessToken)
	var refused *Refusal
	if errors.As(err, &refused) { // told by a status and WWW-Authenticate (RFC 6750 §3.1)
		refused.Code = InvalidToken
	}
	if err == nil {
		err = s.provider.countedBearer(ctx, client, g)
	}
	if err != nil {
		return nil, s.refusedAs(ctx, PathUserinfo, err)
	}
	info, err := s.provider.userinfo(ctx, client, g)
	if err != nil {
		return nil, s.refusedAs(ctx, PathUserinfo, err)
	}
	return op.NewResponse(info), nil
}

// Introspect tells a client about a token of its own, and a resource server
// about any (RFC 7662).
func (s *server) Introspect(ctx context.Context, r *op.Request[op.IntrospectionRequest]) (*op.Response, error) {
	in := &http.Request{Header: r.Header, PostForm: r.Form}
	client, err := s.provider.authenticate(ctx, credentialsOf(in.WithContext(ctx)))
	if err == nil && !client.Confidential() {
		err = refuse(InvalidClient, "client-public", "this client cannot prove itself")
	}
	if err != nil {
		return nil, s.refusedAs(ctx, PathIntrospect, err)
	}
	answer, err := s.provider.introspect(ctx, client, r.Data.Token)
	if err != nil {
		return nil, s.refusedAs(ctx, PathIntrospect, err)
	}
	return op.NewResponse(answer), nil
}

// Revocation ends what a token stands for (RFC 7009).
func (s *server) Revocation(ctx context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	if err := s.provider.revoke(ctx, clientOf(r.Client), r.Data.Token); err != nil {
		return nil, s.refusedAs(ctx, PathRevoke, err)
	}
	return op.NewResponse(nil), nil
}

// libraryClient is a client as the library asks about it. It asks for the grants
// only: all else is judged by the provider.
type libraryClient struct{ client *Client }

func clientOf(c op.Client) *Client {
	ours, _ := c.(libraryClient) // VerifyClient gives no other
	return ours.client
}

func (c libraryClient) GetID() string                       { return c.client.ID }
func (c libraryClient) RedirectURIs() []string              { return c.client.RedirectURIs }
func (c libraryClient) PostLogoutRedirectURIs() []string    { return c.client.PostLogoutURIs }
func (c libraryClient) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }
func (c libraryClient) AuthMethod() oidc.AuthMethod         { return oidc.AuthMethod(c.client.Auth) }
func (c libraryClient) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

func (c libraryClient) GrantTypes() []oidc.GrantType {
	if c.client.NoRefresh {
		return []oidc.GrantType{oidc.GrantTypeCode}
	}
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
}

func (c libraryClient) LoginURL(string) string              { return "" }
func (c libraryClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeBearer }
func (c libraryClient) IDTokenLifetime() time.Duration      { return c.client.IDLife }
func (c libraryClient) DevMode() bool                       { return false }
func (c libraryClient) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func([]string) []string { return nil }
}

func (c libraryClient) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func([]string) []string { return nil }
}
func (c libraryClient) IsScopeAllowed(string) bool           { return false }
func (c libraryClient) IDTokenUserinfoClaimsAssertion() bool { return false }
func (c libraryClient) ClockSkew() time.Duration             { return 0 }
