package demo

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// signOut ends the session here, then asks the provider to end its own
// (OpenID Connect RP-Initiated Logout 1.0 §2).
func (c *Client) signOut(w http.ResponseWriter, r *http.Request) error {
	v, ok := c.visits.take(cookieOf(r, cookieVisit))
	plant(w, cookieVisit, "", -time.Second)
	if !ok {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	p, err := c.discovered()
	if err != nil {
		return err
	}
	var endpoints struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := p.Claims(&endpoints); err != nil || endpoints.EndSession == "" {
		return errors.Join(errors.New("the provider has no end_session_endpoint"), err)
	}
	to := endpoints.EndSession + "?" + url.Values{
		"id_token_hint": {v.token}, "client_id": {c.o.ID}, "post_logout_redirect_uri": {c.o.Origin + "/"},
	}.Encode()
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// logoutEvent marks a logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// loggedOut ends the sessions that the provider says are over (§2.6).
func (c *Client) loggedOut(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	ended, err := c.overBy(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		slog.Warn("a logout token is refused", "error", err)
		http.Error(w, "invalid_request", http.StatusBadRequest)
		return
	}
	slog.Info("the provider ended sessions", "count", ended)
	w.Header().Set("Cache-Control", "no-store")
}

func (c *Client) overBy(ctx context.Context, raw string) (ended int, err error) {
	p, err := c.discovered()
	if err != nil {
		return 0, err
	}
	ctx = oidc.ClientContext(ctx, c.http)
	token, err := p.Verifier(&oidc.Config{ClientID: c.o.ID, SupportedSigningAlgs: []string{oidc.ES256, oidc.RS256}}).Verify(ctx, raw)
	if err != nil {
		return 0, err
	}
	var claims struct {
		SID    string                     `json:"sid"`
		Nonce  *string                    `json:"nonce"`
		Events map[string]json.RawMessage `json:"events"`
	}
	if err := token.Claims(&claims); err != nil {
		return 0, err
	}
	if _, is := claims.Events[logoutEvent]; !is || claims.Nonce != nil || claims.SID == "" && token.Subject == "" {
		return 0, errors.New("no logout token")
	}
	return c.visits.drop(func(v visit) bool {
		if claims.SID != "" {
			return v.sid == claims.SID
		}
		return v.subject == token.Subject
	}), nil
}
