package demo

import (
	"net/http"
	"slices"
	"strings"
)

// Headers is an application behind a proxy: it believes what the proxy says of
// its visitors, and shows it. Who could reach it past the proxy could say
// anything; the stack gives it no other way in.
func Headers() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /style.css", serveStyle)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		show(w, http.StatusOK, "headers.html", headersPage{User: r.Header.Get("Remote-User"), Name: r.Header.Get("Remote-Name"), Fields: told(r.Header)})
	})
	return mux
}

type headersPage struct {
	User, Name string
	Fields     []field
}

// field is one thing said of the visitor.
type field struct{ Name, Value string }

// tokenField carries a signed token, for applications that want more than a
// proxy's word. It opens nothing, and is long: its claims are shown instead.
const tokenField = "X-Cpsgate-Token"

// told lists what the proxy passed on of the visitor, by name.
func told(h http.Header) []field {
	var fields []field
	for name, values := range h {
		if name == tokenField {
			fields = append(fields, field{name, claimsOf(values[0])})
		} else if strings.HasPrefix(name, "Remote-") || strings.HasPrefix(name, "X-Cpsgate-") {
			fields = append(fields, field{name, strings.Join(values, ", ")})
		}
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	return fields
}
