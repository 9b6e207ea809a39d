package sso

import (
	"fmt"
	"net/url"
	"time"
)

// Code is an OAuth error (RFC 6749 §4.1.2.1 and §5.2, OpenID Connect Core
// §3.1.2.6, RFC 6750 §3.1).
type Code string

// The errors.
const (
	InvalidRequest          Code = "invalid_request"
	InvalidClient           Code = "invalid_client"
	InvalidGrant            Code = "invalid_grant"
	InvalidScope            Code = "invalid_scope"
	InvalidToken            Code = "invalid_token"
	UnauthorizedClient      Code = "unauthorized_client"
	UnsupportedResponseType Code = "unsupported_response_type"
	AccessDenied            Code = "access_denied"
	LoginRequired           Code = "login_required"
	InteractionRequired     Code = "interaction_required"
	ConsentRequired         Code = "consent_required"
	RequestNotSupported     Code = "request_not_supported"
	RequestURINotSupported  Code = "request_uri_not_supported"
	RegistrationUnsupported Code = "registration_not_supported"
	TemporarilyUnavailable  Code = "temporarily_unavailable"
	ServerError             Code = "server_error"
	// UnmetRequirements: signed in, and not in the way that was asked for
	// (OpenID Connect Unmet Authentication Requirements 1.0).
	UnmetRequirements Code = "unmet_authentication_requirements"
)

// Refusal is a request that is refused: the error that the client is told, and
// what of it.
type Refusal struct {
	Code   Code
	Reason string // our own word, for the audit: "redirect-uri"
	Detail string // for the client's developer; says nothing that was sent

	Client string // "" = not known
	// Back is where the browser takes the error; "" = nowhere: what was asked
	// for cannot be trusted with it, and a page tells the person.
	Back string

	Wait   time.Duration // after which the client may try again; 0: not said
	Number string        // of the event that records it; "" = none does
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%s (%s): %s", r.Code, r.Reason, r.Detail)
}

// refuse makes a refusal.
func refuse(code Code, reason, detail string) *Refusal {
	return &Refusal{Code: code, Reason: reason, Detail: detail}
}

// answerAt is the address that takes an answer to a client: the parameters
// are added to those its redirect URI has (RFC 6749 §3.1.2).
func answerAt(redirect string, answer url.Values) string {
	u, err := url.Parse(redirect)
	if err != nil { // registered addresses parse, see checkAddress
		return ""
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += answer.Encode()
	return u.String()
}
