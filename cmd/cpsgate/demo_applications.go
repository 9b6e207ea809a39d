package main

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"os"
)

// demoApplications are applications beside the demo, and what they need to
// know. internal/demo has both.
type demoApplications struct {
	Proxied string `json:"proxied,omitempty"` // origin of the one behind a proxy
	OpenID  string `json:"openid,omitempty"`  // origin of the OpenID client

	ClientID   string `json:"clientID,omitempty"`
	SecretFile string `json:"secretFile,omitempty"`
	// Certificate and Key are for both, under the demo's root.
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// demoClient is the OpenID client's name to the server.
const demoClient = "agenda"

// applications are those that the flags name; nil: none.
func (cmd demoCommand) applications() *demoApplications {
	if cmd.Proxied == "" && cmd.OpenID == "" {
		return nil
	}
	return &demoApplications{Proxied: cmd.Proxied, OpenID: cmd.OpenID}
}

// writeApplications makes the applications' certificate and secret.
func (d *demo) writeApplications() error {
	a := d.Applications
	if a == nil {
		return nil
	}
	hosts := []string{"127.0.0.1"} // where the server tells of ended sessions
	for _, origin := range []string{a.Proxied, a.OpenID} {
		if u, err := url.Parse(origin); err != nil {
			return err
		} else if u.Hostname() != "" {
			hosts = append(hosts, u.Hostname())
		}
	}
	pair, err := d.pki.ServerCertificate(hosts...)
	if err != nil {
		return err
	}
	a.Certificate, a.Key = d.path("applications.pem"), d.path("applications-key.pem")
	if err := writePEM(a.Certificate, "CERTIFICATE", pair.Certificate...); err != nil {
		return err
	}
	if err := writeKey(a.Key, pair.PrivateKey); err != nil || a.OpenID == "" {
		return err
	}
	a.ClientID, a.SecretFile = demoClient, d.path(demoClient+".secret")
	return os.WriteFile(a.SecretFile, []byte(rand.Text()+rand.Text()+"\n"), 0o600)
}

// configure adds the applications to the server's settings.
func (a *demoApplications) configure(settings map[string]any, root string) {
	if a == nil {
		return
	}
	if a.Proxied != "" {
		settings["forward_auth"] = map[string]any{
			"proxies": []string{"127.0.0.1"}, "applications": []map[string]any{{"origin": a.Proxied}},
		}
	}
	if a.OpenID != "" {
		settings["sso"] = map[string]any{"back_channel_ca": root, "clients": []map[string]any{{
			"id": a.ClientID, "name": "Agenda de démonstration", "secret_file": a.SecretFile, "id_token_algorithm": "ES256",
			"redirect_uris": []string{a.OpenID + "/callback"}, "post_logout_uris": []string{a.OpenID + "/"},
			"back_channel_logout": onLoopback(a.OpenID) + "/backchannel-logout",
		}}}
	}
}

// onLoopback is where this machine reaches an origin under localhost: not every
// resolver knows such names.
func onLoopback(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.Port() == "" {
		return origin
	}
	return fmt.Sprintf("https://%s", net.JoinHostPort("127.0.0.1", u.Port()))
}
