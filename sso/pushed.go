package sso

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"cpsgate/sessions"
)

// pushedTime is how long a pushed request waits to be used (RFC 9126 §2.2).
const pushedTime = time.Minute

const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// pushed is a request as it lies waiting. It was judged when it was pushed.
type pushed struct{ Request Request }

// push keeps a judged request and gives its request_uri.
func (p *Provider) push(ctx context.Context, r Request) (string, error) {
	key, err := p.o.Once.Put(ctx, oncePushed, pushed{r}, pushedTime)
	if errors.Is(err, sessions.ErrOnceFull) {
		return "", full(r.Client)
	}
	if err != nil {
		return "", fmt.Errorf("keeping a pushed request: %w", err)
	}
	return pushedPrefix + key, nil
}

// takePushed takes a pushed request, once. Nothing else of the query counts but
// the client, which must be the one that pushed it (RFC 9126 §4).
func (p *Provider) takePushed(ctx context.Context, form url.Values) (Request, error) {
	key, ours := strings.CutPrefix(form.Get("request_uri"), pushedPrefix)
	if !ours {
		return Request{}, refuse(RequestURINotSupported, "request-uri", "request_uri is none that was pushed here")
	}
	var waiting pushed
	err := p.o.Once.Take(ctx, oncePushed, key, &waiting)
	if errors.Is(err, sessions.ErrNoSuch) || errors.Is(err, sessions.ErrTaken) {
		return Request{}, refuse(InvalidRequest, "request-uri-over", "this pushed request is unknown, used or too old")
	}
	if err != nil {
		return Request{}, err
	}
	if waiting.Request.Client != form.Get("client_id") {
		return Request{}, refuse(InvalidRequest, "request-uri-client", "this request was pushed by another client")
	}
	return waiting.Request, nil
}
