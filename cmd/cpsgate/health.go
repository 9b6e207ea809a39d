package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// healthCommand is the health check of a container that holds nothing but this
// program: no shell, no curl.
type healthCommand struct {
	configFlag
}

// Limits of the question that a health check asks.
const (
	healthTime = 3 * time.Second
	healthSize = 4 << 10
)

// Run asks the server of this configuration whether it is ready: exit 0 if so,
// 1 if not or if nothing answers.
func (cmd healthCommand) Run(env *environment) error {
	c, err := cmd.load(env)
	if err != nil {
		return err
	}
	url, err := readyURL(c.Admin.Listen)
	if err != nil {
		return unusable(err)
	}
	ctx, cancel := context.WithTimeout(env.ctx, healthTime)
	defer cancel()
	if err := askReady(ctx, url); err != nil {
		return err
	}
	fmt.Fprintln(env.stdout, "ready")
	return nil
}

// readyURL is where the admin listener answers to this machine: one bound to
// every address answers on loopback.
func readyURL(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("admin.listen: %w", err)
	}
	if port == "0" {
		return "", fmt.Errorf("admin.listen: %q does not say which port", listen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz", nil
}

// askReady is nil when the server says that it is ready.
func askReady(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	// Straight to the server, whatever proxy the environment names, and nowhere else.
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, healthSize))
	if err != nil {
		return fmt.Errorf("half an answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return errors.New("not ready: " + response.Status + " " + oneLine(strings.ToValidUTF8(string(said), "?")))
	}
	return nil
}
