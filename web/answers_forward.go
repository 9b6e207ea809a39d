package web

import (
	"net/http"

	"cpsgate/sso/forwardauth"
)

// forwardAnswers tells why an application does not open. The other reasons are
// told to proxies, never on a page.
var forwardAnswers = map[forwardauth.Reason]answer{
	forwardauth.ReasonRole:   {http.StatusForbidden, "application-role", "", ""},
	forwardauth.ReasonNoRule: {http.StatusForbidden, "application-role", "", ""},
	forwardauth.ReasonReturn: {http.StatusBadRequest, "application-unknown", "", ""},
	forwardauth.ReasonPath:   {http.StatusBadRequest, "application-unknown", "", ""},
	forwardauth.ReasonState:  {http.StatusForbidden, "application-again", "", ""},
}
