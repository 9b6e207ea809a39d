package sso

import (
	"context"
	"errors"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/text/language"
)

// metadata is the discovery document: the library's, and what it has no field
// for.
type metadata struct {
	oidc.DiscoveryConfiguration
	IssInResponse  bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207 §3
	Pushed         string   `json:"pushed_authorization_request_endpoint"`          // RFC 9126 §5
	PushedRequired bool     `json:"require_pushed_authorization_requests"`
	PromptValues   []string `json:"prompt_values_supported"`
	// Aliases are the endpoints of the mutual TLS listener (RFC 8705 §5).
	Aliases map[string]string `json:"mtls_endpoint_aliases,omitempty"`
}

func (p *Provider) discovery() metadata {
	at := func(path string) string { return p.o.Issuer + path }
	confidential := []oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost, oidc.AuthMethodPrivateKeyJWT}
	var aliases map[string]string
	if p.o.MutualTLS != "" {
		confidential = append(confidential, oidc.AuthMethod(AuthTLS))
		aliases = aliasedPaths()
		for name, path := range aliases {
			aliases[name] = p.o.MutualTLS + path
		}
	}
	assertions := []string{"ES256", "RS256", "PS256"}
	return metadata{
		DiscoveryConfiguration: oidc.DiscoveryConfiguration{
			Issuer:                p.o.Issuer,
			AuthorizationEndpoint: at(PathAuthorize), TokenEndpoint: at(PathToken), IntrospectionEndpoint: at(PathIntrospect),
			UserinfoEndpoint: at(PathUserinfo), RevocationEndpoint: at(PathRevoke), EndSessionEndpoint: at(PathEndSession), JwksURI: at(PathKeys),
			ScopesSupported:        scopes(),
			ResponseTypesSupported: []string{"code"}, ResponseModesSupported: []string{"query"},
			GrantTypesSupported:              []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken},
			ACRValuesSupported:               p.o.Levels.values(),
			SubjectTypesSupported:            []string{string(SubjectPairwise), string(SubjectPublic)},
			IDTokenSigningAlgValuesSupported: []string{string(ES256), string(RS256)},

			TokenEndpointAuthMethodsSupported:                  append([]oidc.AuthMethod{oidc.AuthMethodNone}, confidential...),
			TokenEndpointAuthSigningAlgValuesSupported:         assertions,
			RevocationEndpointAuthMethodsSupported:             append([]oidc.AuthMethod{oidc.AuthMethodNone}, confidential...),
			RevocationEndpointAuthSigningAlgValuesSupported:    assertions,
			IntrospectionEndpointAuthMethodsSupported:          confidential,
			IntrospectionEndpointAuthSigningAlgValuesSupported: assertions,

			ClaimsSupported: append([]string{
				"iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid",
				"name", "given_name", "family_name", "preferred_username", "groups",
				"SubjectNameID", "SubjectRole", "SubjectRefPro", "SubjectOrganization", "SubjectOrganizationID", "otherIds", "UITVersion",
			}, p.o.PSC.claimed()...),
			CodeChallengeMethodsSupported: []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256},
			UILocalesSupported:            oidc.Locales{language.French, language.English},
			BackChannelLogoutSupported:    true, BackChannelLogoutSessionSupported: true,
		},
		IssInResponse: true, Pushed: at(PathPushed), PushedRequired: p.o.RequirePushed,
		PromptValues: []string{promptNone, promptLogin, promptConsent, promptSelect},
		Aliases:      aliases,
	}
}

// introspection is RFC 7662 §2.2.
type introspection struct {
	Active   bool     `json:"active"`
	Scope    string   `json:"scope,omitempty"`
	ClientID string   `json:"client_id,omitempty"`
	Subject  string   `json:"sub,omitempty"`
	Issuer   string   `json:"iss,omitempty"`
	Type     string   `json:"token_type,omitempty"`
	Expires  int64    `json:"exp,omitempty"`
	AuthTime int64    `json:"auth_time,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
	// NameID is told to resource servers of Pro Santé Connect's shape.
	NameID string `json:"SubjectNameID,omitempty"`
}

// introspect judges a token. One that is not in force, or none of the asker's
// business, is inactive and nothing else (§2.2).
func (p *Provider) introspect(ctx context.Context, asker *Client, token string) (introspection, error) {
	record, g, client, err := p.bearer(ctx, token)
	var refused *Refusal
	if errors.As(err, &refused) {
		return introspection{}, nil
	}
	if err != nil {
		return introspection{}, err
	}
	if client.ID != asker.ID && !asker.Introspects {
		return introspection{}, nil
	}
	answer := introspection{
		Active: true, Scope: joined(g.Scopes), ClientID: client.ID, Subject: p.subject(ctx, asker, g.Holder), Issuer: p.o.Issuer,
		Type: "Bearer", Expires: record.Until.Unix(), AuthTime: g.AuthTime.Unix(), ACR: g.ACR, AMR: g.AMR,
	}
	if asker.Claims == ShapePSC {
		answer.NameID = string(g.Holder)
	}
	return answer, nil
}
