package web

import (
	"net/http"

	"cpsgate/enroll"
)

// deskAnswers tells why an act of the desk, of an approver or of an
// administrator is refused.
var deskAnswers = map[enroll.Reason]answer{
	enroll.ReasonRoleMissing:         {http.StatusForbidden, "role-missing", "", ""},
	enroll.ReasonScopeMissing:        {http.StatusForbidden, "scope-missing", "", ""},
	enroll.ReasonAuthenticationStale: {http.StatusForbidden, "authentication-stale", doorCard, ""},
	enroll.ReasonPolicy:              {http.StatusForbidden, "policy", "", ""},
	enroll.ReasonPersonUnknown:       {http.StatusNotFound, "person-unknown", "", ""},
	enroll.ReasonRoleUnknown:         {http.StatusBadRequest, "bad-request", "", ""},
	enroll.ReasonLastAdmin:           {http.StatusConflict, "last-admin", "", ""},
	enroll.ReasonRolePerson:          {http.StatusForbidden, "role-person", "", ""},
	enroll.ReasonReserved:            {http.StatusBadRequest, "reason-reserved", "", ""},
	enroll.ReasonText:                {http.StatusBadRequest, "text", "", ""},
	enroll.ReasonCursor:              {http.StatusBadRequest, "bad-request", "", ""},

	enroll.ReasonTicketUnknown:   {http.StatusNotFound, "ticket-unknown", "", ""},
	enroll.ReasonTicketUsed:      {http.StatusConflict, "ticket-used", "", ""},
	enroll.ReasonTicketExpired:   {http.StatusGone, "ticket-expired", "", ""},
	enroll.ReasonTicketCancelled: {http.StatusGone, "ticket-cancelled", "", ""},
	enroll.ReasonTicketLocked:    {http.StatusTooManyRequests, "ticket-locked", "", ""},
	enroll.ReasonTicketEnded:     {http.StatusConflict, "ticket-ended", "", ""},
	enroll.ReasonTicketOfAnother: {http.StatusForbidden, "ticket-of-another", "", ""},

	enroll.ReasonSittingUnknown:  {http.StatusNotFound, "sitting-unknown", "", ""},
	enroll.ReasonSittingPhase:    {http.StatusConflict, "sitting-phase", "", ""},
	enroll.ReasonCardUnproved:    {http.StatusForbidden, "card-unproved", "", ""},
	enroll.ReasonCeremonyTaken:   {http.StatusConflict, "passkey-again", "", ""},
	enroll.ReasonOtherCredential: {http.StatusForbidden, "credential-other", "", ""},
	enroll.ReasonPINLength:       {http.StatusBadRequest, "pin-length", "", ""},

	enroll.ReasonApprovalUnknown: {http.StatusNotFound, "approval-unknown", "", ""},
	enroll.ReasonApprovalOver:    {http.StatusConflict, "approval-over", "", ""},
	enroll.ReasonApprovalOwn:     {http.StatusForbidden, "approval-own", "", ""},
	enroll.ReasonApprovalBefore:  {http.StatusConflict, "approval-before", "", ""},
	enroll.ReasonApprovalAsker:   {http.StatusConflict, "approval-asker", "", ""},
	enroll.ReasonApproverPerson:  {http.StatusForbidden, "approver-person", "", ""},

	enroll.ReasonClientUnknown: {http.StatusNotFound, "client-unknown", "", ""},
	enroll.ReasonClientExists:  {http.StatusConflict, "client-exists", "", ""},
	enroll.ReasonLayout:        {http.StatusBadRequest, "layout", "", ""},
}

// recordAnswer finds how the card record's no is told.
func recordAnswer(reason enroll.Reason) answer {
	if a, found := recordAnswers[reason]; found {
		return a
	}
	return deskAnswers[reason]
}
