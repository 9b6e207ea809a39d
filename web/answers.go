package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/enroll"
	"cpsgate/mtls"
	"cpsgate/rp"
	"cpsgate/sessions"
	"cpsgate/sso"
	"cpsgate/sso/forwardauth"
)

// Reason is why this package itself refuses, beside those of mtls, rp and
// enroll. It is the error of a handler that refuses.
type Reason string

// The reasons, as the audit, the log and JSON answers have them.
const (
	reasonCertificateStale Reason = "certificate-stale"     // not of a fresh handshake, or taken already
	reasonForwarded        Reason = "forwarded-certificate" // a named proxy's header that is not as it should be
	reasonFlowUnknown      Reason = "flow-unknown"          // no such attempt: made up, used, or too old
	reasonFlowHost         Reason = "flow-other-host"       // on another name than the attempt was given
	reasonCodeUnknown      Reason = "code-unknown"          // no such one-time code: made up, or too old
	reasonCodeUsed         Reason = "code-used"             // replayed
	reasonFlowCookie       Reason = "flow-cookie-missing"   // this browser began nothing
	reasonOtherBrowser     Reason = "flow-other-browser"    // the code belongs to another browser's attempt
	reasonCeremonyUnknown  Reason = "ceremony-unknown"      // made up, used, or too old
	reasonCeremonyBrowser  Reason = "ceremony-other-place"  // begun in another browser or session
	reasonNotByCertificate Reason = "certificate-session"   // the act needs a session opened by certificate
	reasonSessionEnded     Reason = "session-ended"
	reasonLocked           Reason = "session-locked"     // and what was shown does not open it
	reasonAgain            Reason = "authenticate-again" // the session is not good enough for this
	reasonAway             Reason = "sessions-away"      // nothing is known of sessions for now
	reasonSessionExpired   Reason = "session-expired"
	reasonTooMany          Reason = "too-many-attempts"
	reasonCrossOrigin      Reason = "cross-origin"
	reasonBadRequest       Reason = "bad-request"
	reasonNotFound         Reason = "not-found"
	reasonMethod           Reason = "method-not-allowed"
	reasonTooLarge         Reason = "too-large"
	reasonMediaType        Reason = "unsupported-media-type"
	reasonMisdirected      Reason = "misdirected"
	reasonUnavailable      Reason = "unavailable"
	reasonInternal         Reason = "internal"
	reasonUnsaid           Reason = "reason-missing" // an act that needs a reason, without one
	reasonNoFile           Reason = "file-missing"
	reasonBusy             Reason = "import-busy"     // another import is going on
	reasonImportGone       Reason = "import-gone"     // put away, or of another time of this server
	reasonBearer           Reason = "bearer"          // no secret, or none that is known
	reasonRequestOver      Reason = "request-over"    // an application's request: unknown, answered, or too old
	reasonRequestBrowser   Reason = "request-browser" // it waits for another browser
	reasonApplication      Reason = "application"     // a request of an application that cannot be answered to it
)

func (r Reason) Error() string { return string(r) }

// tooMany is reasonTooMany with the time to wait.
type tooMany struct{ wait time.Duration }

func (e *tooMany) Error() string { return string(reasonTooMany) }

// sessionOver is reasonSessionExpired with how long the session was open.
type sessionOver struct{ lasted time.Duration }

func (e *sessionOver) Error() string { return string(reasonSessionExpired) }

// answer is how a reason is told: the status, the words (refusal.<words>.…)
// and the ways on.
type answer struct {
	status int
	words  string
	retry  door // the same way in, tried again; "" = no use
	other  door // the other way in, where it may help
}

// door is a way in.
type door string

const (
	doorCard    door = "card"
	doorPasskey door = "passkey"
)

// certificateAnswers tells why a certificate did not open the card door.
var certificateAnswers = map[mtls.Reason]answer{
	mtls.NoCertificate:           {http.StatusForbidden, "no-certificate", doorCard, doorPasskey},
	mtls.UntrustedIssuer:         {http.StatusForbidden, "untrusted-issuer", doorCard, doorPasskey},
	mtls.Expired:                 {http.StatusForbidden, "expired", "", ""},
	mtls.NotYetValid:             {http.StatusForbidden, "not-yet-valid", doorCard, ""},
	mtls.SignatureCertificate:    {http.StatusForbidden, "signature-certificate", doorCard, doorPasskey},
	mtls.NotACard:                {http.StatusForbidden, "not-a-person", doorCard, doorPasskey},
	mtls.OrganisationCertificate: {http.StatusForbidden, "not-a-person", doorCard, doorPasskey},
	mtls.TestCardInProduction:    {http.StatusForbidden, "test-card", doorCard, doorPasskey},
	mtls.NonNominative:           {http.StatusForbidden, "non-nominative", doorCard, doorPasskey},
	mtls.ContactlessTechnical:    {http.StatusForbidden, "contactless", doorCard, doorPasskey},
	mtls.Revoked:                 {http.StatusForbidden, "revoked", "", ""},
	mtls.RevocationUnavailable:   {http.StatusServiceUnavailable, "revocation-unavailable", doorCard, ""},
	mtls.Malformed:               {http.StatusBadRequest, "certificate-malformed", doorCard, doorPasskey},
}

// passkeyAnswers tells why a ceremony failed.
var passkeyAnswers = map[rp.Reason]answer{
	rp.ReasonMalformed:        {http.StatusBadRequest, "passkey-unverified", doorPasskey, doorCard},
	rp.ReasonExpired:          {http.StatusForbidden, "passkey-again", doorPasskey, doorCard},
	rp.ReasonType:             {http.StatusForbidden, "passkey-unverified", doorPasskey, doorCard},
	rp.ReasonChallenge:        {http.StatusForbidden, "passkey-again", doorPasskey, doorCard},
	rp.ReasonOrigin:           {http.StatusForbidden, "passkey-unverified", doorPasskey, doorCard},
	rp.ReasonRPID:             {http.StatusForbidden, "passkey-unverified", doorPasskey, doorCard},
	rp.ReasonUserPresence:     {http.StatusForbidden, "passkey-code", doorPasskey, doorCard},
	rp.ReasonUserVerification: {http.StatusForbidden, "passkey-code", doorPasskey, doorCard},
	rp.ReasonBackupState:      {http.StatusForbidden, "passkey-synced", doorPasskey, doorCard},
	rp.ReasonBackupEligible:   {http.StatusForbidden, "passkey-synced", doorPasskey, doorCard},
	rp.ReasonAlgorithm:        {http.StatusForbidden, "passkey-model", doorPasskey, doorCard},
	rp.ReasonAttestation:      {http.StatusForbidden, "passkey-model", doorPasskey, doorCard},
	rp.ReasonAAGUID:           {http.StatusForbidden, "passkey-model", doorPasskey, doorCard},
	rp.ReasonAttachment:       {http.StatusForbidden, "passkey-built-in", doorPasskey, doorCard},
	rp.ReasonNotDiscoverable:  {http.StatusForbidden, "passkey-model", doorPasskey, doorCard},
	rp.ReasonExcluded:         {http.StatusConflict, "passkey-already", doorPasskey, doorCard},
	rp.ReasonPasskeyUnknown:   {http.StatusForbidden, "passkey-unknown", "", doorCard},
	rp.ReasonUserHandle:       {http.StatusForbidden, "passkey-unverified", doorPasskey, doorCard},
	rp.ReasonSignature:        {http.StatusForbidden, "passkey-unverified", doorPasskey, doorCard},
	rp.ReasonSignCount:        {http.StatusForbidden, "passkey-count", "", doorCard},
}

// recordAnswers tells why the card record says no to who signs in or keeps
// their own passkeys.
var recordAnswers = map[enroll.Reason]answer{
	enroll.ReasonCardUnknown:         {http.StatusForbidden, "certificate-unknown", "", doorCard},
	enroll.ReasonCardSuspended:       {http.StatusForbidden, "card-suspended", "", ""},
	enroll.ReasonCardRevoked:         {http.StatusForbidden, "card-revoked", "", ""},
	enroll.ReasonCardOfAnother:       {http.StatusForbidden, "card-of-another", "", ""},
	enroll.ReasonCardState:           {http.StatusConflict, "bad-request", "", ""},
	enroll.ReasonCertificateUnknown:  {http.StatusForbidden, "certificate-unknown", "", doorCard},
	enroll.ReasonCertificateConflict: {http.StatusForbidden, "certificate-conflict", "", ""},
	enroll.ReasonPasskeyUnknown:      {http.StatusForbidden, "passkey-unknown", "", doorCard},
	enroll.ReasonPasskeySuspended:    {http.StatusForbidden, "passkey-suspended", "", doorCard},
	enroll.ReasonPasskeyRevoked:      {http.StatusForbidden, "passkey-revoked", "", doorCard},
	enroll.ReasonPasskeyExists:       {http.StatusConflict, "passkey-already", "", ""},
	enroll.ReasonPasskeyName:         {http.StatusBadRequest, "passkey-name", "", ""},
	enroll.ReasonTooManyPasskeys:     {http.StatusConflict, "passkey-many", "", ""},
	enroll.ReasonKey:                 {http.StatusForbidden, "passkey-key", "", ""},
}

// ownAnswers tells what this package refuses by itself.
var ownAnswers = map[Reason]answer{
	reasonCertificateStale: {http.StatusForbidden, "certificate-stale", doorCard, doorPasskey},
	reasonForwarded:        {http.StatusBadGateway, "unavailable", doorCard, doorPasskey},
	reasonFlowUnknown:      {http.StatusForbidden, "flow-expired", doorCard, ""},
	reasonFlowHost:         {http.StatusForbidden, "flow-expired", doorCard, ""},
	reasonCodeUnknown:      {http.StatusForbidden, "flow-expired", doorCard, ""},
	reasonCodeUsed:         {http.StatusForbidden, "flow-expired", doorCard, ""},
	reasonFlowCookie:       {http.StatusForbidden, "flow-browser", doorCard, ""},
	reasonOtherBrowser:     {http.StatusForbidden, "flow-browser", doorCard, ""},
	reasonCeremonyUnknown:  {http.StatusForbidden, "passkey-again", doorPasskey, doorCard},
	reasonCeremonyBrowser:  {http.StatusForbidden, "passkey-again", doorPasskey, doorCard},
	reasonNotByCertificate: {http.StatusForbidden, "certificate-session", doorCard, ""},
	reasonSessionEnded:     {http.StatusUnauthorized, "session-ended", "", ""},
	reasonLocked:           {http.StatusUnauthorized, "session-locked", "", ""},
	reasonAgain:            {http.StatusForbidden, "again", "", ""},
	reasonAway:             {http.StatusServiceUnavailable, "sessions-away", "", ""},
	reasonSessionExpired:   {http.StatusUnauthorized, "session-expired", "", ""},
	reasonTooMany:          {http.StatusTooManyRequests, "too-many-attempts", "", ""},
	reasonCrossOrigin:      {http.StatusForbidden, "cross-origin", "", ""},
	reasonBadRequest:       {http.StatusBadRequest, "bad-request", "", ""},
	reasonNotFound:         {http.StatusNotFound, "not-found", "", ""},
	reasonMethod:           {http.StatusMethodNotAllowed, "method", "", ""},
	reasonTooLarge:         {http.StatusRequestEntityTooLarge, "too-large", "", ""},
	reasonMediaType:        {http.StatusUnsupportedMediaType, "media-type", "", ""},
	reasonMisdirected:      {http.StatusMisdirectedRequest, "misdirected", "", ""},
	reasonUnavailable:      {http.StatusServiceUnavailable, "unavailable", "", ""},
	reasonInternal:         {http.StatusInternalServerError, "internal", "", ""},
	reasonUnsaid:           {http.StatusBadRequest, "reason-missing", "", ""},
	reasonNoFile:           {http.StatusBadRequest, "file-missing", "", ""},
	reasonBusy:             {http.StatusConflict, "import-busy", "", ""},
	reasonImportGone:       {http.StatusNotFound, "import-gone", "", ""},
	reasonRequestOver:      {http.StatusForbidden, "request-over", "", ""},
	reasonRequestBrowser:   {http.StatusForbidden, "request-browser", "", ""},
	reasonApplication:      {http.StatusBadRequest, "application", "", ""},
	reasonBearer:           {http.StatusUnauthorized, "bearer", "", ""},
}

// reasonOf finds the reason within an error and how it is told. What is no
// refusal of ours is an internal error; which one, only the log says.
func reasonOf(err error) (string, answer) {
	var (
		certificate *mtls.Refusal
		passkey     *rp.Refusal
		record      *enroll.Refusal
		forward     *forwardauth.Refusal
	)
	switch {
	case errors.As(err, &certificate):
		return told(string(certificate.Reason), certificateAnswers[certificate.Reason])
	case errors.As(err, &record): // before rp: a passkey that enroll refuses is found during its ceremony
		return told(string(record.Reason), recordAnswer(record.Reason))
	case errors.As(err, &passkey):
		return told(string(passkey.Reason), passkeyAnswers[passkey.Reason])
	case errors.As(err, &forward):
		return told(string(forward.Reason), forwardAnswers[forward.Reason])
	}
	own := ownReason(err)
	return told(string(own), ownAnswers[own])
}

// told makes sure of an answer: a reason without words is a fault of ours.
func told(reason string, a answer) (string, answer) {
	if a.words == "" {
		return string(reasonInternal), ownAnswers[reasonInternal]
	}
	return reason, a
}

func ownReason(err error) Reason {
	var (
		own  Reason
		many *tooMany
		over *sessionOver
		size *http.MaxBytesError
		e    *echo.HTTPError
		app  *sso.Refusal
	)
	switch {
	case errors.As(err, &app):
		return reasonApplication
	case errors.As(err, &own):
		return own
	case errors.As(err, &many):
		return reasonTooMany
	case errors.As(err, &over):
		return reasonSessionExpired
	case errors.As(err, &size):
		return reasonTooLarge
	case errors.Is(err, sessions.ErrAway):
		return reasonAway
	case errors.Is(err, sessions.ErrFull), errors.Is(err, sessions.ErrOnceFull):
		return reasonUnavailable
	case errors.As(err, &e) && e.Code == http.StatusNotFound:
		return reasonNotFound
	case errors.As(err, &e) && e.Code == http.StatusMethodNotAllowed:
		return reasonMethod
	}
	return reasonInternal
}

// values are what the words of an error may name.
func (s *Server) values(err error, t *tongue) map[string]string {
	now := s.o.Now()
	v := map[string]string{"time": t.moment(now)}
	var (
		certificate *mtls.Refusal
		many        *tooMany
		over        *sessionOver
	)
	switch {
	case errors.As(err, &certificate) && certificate.Reason == mtls.Expired:
		v["date"] = t.date(certificate.NotAfter)
	case errors.As(err, &certificate) && certificate.Reason == mtls.NotYetValid:
		v["date"] = t.moment(certificate.NotBefore)
	case errors.As(err, &many):
		v["duration"] = t.duration(many.wait)
	case errors.As(err, &over):
		v["duration"] = t.duration(over.lasted)
	}
	return v
}

// awayRetry is after how many seconds a page looks again whether sessions can be
// looked up.
const awayRetry = 5

// retryAfter is RFC 9110 §10.2.3 in seconds, or "".
func retryAfter(err error, a answer, now time.Time) string {
	var many *tooMany
	var locked *enroll.Refusal
	switch {
	case errors.As(err, &many):
		return strconv.Itoa(int(many.wait/time.Second) + 1)
	case errors.As(err, &locked) && !locked.Until.IsZero():
		return strconv.Itoa(max(int(locked.Until.Sub(now)/time.Second)+1, 1))
	case errors.Is(err, sessions.ErrAway):
		return strconv.Itoa(awayRetry)
	case a.status == http.StatusServiceUnavailable:
		return "120"
	}
	return ""
}

// checkAnswers refuses to start with a reason that has no words.
func checkAnswers(words catalogue) error {
	all := []answer{{words: wordsAwayAct}}
	for _, a := range certificateAnswers {
		all = append(all, a)
	}
	for _, a := range passkeyAnswers {
		all = append(all, a)
	}
	for _, a := range recordAnswers {
		all = append(all, a)
	}
	for _, a := range deskAnswers {
		all = append(all, a)
	}
	for _, a := range ownAnswers {
		all = append(all, a)
	}
	for _, a := range forwardAnswers {
		all = append(all, a)
	}
	for _, f := range enroll.Faults() {
		if _, found := words[faultKey(f)]; !found {
			return fmt.Errorf("words: fault.%s is missing", f)
		}
	}
	for _, a := range all {
		for _, part := range []string{".title", ".why", ".do.1"} {
			if _, found := words["refusal."+a.words+part]; !found {
				return fmt.Errorf("words: refusal.%s%s is missing", a.words, part)
			}
		}
	}
	return nil
}
