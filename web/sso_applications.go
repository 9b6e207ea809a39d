package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"cpsgate/sso"
)

// applicationsView lists the applications that sign people in here, and shows
// a new one's secret, once.
type applicationsView struct {
	frame
	Applications []applicationView
	Secret       string
	Name         string
	Fault        string
	Issuer       string
}

type applicationView struct {
	ID, Name, Auth, Subject, Claims string
	Redirects                       []string
	OfFile, ThirdParty, HasSecret   bool
}

// applications is the page's path where there is single sign-on.
func (s *Server) applications() string {
	if s.o.SSO == nil {
		return ""
	}
	return pathApplications
}

func (s *Server) applicationsPage(c echo.Context) error {
	return s.showApplications(c, http.StatusOK, applicationsView{})
}

func (s *Server) showApplications(c echo.Context, status int, view applicationsView) error {
	clients := s.o.SSO.Clients()
	all, err := clients.All(c.Request().Context())
	if err != nil {
		return err
	}
	for _, a := range all {
		view.Applications = append(view.Applications, applicationView{
			ID: a.ID, Name: a.Name, Auth: string(a.Auth), Subject: string(a.Subject), Claims: string(a.Claims), Redirects: a.RedirectURIs,
			OfFile: clients.OfFile(a.ID), ThirdParty: a.ThirdParty, HasSecret: a.SecretHash != "",
		})
	}
	view.Issuer = s.o.MainOrigin
	view.frame = s.deskFrame(c, requestOf(c).tongue.words["applications.title"])
	return s.render(c, status, pageApplications, view)
}

// addApplication adds one. Its secret is on the answer and nowhere else, so
// that this page is not come back to.
func (s *Server) addApplication(c echo.Context) error {
	form, err := readForm(c.Request(), "id", "name", "redirects", "post-logout", "back-channel", "auth", "jwks", "tls-subject", "tls-name", "subject", "sector", "claims", "third-party", "native")
	if err != nil {
		return err
	}
	client := sso.Client{
		ID: strings.TrimSpace(form.Get("id")), Name: strings.TrimSpace(form.Get("name")),
		RedirectURIs: strings.Fields(form.Get("redirects")), PostLogoutURIs: strings.Fields(form.Get("post-logout")),
		BackChannelLogout: strings.TrimSpace(form.Get("back-channel")), Auth: sso.ClientAuth(form.Get("auth")),
		Subject: sso.SubjectType(form.Get("subject")), Sector: strings.TrimSpace(form.Get("sector")), Claims: sso.Shape(form.Get("claims")),
		TLSSubject: strings.TrimSpace(form.Get("tls-subject")), TLSName: strings.TrimSpace(form.Get("tls-name")),
		ThirdParty: form.Get("third-party") != "", Native: form.Get("native") != "",
	}
	if keys := strings.TrimSpace(form.Get("jwks")); keys != "" {
		client.JWKS = json.RawMessage(keys)
		if !json.Valid(client.JWKS) {
			return s.showApplications(c, http.StatusBadRequest, applicationsView{Fault: "jwks: not JSON"})
		}
	}
	secret, err := s.o.SSO.Clients().Add(c.Request().Context(), client)
	if errors.Is(err, sso.ErrClient) || errors.Is(err, sso.ErrClientExists) {
		return s.showApplications(c, http.StatusBadRequest, applicationsView{Fault: err.Error()})
	}
	if err != nil {
		return err
	}
	return s.showApplications(c, http.StatusOK, applicationsView{Secret: secret, Name: client.ID})
}

func (s *Server) rotateApplication(c echo.Context) error {
	form, err := readForm(c.Request(), "id")
	if err != nil {
		return err
	}
	secret, err := s.o.SSO.Clients().RotateSecret(c.Request().Context(), form.Get("id"))
	if err != nil {
		return asRequest(err)
	}
	return s.showApplications(c, http.StatusOK, applicationsView{Secret: secret, Name: form.Get("id")})
}

func (s *Server) removeApplication(c echo.Context) error {
	form, err := readForm(c.Request(), "id")
	if err != nil {
		return err
	}
	if err := s.o.SSO.Clients().Remove(c.Request().Context(), form.Get("id")); err != nil {
		return asRequest(err)
	}
	return c.Redirect(http.StatusSeeOther, pathApplications)
}

// asRequest tells what cannot be done to an application as a request that
// makes no sense: the page offers none of it.
func asRequest(err error) error {
	if errors.Is(err, sso.ErrClientUnknown) || errors.Is(err, sso.ErrClientOfFile) || errors.Is(err, sso.ErrNoSecret) {
		return fmt.Errorf("%w: %w", reasonBadRequest, err)
	}
	return err
}
