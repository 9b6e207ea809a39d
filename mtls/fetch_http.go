package mtls

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// httpClient is made on first use, once.
type httpClient struct {
	once   sync.Once
	client *http.Client
}

const (
	dialTime       = 10 * time.Second
	maxHTTPHeaders = 32 << 10
)

func (f *Fetcher) httpClient() *http.Client {
	f.http.once.Do(func() {
		transport := &http.Transport{
			DialContext:            (&net.Dialer{Timeout: dialTime}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    dialTime,
			MaxResponseHeaderBytes: maxHTTPHeaders,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        time.Minute,
			DisableCompression:     true, // a CRL bomb is a small body that grows
		}
		if f.Proxy != nil {
			transport.Proxy = http.ProxyURL(f.Proxy)
		}
		f.http.client = &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	})
	return f.http.client
}

func (f *Fetcher) httpCRL(watched *watchedContext, target *url.URL, held Validators) (*Fetched, error) {
	request, err := http.NewRequestWithContext(watched.ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, &FetchError{Fault: FetchAddress, URL: watched.address, Err: err}
	}
	request.Header.Set("Accept", "application/pkix-crl, application/octet-stream;q=0.9, */*;q=0.1")
	if held.ETag != "" {
		request.Header.Set("If-None-Match", held.ETag)
	}
	if held.LastModified != "" {
		request.Header.Set("If-Modified-Since", held.LastModified)
	}
	limit := orDefault(f.MaxBytes, DefaultCRLBytes)
	response, err := f.do(request, limit) //nolint:bodyclose // Fetched.Close does
	if err != nil {
		return nil, err
	}
	validators := Validators{ETag: response.Header.Get("ETag"), LastModified: response.Header.Get("Last-Modified")}
	return &Fetched{ReadCloser: &boundedBody{response.Body, watched, limit}, Validators: validators}, nil
}

// do sends a request and refuses every answer but a plain 200 within the limit.
func (f *Fetcher) do(request *http.Request, limit int64) (*http.Response, error) {
	response, err := f.httpClient().Do(request)
	if err != nil {
		var wrapped *url.Error // names method and address once more
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, err
	}
	refuse := &FetchError{URL: request.URL.String()}
	switch code := response.StatusCode; {
	case code == http.StatusNotModified:
		refuse.Fault = FetchNotModified
	case code >= 300 && code < 400:
		refuse.Fault, refuse.Detail = FetchRedirected, "to "+response.Header.Get("Location")
	case code != http.StatusOK:
		refuse.Fault, refuse.Detail = FetchStatus, response.Status
	case response.Header.Get("Content-Encoding") != "":
		refuse.Fault, refuse.Detail = FetchEncoded, response.Header.Get("Content-Encoding")
	case response.ContentLength > limit:
		refuse.Fault, refuse.Detail = FetchTooLarge, fmt.Sprintf("%d octets announced", response.ContentLength)
	default:
		return response, nil
	}
	response.Body.Close()
	return nil, refuse
}

// OCSP asks a responder (RFC 6960 appendix A: POST over HTTP).
func (f *Fetcher) OCSP(ctx context.Context, address string, question []byte) ([]byte, error) {
	target, err := f.allowed(address)
	if err != nil {
		return nil, err
	}
	if target.Scheme != "http" && target.Scheme != "https" {
		return nil, &FetchError{Fault: FetchAddress, URL: address, Detail: "OCSP is spoken over HTTP"}
	}
	deadline := orDefault(f.OCSPDeadline, DefaultOCSPDeadline)
	ctx, cancel := context.WithTimeout(ctx, deadline)
	watched := &watchedContext{ctx: ctx, cancel: cancel, patience: deadline, address: address}
	watched.begin()
	defer watched.end()
	answer, err := f.ask(watched, target, question)
	if err != nil {
		return nil, watched.explain(err)
	}
	return answer, nil
}

func (f *Fetcher) ask(watched *watchedContext, target *url.URL, question []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(watched.ctx, http.MethodPost, target.String(), bytes.NewReader(question))
	if err != nil {
		return nil, &FetchError{Fault: FetchAddress, URL: watched.address, Err: err}
	}
	request.Header.Set("Content-Type", "application/ocsp-request")
	request.Header.Set("Accept", "application/ocsp-response")
	response, err := f.do(request, maxOCSPBytes) //nolint:bodyclose // body.Close does
	if err != nil {
		return nil, err
	}
	body := &boundedBody{response.Body, watched, maxOCSPBytes}
	defer body.Close()
	return io.ReadAll(body)
}
