package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/enroll"
	"cpsgate/sessions"
)

// typeStream is what an EventSource asks for (HTML §9.2.2).
const typeStream = "text/event-stream"

// How long a stream lives at most, and how often it is looked after.
const (
	streamTime = 30 * time.Minute
	streamBeat = 5 * time.Second
	streamSend = 10 * time.Second // how long a page may take to read what it is sent
)

// stream is one page that watches: server-sent events (HTML §9.2).
type stream struct {
	mu  sync.Mutex // guards writing
	out *echo.Response
	ctl *http.ResponseController
}

// watching opens a stream, lets show write to it, and closes it when the page
// goes, the session ends, or the server stops. The page is told by "end" not to
// come back by itself: a screen left alone must not keep a session open. If there
// was more to come, it says that it stands still now.
func (s *Server) watching(c echo.Context, show func(ctx context.Context, to *stream) error) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), streamTime)
	var looking sync.WaitGroup
	defer looking.Wait() // nothing writes to an answer that has been given: it may be another's by then
	defer cancel()
	st := &stream{out: c.Response(), ctl: http.NewResponseController(c.Response())}
	if err := st.ctl.SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("opening a stream: %w", err)
	}
	h := c.Response().Header()
	h.Set("Content-Type", typeStream+"; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // nginx would hold it back
	c.Response().WriteHeader(http.StatusOK)
	session := requestOf(c).session
	looking.Go(func() { s.lookAfter(ctx, cancel, st, session) })
	if err := show(ctx, st); err != nil && ctx.Err() == nil {
		return err
	}
	_ = st.send("end", ended{Over: ctx.Err() == nil}) // the page may be gone
	return nil
}

// ended is the last event: over, nothing more was to come.
type ended struct {
	Over bool `json:"over"`
}

// lookAfter keeps the connection alive, and ends it with its session.
func (s *Server) lookAfter(ctx context.Context, cancel context.CancelFunc, st *stream, session sessions.Session) {
	defer cancel()
	tick := time.NewTicker(streamBeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.stopping:
			return
		case <-tick.C:
			if !s.lasts(ctx, session) || st.write(": \n\n") != nil {
				return
			}
		}
	}
}

// lasts tells whether a session is open, without touching it.
func (s *Server) lasts(ctx context.Context, session sessions.Session) bool {
	open, err := s.o.Sessions.OfHolder(ctx, session.Holder)
	return err == nil && slices.ContainsFunc(open, func(o sessions.Session) bool { return o.ID == session.ID && o.State == sessions.StateActive })
}

func (st *stream) send(event string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return st.write("event: " + event + "\ndata: " + string(text) + "\n\n")
}

func (st *stream) write(text string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.ctl.SetWriteDeadline(time.Now().Add(streamSend)); err != nil {
		return err
	}
	if _, err := st.out.Write([]byte(text)); err != nil {
		return err
	}
	return st.ctl.Flush()
}

// ticketNews is what a page that watches is told: enough to know that it must
// be drawn anew, and nothing that is not on it.
type ticketNews struct {
	State enroll.TicketState `json:"state"`
	Phase enroll.Phase       `json:"phase"`
	Steps []enroll.Step      `json:"steps"`
}

// watchTicket tells each step of a ticket as it happens.
func (s *Server) watchTicket(c echo.Context) error {
	t, err := s.ticketAsked(c)
	if err != nil {
		return err
	}
	return s.watching(c, func(ctx context.Context, to *stream) error {
		for t, err := range s.o.Registry.Watch(ctx, t.ID) {
			if err != nil {
				return err
			}
			if err := to.send("ticket", ticketNews{t.State, t.Phase, t.Steps}); err != nil {
				return nil //nolint:nilerr // the page is gone
			}
		}
		return nil
	})
}

// watchQueue tells that some ticket changed.
func (s *Server) watchQueue(c echo.Context) error {
	return s.watching(c, func(ctx context.Context, to *stream) error {
		for range s.o.Registry.WatchQueue(ctx) {
			if to.send("queue", struct{}{}) != nil {
				return nil
			}
		}
		return nil
	})
}

// EndStreams closes the pages that watch, and stops imports, so that a server
// that stops need not wait for them: for http.Server.RegisterOnShutdown.
func (s *Server) EndStreams() { s.stop.Do(func() { close(s.stopping) }) }

// Close waits until nothing is worked on: what stands below may then be closed.
func (s *Server) Close() {
	s.EndStreams()
	s.imports.stop(s.o.Now())
}
