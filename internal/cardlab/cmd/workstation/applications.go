package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"cpsgate/internal/demo"
)

// applications are what stands beside the server, on free loopback ports: the
// page that says what to click, an application behind a proxy, and one that is
// an OpenID client (internal/demo).
type applications struct {
	start, proxied, openid net.Listener
}

func listenApplications(ctx context.Context) (a applications, err error) {
	for _, l := range []*net.Listener{&a.start, &a.proxied, &a.openid} {
		if *l, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			a.close()
			return a, err
		}
	}
	return a, nil
}

// close ends what is not served.
func (a applications) close() {
	for _, l := range []net.Listener{a.start, a.proxied, a.openid} {
		if l != nil {
			l.Close()
		}
	}
}

// addresses are where browsers find them.
func (a applications) addresses(signOn string) demo.Addresses {
	at := func(host string, l net.Listener) string {
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return net.JoinHostPort(host, port)
	}
	return demo.Addresses{
		Start: "http://" + at("localhost", a.start), SignOn: signOn,
		Applications: [2]string{"https://" + at("app1.localhost", a.proxied), "https://" + at("app2.localhost", a.openid)},
	}
}

// flags tell `cpsgate demo` of the applications.
func (a applications) flags() []string {
	at := a.addresses("").Applications
	return []string{"--proxied", at[0], "--openid", at[1]}
}

// serve answers until ctx ends; ended gives how. What it has to say of requests
// goes into a file beside the server's log.
func (a applications) serve(ctx context.Context, folder string, server serverSays, v demo.Visit) (ended <-chan error, err error) {
	file, err := os.OpenFile(filepath.Join(folder, "applications.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	log.SetOutput(file) // and slog's with it
	proxied, openid, secured, err := server.applications(v.Addresses)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	results := make(chan error, 3)
	go func() { results <- demo.Serve(ctx, a.start, demo.Start(v)) }()
	go func() { results <- demo.Serve(ctx, tls.NewListener(a.proxied, secured), proxied) }()
	go func() { results <- demo.Serve(ctx, tls.NewListener(a.openid, secured), openid) }()
	all := make(chan error, 1)
	go func() {
		err := errors.Join(<-results, <-results, <-results)
		log.SetOutput(os.Stderr)
		all <- errors.Join(err, file.Close())
	}()
	return all, nil
}

// applications are both, with what the server has made for them.
func (s serverSays) applications(at demo.Addresses) (proxied, openid http.Handler, secured *tls.Config, err error) {
	root, err := readPEM(s.Root)
	if err != nil {
		return nil, nil, nil, err
	}
	authority, err := x509.ParseCertificate(root)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", s.Root, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	proxied, err = demo.Proxy(demo.ProxyOptions{SignOn: at.SignOn, Origin: at.Applications[0], Roots: roots, Dial: demo.Loopback}, demo.Headers())
	if err != nil {
		return nil, nil, nil, err
	}
	secret, err := os.ReadFile(s.Applications.SecretFile)
	if err != nil {
		return nil, nil, nil, err
	}
	client, err := demo.NewClient(demo.ClientOptions{
		Issuer: at.SignOn, Origin: at.Applications[1], ID: s.Applications.ClientID, Secret: strings.TrimSpace(string(secret)),
		Roots: roots, Dial: demo.Loopback,
	})
	if err != nil {
		return nil, nil, nil, err
	}
	pair, err := tls.LoadX509KeyPair(s.Applications.Certificate, s.Applications.Key)
	return proxied, client.Handler(), &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, err
}
