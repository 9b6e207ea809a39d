package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

const nginxConfig = `
daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 16; }
http {
  access_log off;
  client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  server {
    listen %[2]s ssl;
    ssl_certificate %[1]s/server.pem; ssl_certificate_key %[1]s/server.key;
    ssl_protocols TLSv1.2; ssl_session_tickets off; ssl_verify_client optional_no_ca;
    location / {
      proxy_pass %[3]s;
      proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;
    }
  }
}
`

// What nginx really sends is what is read.
func TestNginxForwards(t *testing.T) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("needs nginx (Debian package nginx)")
	}
	pki := newPKI(t, false)
	card := newCard(t, pki, testpki.CardSpec{})
	proxies, err := mtls.NewProxies(mtls.ProxyOptions{From: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Form: mtls.ProxyNginx})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer := netip.MustParseAddrPort(r.RemoteAddr).Addr()
		f, err := proxies.Take(peer, false, r.Header)
		fmt.Fprintf(w, "%v %v", string(f.LeafDER) == string(card.DER), err)
	}))
	t.Cleanup(server.Close)
	address := startNginx(t, program, pki, server.URL)

	l := &cardListener{&httptest.Server{URL: "https://" + address}, pki}
	if body, _ := l.get(t, l.client(nil, card)); body != "true <nil>" {
		t.Errorf("with a card: %s", body)
	}
	if body, _ := l.get(t, l.client(nil)); body != "false <nil>" {
		t.Errorf("without a card: %s", body)
	}
}

func startNginx(t *testing.T, program string, pki *testpki.PKI, backend string) (address string) {
	t.Helper()
	folder := t.TempDir()
	pair, err := pki.ServerCertificate("cps.localhost")
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = free.Addr().String()
	free.Close()
	for name, content := range map[string][]byte{
		"server.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}),
		"server.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"conf":       fmt.Appendf(nil, nginxConfig, folder, address, backend),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), program, "-p", folder, "-c", filepath.Join(folder, "conf"), "-e", filepath.Join(folder, "error.log"))
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill(); command.Wait() }) //nolint:errcheck // it is killed
	for range 100 {
		if c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err == nil {
			c.Close()
			return address
		}
		time.Sleep(50 * time.Millisecond)
	}
	said, _ := os.ReadFile(filepath.Join(folder, "error.log"))
	t.Fatalf("nginx does not answer: %s", said)
	return ""
}
