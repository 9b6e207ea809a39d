package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"cpsgate/internal/heap"
	"cpsgate/mtls"
)

// serveChild is a Go server in a process of its own, on the address it prints.
func serveChild(name, folder string) error {
	s := &site{folder: folder}
	pair, err := tls.LoadX509KeyPair(s.path("server.pem"), s.path("server-key.pem"))
	if err != nil {
		return err
	}
	heap.Spare(os.Environ()) // as cpsgate serve does; the bare one gets the same room
	server, config, err := s.bareServer(pair)
	if name != bare {
		server, config, err = s.cardServer(pair, name == oursNew)
	}
	if err != nil {
		return err
	}
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.SetKeepAlivesEnabled(false)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return server.Serve(tls.NewListener(listener, config))
}

// cardServer is the card listener as cpsgate serve has it, answering with the
// verdict. At SIGHUP it reads the next CRL and puts it in force. With forgetful,
// each login comes under a trust of its own, so that no path is remembered.
func (s *site) cardServer(pair tls.Certificate, forgetful bool) (*http.Server, *tls.Config, error) {
	issuer, root, err := s.authorities()
	if err != nil {
		return nil, nil, err
	}
	var trusts [2]*mtls.Trust
	for i := range trusts {
		if trusts[i], err = mtls.NewTrust([]*x509.Certificate{issuer}, []*x509.Certificate{root}); err != nil {
			return nil, nil, err
		}
	}
	evidence := &swapped{}
	if err := s.readInto(evidence, "issuer.crl"); err != nil {
		return nil, nil, err
	}
	verifier, err := mtls.NewVerifier(trusts[0], mtls.Policy{}, evidence)
	if err != nil {
		return nil, nil, err
	}
	s.swapOnHangup(evidence)
	var logins atomic.Uint64
	handler := func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		if forgetful {
			if err := verifier.Replace(trusts[logins.Add(1)%2], nil); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		leaf, err := mtls.TakeCertificate(r.Context(), r.TLS, now, 10*time.Second)
		if err == nil {
			_, err = verifier.Verify(leaf, now)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, "accepted")
	}
	server := &http.Server{Handler: http.HandlerFunc(handler), ConnContext: mtls.ConnContext, ReadHeaderTimeout: 5 * time.Second}
	return server, mtls.ListenerConfig(pair, []*x509.Certificate{issuer}, 0), nil
}

// swapped is evidence that can be replaced, as a Refresher's is.
type swapped struct{ current atomic.Pointer[mtls.CRLSet] }

// CRLs implements mtls.Evidence.
func (s *swapped) CRLs(issuer []byte) []*mtls.CRL { return s.current.Load().CRLs(issuer) }

func (s *site) readInto(evidence *swapped, name string) error {
	var lists []*mtls.CRL
	for _, file := range []string{name, "root.crl"} {
		in, err := os.Open(s.path(file))
		if err != nil {
			return err
		}
		list, err := mtls.ReadCRL(in, mtls.CRLLimits{})
		in.Close()
		if err != nil {
			return err
		}
		lists = append(lists, list)
	}
	set := mtls.NewCRLSet(lists...)
	evidence.current.Store(&set)
	return nil
}

func (s *site) swapOnHangup(evidence *swapped) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for range hangups {
			if err := s.readInto(evidence, "issuer-next.crl"); err != nil {
				log.Print(err)
			}
		}
	}()
}

func (s *site) authorities() (issuer, root *x509.Certificate, err error) {
	var read [2]*x509.Certificate
	for i, name := range []string{"issuer.pem", "root.pem"} {
		text, err := os.ReadFile(s.path(name))
		if err != nil {
			return nil, nil, err
		}
		certificates, err := mtls.ReadCertificates(text)
		if err != nil {
			return nil, nil, err
		}
		read[i] = certificates[0]
	}
	return read[0], read[1], nil
}

// bareServer is what crypto/tls does by itself: the chain is verified in the
// handshake.
func (s *site) bareServer(pair tls.Certificate) (*http.Server, *tls.Config, error) {
	issuer, _, err := s.authorities()
	if err != nil {
		return nil, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(issuer) // the anchor of cpsgate's too
	config := &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, SessionTicketsDisabled: true, NextProtos: []string{"http/1.1"},
	}
	handler := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "accepted") }
	return &http.Server{Handler: http.HandlerFunc(handler), ReadHeaderTimeout: 5 * time.Second}, config, nil
}

// nginxConfig: one worker, no resumption, one request a connection, as the Go
// servers have it.
const nginxConfig = `daemon off; worker_processes 1; pid %[1]s/nginx.pid; error_log %[1]s/nginx.log crit;
events { worker_connections 256; }
http {
  access_log off; keepalive_timeout 0;
  client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
  server {
    listen 127.0.0.1:%[2]d ssl;
    ssl_certificate %[1]s/server.pem; ssl_certificate_key %[1]s/server-key.pem;
    ssl_protocols TLSv1.2; ssl_session_cache off; ssl_session_tickets off;
    ssl_ciphers ECDHE+AESGCM; ssl_ecdh_curve X25519:prime256v1;
    ssl_verify_client on; ssl_verify_depth 3; ssl_client_certificate %[1]s/authorities.pem;
    %[3]s
    location / { return 200 "accepted"; }
  }
}
`

// running is a server under test.
type running struct {
	command *exec.Cmd
	address string
	pid     int // of the process that does the work
	start   time.Duration
}

func (s *site) startGo(name string) (*running, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	command := exec.Command("taskset", "-c", serverCore, self, "-serve", name, s.folder)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	r := &running{command: command, pid: command.Process.Pid} // taskset becomes the server
	if _, err := fmt.Fscanln(out, &r.address); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	r.start = time.Since(began)
	return r, nil
}

func (s *site) startNginx(crl bool) (*running, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	directive := ""
	if crl {
		directive = "ssl_crl " + s.path("crls.pem") + ";"
	}
	config := s.path("nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, s.folder, port, directive), 0o600); err != nil {
		return nil, err
	}
	began := time.Now()
	command := exec.Command("taskset", "-c", serverCore, "nginx", "-c", config, "-p", s.folder, "-e", s.path("nginx.log"), "-g", "user "+userName()+";")
	if err := command.Start(); err != nil {
		return nil, err
	}
	r := &running{command: command, address: fmt.Sprintf("127.0.0.1:%d", port)}
	for time.Since(began) < time.Minute {
		time.Sleep(5 * time.Millisecond)
		connection, err := net.Dial("tcp", r.address)
		if err != nil {
			continue
		}
		connection.Close()
		if r.pid = workerOf(command.Process.Pid); r.pid != 0 {
			r.start = time.Since(began)
			return r, nil
		}
	}
	text, _ := os.ReadFile(s.path("nginx.log"))
	return nil, errors.Join(fmt.Errorf("nginx did not start: %s", text), r.stop())
}

// workerOf finds the one child of nginx's master.
func workerOf(master int) (worker int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", master, master))
	if err != nil {
		return 0
	}
	_, _ = fmt.Sscan(string(text), &worker) // none yet: 0
	return worker
}

// userName lets nginx's worker read the folder, which is its owner's alone.
func userName() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return "nobody" // ignored without the right to change user
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func (r *running) stop() error {
	err := r.command.Process.Signal(syscall.SIGTERM)
	_ = r.command.Wait() // killed by our own signal
	return err
}

func nginxVersion() string {
	out, err := exec.Command("nginx", "-v").CombinedOutput()
	if err != nil {
		return "unknown"
	}
	_, number, _ := strings.Cut(strings.TrimSpace(string(out)), "/")
	version := "nginx " + number
	if out, err = exec.Command("openssl", "version").Output(); err == nil {
		version += ", " + strings.Join(strings.Fields(string(out))[:2], " ")
	}
	return version
}
