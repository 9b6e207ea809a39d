package sso

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"cpsgate/sessions"
)

// guard refuses, before the library reads a request, what it would take: other
// methods, parameters that stand twice or in the address of a POST, forms that
// are none. It adds what RFC 6749 §5.2 and RFC 6750 §3 want of a 401.
func (p *Provider) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods, known := endpointPaths()[r.URL.Path]
		if !known {
			http.NotFound(w, r)
			return
		}
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			w.Header().Del(eventField) // not recorded
			writeError(w, http.StatusMethodNotAllowed, refuse(InvalidRequest, "method", "this endpoint takes "+strings.Join(methods, " and ")))
			return
		}
		n, r := noting(r)
		out := &challenging{ResponseWriter: w, path: r.URL.Path, noted: n, unrecorded: func() { p.noteMalformed(r) }}
		if err := guardForm(r); err != nil {
			p.answerRefused(out, r, err)
			return
		}
		next.ServeHTTP(out, r)
	})
}

// noted is what becomes known of a request while it is answered.
type noted struct {
	proven   bool // a client has proved itself, or shown a token that stands
	recorded bool // what it was refused for is recorded,
	number   string
	wait     time.Duration // until it may be tried again
}

type notedKey struct{}

// noting gives the notes of a request, and the request that carries them.
func noting(r *http.Request) (*noted, *http.Request) {
	if n, ok := r.Context().Value(notedKey{}).(*noted); ok {
		return n, r
	}
	n := new(noted)
	return n, r.WithContext(context.WithValue(r.Context(), notedKey{}, n))
}

// notedIn gives the notes of the request that is being answered.
func notedIn(ctx context.Context) *noted {
	if n, ok := ctx.Value(notedKey{}).(*noted); ok {
		return n
	}
	return new(noted)
}

// Serve answers as Endpoints does, and tells whether a client has proved itself
// by the request, or shown a token that stands. Whoever bounds what one address may
// ask for need not count such a request: it counts as its client's or session's.
func (p *Provider) Serve(w http.ResponseWriter, r *http.Request) (proven bool) {
	n, r := noting(r)
	p.endpoints.ServeHTTP(w, r)
	return n.proven
}

// TooMany answers a client whose address has used up what it may ask for.
func (p *Provider) TooMany(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	anyOrigin(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refused := tooMany(wait)
		tellWait(w.Header(), refused.Wait)
		w.Header().Del(eventField) // not recorded: it was counted when there was room
		writeError(w, statusOf(refused), refused)
	})).ServeHTTP(w, r)
}

// reasonRate refuses a client that asks too often.
const reasonRate = "rate"

func tooMany(wait time.Duration) *Refusal {
	r := refuse(TemporarilyUnavailable, reasonRate, "too many requests: see Retry-After")
	r.Wait = wait
	return r
}

// counted notes that a request is of a client that has proved itself, and counts
// it as the client's. A public client proves nothing by its name.
func (p *Provider) counted(ctx context.Context, client *Client) error {
	return p.within(ctx, &p.rates, client.ID, client)
}

// countedBearer counts a request with an access token as its session's: whoever
// shows one is a person, whatever the client.
func (p *Provider) countedBearer(ctx context.Context, client *Client, g grant) error {
	return p.within(ctx, &p.bearers, client.ID+"\x00"+g.Session, client)
}

func (p *Provider) within(ctx context.Context, rates *rates, key string, client *Client) error {
	if wait := rates.wait(key, p.o.Now()); wait > 0 {
		r := tooMany(wait)
		r.Client = client.ID
		return r
	}
	notedIn(ctx).proven = true
	return nil
}

// noteMalformed records that the library refused what it could not read.
func (p *Provider) noteMalformed(r *http.Request) {
	n, refused := notedIn(r.Context()), refuse(InvalidRequest, "malformed", "")
	n.recorded = true
	e := Event{Kind: EventToken, Refused: true, Reason: refused.Reason, Detail: r.URL.Path}
	if client, err := p.client(r.Context(), credentialsOf(r).id); err == nil {
		e.Client = client.ID
	}
	err := p.tell(r.Context(), e, refused)
	if n.number = refused.Number; !errors.As(err, new(*Refusal)) {
		p.o.Log.ErrorContext(r.Context(), "a refused request is not in the audit", "endpoint", r.URL.Path, "error", err)
	}
}

func guardForm(r *http.Request) error {
	if r.URL.RawQuery != "" && r.URL.Path != PathDiscovery && r.URL.Path != PathKeys {
		return refuse(InvalidRequest, "query", "parameters belong into the body, tokens into the Authorization header") // RFC 6750 §2.3
	}
	if len(r.Header.Values("Authorization")) > 1 {
		return refuse(InvalidRequest, "authorization-twice", "one Authorization header, please")
	}
	if r.Method != http.MethodPost {
		return nil
	}
	if r.Body != nil && r.ContentLength != 0 {
		if media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded") {
			return refuse(InvalidRequest, "media-type", "the body must be a form")
		}
	}
	r.Body = http.MaxBytesReader(nil, r.Body, maxParameters)
	if err := r.ParseForm(); err != nil {
		return refuse(InvalidRequest, "form", "the form cannot be read")
	}
	return readParameters(r.PostForm)
}

// challenging adds WWW-Authenticate to a 401, Retry-After where it is known, and
// the number of the event that records a refusal; none stands there that the
// audit does not have. It sees to it that a refusal of the library's is recorded.
type challenging struct {
	http.ResponseWriter
	path       string
	noted      *noted
	unrecorded func() // records a refusal that is not
}

// eventField is the field of that number; faults of ours bear that of the log.
const eventField = "X-Event-Id"

func (c *challenging) WriteHeader(status int) {
	if status >= http.StatusBadRequest && status < http.StatusInternalServerError && !c.noted.recorded {
		c.unrecorded()
	}
	if status == http.StatusUnauthorized {
		challenge := `Basic realm="cpsgate", charset="UTF-8"`
		if c.path == PathUserinfo {
			challenge = `Bearer realm="cpsgate", error="invalid_token"`
		}
		c.Header().Set("WWW-Authenticate", challenge)
	}
	tellWait(c.Header(), c.noted.wait)
	switch {
	case c.noted.number != "":
		c.Header().Set(eventField, c.noted.number)
	case status >= http.StatusBadRequest && status != http.StatusInternalServerError:
		c.Header().Del(eventField)
	}
	c.ResponseWriter.WriteHeader(status)
}

// tellWait is RFC 9110 §10.2.3.
func tellWait(h http.Header, wait time.Duration) {
	if wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
	}
}

// answerRefused records and writes a refusal, or a fault of ours.
func (p *Provider) answerRefused(w http.ResponseWriter, r *http.Request, err error) {
	refused := p.refusedAt(r.Context(), r.URL.Path, err)
	writeError(w, statusOf(refused), refused)
}

// awayTime is after how long a client looks again whether sessions can be looked
// up.
const awayTime = 5 * time.Second

// refusedAt records a refusal of what a client asked by itself, and gives what to
// answer. A fault of ours goes to the log; the client learns whether it is worth
// trying again.
func (p *Provider) refusedAt(ctx context.Context, endpoint string, err error) *Refusal {
	n := notedIn(ctx)
	err = p.toldClient(ctx, endpoint, err)
	var refused *Refusal
	switch {
	case errors.As(err, &refused):
		n.number = refused.Number
	case errors.Is(err, sessions.ErrAway):
		refused = refuse(TemporarilyUnavailable, "away", "sessions cannot be looked up at the moment")
		refused.Wait = awayTime
	default:
		refused = refuse(ServerError, "fault", "")
	}
	if !errors.As(err, new(*Refusal)) {
		p.o.Log.ErrorContext(ctx, "single sign-on failed", "endpoint", endpoint, "error", err)
	}
	n.wait = refused.Wait
	return refused
}

// toldClient records a refusal of what a client asked by itself.
func (p *Provider) toldClient(ctx context.Context, endpoint string, err error) error {
	notedIn(ctx).recorded = true
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Reason == "code-replayed" || refused.Reason == "refresh-replayed" {
		return err // a fault of ours, or recorded as reuse
	}
	return p.tell(ctx, Event{Kind: EventToken, Refused: true, Reason: refused.Reason, Client: refused.Client, Detail: endpoint + ": " + refused.Detail}, err)
}

func statusOf(r *Refusal) int {
	switch {
	case r.Code == InvalidClient || r.Code == InvalidToken:
		return http.StatusUnauthorized
	case r.Reason == reasonRate:
		return http.StatusTooManyRequests // RFC 6585 §4
	case r.Code == TemporarilyUnavailable:
		return http.StatusServiceUnavailable
	case r.Code == ServerError:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

func writeError(w http.ResponseWriter, status int, r *Refusal) {
	answer := map[string]string{"error": string(r.Code)}
	if r.Detail != "" {
		answer["error_description"] = r.Detail
	}
	writeJSON(w, status, answer)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b) // whoever asked may be gone
}
