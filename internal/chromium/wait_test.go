package chromium

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto"
)

// TestPagesThatGoAway: pages that follow each other at once disturb neither
// looking nor clicking.
func TestPagesThatGoAway(t *testing.T) {
	Need(t)
	const last = 10
	var served, clicked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		switch {
		case r.URL.Path == "/clicked":
			fmt.Fprintf(w, "<main>clicked %d</main>", clicked.Add(1))
		case served.Add(1)%last == 0:
			fmt.Fprint(w, `<main>settled <a href="/clicked">on</a></main>`)
		default:
			fmt.Fprint(w, `<main>passing <a href="/clicked">on</a></main><script>setTimeout(() => location.reload(), 5)</script>`)
		}
	}))
	defer s.Close()
	tab := Start(t, NewHome(t)).Tab(t)
	tab.Go(s.URL)
	tab.Shows("settled")
	tab.Go(s.URL)
	tab.Click("a")
	tab.Shows("clicked 1")
}

// TestPromisesAreWaitedFor: a promise is not taken for what it promises.
func TestPromisesAreWaitedFor(t *testing.T) {
	Need(t)
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/asked" && asked.Add(1) < 3 {
			w.WriteHeader(http.StatusTeapot)
		}
		fmt.Fprint(w, "<main></main>")
	}))
	defer s.Close()
	tab := Start(t, NewHome(t)).Tab(t)
	tab.Go(s.URL)
	tab.Until("the third time", `fetch("/asked").then(answer => answer.status === 200)`)
	if n := asked.Load(); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

// TestElementsThatComeLater: a condition may ask things of an element that is not
// there yet.
func TestElementsThatComeLater(t *testing.T) {
	Need(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<main></main><script>
			setTimeout(() => document.querySelector("main").innerHTML = "<h1>her</h1>", 200)
			setTimeout(() => document.querySelector("h1").append("e"), 400)
		</script>`)
	}))
	defer s.Close()
	tab := Start(t, NewHome(t)).Tab(t)
	tab.Go(s.URL)
	tab.Until("the heading", `document.querySelector("h1").innerText === "here"`)
}

// TestAgain: a step is tried again because its page went away, and for nothing else.
func TestAgain(t *testing.T) {
	gone := &cdproto.Error{Code: -32000, Message: "Could not find node with given id"}
	other := errors.New("another fault")
	for name, c := range map[string]struct {
		says  []error
		want  error
		tries int
	}{
		"at once":      {[]error{nil}, nil, 1},
		"then there":   {[]error{fmt.Errorf("clicking: %w", gone), gone, nil}, nil, 3},
		"then another": {[]error{gone, other}, other, 2},
		"another":      {[]error{other}, other, 1},
	} {
		tries := 0
		err := again(t.Context(), func(context.Context) error { tries++; return c.says[tries-1] })
		if !errors.Is(err, c.want) || tries != c.tries {
			t.Errorf("%s: %v after %d tries", name, err, tries)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := again(over, func(context.Context) error { return gone }); !errors.Is(err, error(gone)) {
		t.Errorf("out of time: %v", err)
	}
}
