package web

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// changeCard does an act on a card: suspend, reactivate, revoke or replace.
func (s *Server) changeCard(c echo.Context) error {
	id, err := personAsked(c)
	if err != nil {
		return err
	}
	form, err := readForm(c.Request(), "reason", "next")
	if err != nil {
		return err
	}
	back := personPath(id)
	tokenID, err := enroll.TokenID(c.Param("card"))
	if err != nil {
		return s.refuseAct(c, audit.Event{Kind: audit.KindCardState, Subject: id}, back, err)
	}
	reason, err := because(form.Get("reason"))
	if err != nil {
		return s.refuseAct(c, audit.Event{}, back, err)
	}
	asked, err := s.actOnCard(c, c.Param("act"), s.act(c, reason), tokenID, form.Get("next"))
	if err != nil {
		return s.refuseAct(c, audit.Event{Kind: audit.KindCardState, Subject: id, Card: tokenID, Detail: c.Param("act")}, back, err)
	}
	if asked != nil {
		return c.Redirect(http.StatusSeeOther, back+"?done=asked")
	}
	return c.Redirect(http.StatusSeeOther, back+"?done=done")
}

func (s *Server) actOnCard(c echo.Context, name string, act enroll.Act, tokenID, next string) (*enroll.Approval, error) {
	ctx, registry := c.Request().Context(), s.o.Registry
	switch name {
	case "suspend":
		return nil, registry.Suspend(ctx, act, tokenID)
	case "revoke":
		return nil, registry.Revoke(ctx, act, tokenID)
	case "replace":
		return nil, registry.Replace(ctx, act, tokenID, next)
	case "reactivate":
		return registry.Reactivate(ctx, act, tokenID)
	}
	return nil, reasonNotFound
}

// changeRole gives or takes a role.
func (s *Server) changeRole(c echo.Context) error {
	id, err := personAsked(c)
	if err != nil {
		return err
	}
	form, err := readForm(c.Request(), "role", "reason")
	if err != nil {
		return err
	}
	ctx, back, role := c.Request().Context(), personPath(id), identity.Role(form.Get("role"))
	act, kind := s.act(c, form.Get("reason")), audit.KindRoleGrant
	var asked *enroll.Approval
	if c.Param("act") == "withdraw" {
		kind = audit.KindRoleWithdraw
		err = s.o.Registry.Withdraw(ctx, act, id, role)
	} else {
		asked, err = s.o.Registry.Grant(ctx, act, id, role)
	}
	if err != nil {
		return s.refuseAct(c, audit.Event{Kind: kind, Subject: id, Detail: string(role)}, back, err)
	}
	if asked != nil {
		return c.Redirect(http.StatusSeeOther, back+"?done=asked")
	}
	return c.Redirect(http.StatusSeeOther, back+"?done=done")
}

// stopPasskey suspends one passkey: the one way to stop a key that stands on no
// card.
func (s *Server) stopPasskey(c echo.Context) error {
	id, err := personAsked(c)
	if err != nil {
		return err
	}
	form, err := readForm(c.Request(), "id", "reason")
	if err != nil {
		return err
	}
	credential, err := readID(form.Get("id"))
	if err != nil {
		return err
	}
	reason, err := because(form.Get("reason"))
	if err != nil {
		return s.refuseAct(c, audit.Event{}, personPath(id), err)
	}
	if err := s.suspendPasskeyOf(c.Request().Context(), s.act(c, reason), id, credential); err != nil {
		event := audit.Event{Kind: audit.KindPasskeySuspend, Subject: id, CredentialHash: audit.HashCredential(credential)}
		return s.refuseAct(c, event, personPath(id), err)
	}
	return c.Redirect(http.StatusSeeOther, personPath(id)+"?done=done")
}

// suspendPasskeyOf stops a passkey of that person's.
func (s *Server) suspendPasskeyOf(ctx context.Context, act enroll.Act, holder identity.PSIdNat, credential []byte) error {
	if _, err := s.o.Registry.Professional(ctx, holder); err != nil {
		return unknownHere(holder, err)
	}
	passkey, err := s.o.Registry.Passkey(ctx, credential)
	if err != nil {
		return err
	}
	if passkey.Holder != holder {
		return &enroll.Refusal{Reason: enroll.ReasonPasskeyUnknown, Holder: holder}
	}
	return s.o.Registry.SuspendPasskey(ctx, act, credential)
}
