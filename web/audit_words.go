package web

import (
	"cmp"
	"slices"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/sso"
)

// kindWords are what auditors read for the kinds of events; one without words
// is shown as it is.
var kindWords = map[string]string{
	audit.KindLoginCPS:         "kind.login-cps",
	audit.KindLoginFIDO2:       "kind.login-fido2",
	audit.KindLogout:           "kind.logout",
	audit.KindSessionEnd:       "kind.session-end",
	audit.KindSessionsEnd:      "kind.sessions-end",
	audit.KindSessionLock:      "kind.session-lock",
	audit.KindCardSeen:         "kind.card-seen",
	audit.KindCardState:        "kind.card-state",
	audit.KindCardReplace:      "kind.card-replace",
	audit.KindCertificate:      "kind.certificate",
	audit.KindPasskeyAdd:       "kind.passkey-add",
	audit.KindPasskeyActive:    "kind.passkey-active",
	audit.KindPasskeySuspend:   "kind.passkey-suspend",
	audit.KindPasskeyRename:    "kind.passkey-rename",
	audit.KindPasskeyRemove:    "kind.passkey-remove",
	audit.KindTicketOpen:       "kind.ticket-open",
	audit.KindTicketClaim:      "kind.ticket-claim",
	audit.KindTicketCard:       "kind.ticket-card",
	audit.KindTicketProve:      "kind.ticket-prove",
	audit.KindTicketCancel:     "kind.ticket-cancel",
	audit.KindTicketAbandon:    "kind.ticket-abandon",
	audit.KindTicketExpire:     "kind.ticket-expire",
	audit.KindDeskProof:        "kind.desk-proof",
	audit.KindReset:            "kind.reset",
	audit.KindEmptied:          "kind.reset-done",
	audit.KindApprovalRequest:  "kind.approval-request",
	audit.KindApprovalPropose:  "kind.approval-propose",
	audit.KindApprovalApprove:  "kind.approval-approve",
	audit.KindApprovalDecline:  "kind.approval-decline",
	audit.KindApprovalExpire:   "kind.approval-expire",
	audit.KindRoleGrant:        "kind.role-grant",
	audit.KindRoleWithdraw:     "kind.role-withdraw",
	audit.KindPeopleImport:     "kind.people-import",
	audit.KindPeopleExport:     "kind.people-export",
	audit.KindOppositionImport: "kind.opposition-import",
	audit.KindClientAdd:        "kind.client-add",
	audit.KindClientRevoke:     "kind.client-revoke",
	audit.KindAuditExport:      "kind.audit-export",
	audit.KindAuditPrune:       "kind.audit-prune",
	audit.KindProxyHeader:      "kind.proxy-header",
	kindPage:                   "kind.page-open",
	kindAPI:                    "kind.api-call",
	kindRate:                   "kind.request-rate",
	audit.KindApplication:      "kind.application",
	audit.KindRevocationBypass: "kind.revocation-bypass",
	sso.EventSignIn:            "kind.sso-sign-in",
	sso.EventToken:             "kind.sso-token",
	sso.EventReuse:             "kind.sso-reuse",
	sso.EventConsent:           "kind.sso-consent",
	sso.EventLogout:            "kind.sso-logout",
	sso.EventTold:              "kind.sso-told",
	sso.EventClient:            "kind.sso-client",
}

func (t *tongue) kind(kind string) string {
	if words := t.words[kindWords[kind]]; words != "" {
		return words
	}
	return kind
}

// kinds are those that can be chosen, in the order of their words.
func (t *tongue) kinds(here string) (views []choiceView) {
	for _, kind := range auditKinds() {
		views = append(views, choiceView{kind, t.kind(kind), kind == here})
	}
	slices.SortFunc(views, func(a, b choiceView) int { return cmp.Compare(enroll.Fold(a.Label), enroll.Fold(b.Label)) })
	return views
}
