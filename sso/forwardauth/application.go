package forwardauth

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"cpsgate/identity"
	"cpsgate/sessions"
)

// Application is a host that stands behind a proxy.
type Application struct {
	Origin string // https://app.example.fr[:port], as browsers write it
	// Rules of its paths; that of the longest path holds. Where none does, the
	// request is refused; without any rule, whoever is signed in may pass.
	Rules []Rule
	// Fields that it is told beside Remote-User, Remote-Name and Remote-Groups;
	// nil: DefaultFields.
	Fields []string
}

// Rule is what a path, and all below it, asks of who comes.
type Rule struct {
	Path string // "/", or "/admin" without a slash at its end
	// Demand is how they must have signed in: methods, proofs, how long ago.
	Demand sessions.Demand
	// Roles, of which one is needed, and Professions, of which one is; nil:
	// whatever they are.
	Roles       []identity.Role
	Professions []identity.Profession
}

// OwnPath is where the application's host hands requests to cpsgate: Begin,
// Finish and signing out. It is never passed on to the application.
const OwnPath = "/.cpsgate"

// host is an application as requests meet it.
type host struct {
	Application
	authority string   // host[:port]
	rules     []Rule   // the longest path first
	folded    []Rule   // the same, their paths folded
	single    [][]Rule // each alone, as rulesOf gives it
	told      []string // names of the fields of its answers
}

func newHost(a Application) (*host, error) {
	u, err := url.Parse(a.Origin)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || a.Origin != "https://"+u.Host || !plainHost(u.Hostname()) || u.Port() == "443" || strings.HasSuffix(u.Host, ":") {
		return nil, fmt.Errorf("application %q: not of the form https://host or https://host:port, in lower-case ASCII", a.Origin)
	}
	h := &host{Application: a, authority: u.Host, rules: slices.Clone(a.Rules)}
	if h.told, err = a.fields(); err != nil {
		return nil, fmt.Errorf("application %s: %w", a.Origin, err)
	}
	seen := map[string]bool{}
	for _, r := range h.rules {
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("application %s: path %q: %w", a.Origin, r.Path, err)
		}
		if folded := fold(r.Path); seen[folded] {
			return nil, fmt.Errorf("application %s: path %q: twice, or apart by its case only", a.Origin, r.Path)
		} else {
			seen[folded] = true
		}
	}
	slices.SortFunc(h.rules, func(a, b Rule) int { return len(b.Path) - len(a.Path) })
	for _, r := range h.rules {
		h.single = append(h.single, []Rule{r})
		r.Path = fold(r.Path)
		h.folded = append(h.folded, r)
	}
	return h, nil
}

// fields gives the names of what the application is told, in the order of
// FieldNames.
func (a Application) fields() ([]string, error) {
	more := a.Fields
	if more == nil {
		more = DefaultFields()
	}
	for _, name := range more {
		if !slices.Contains(FieldNames(), name) {
			return nil, fmt.Errorf("field %q: none of %s", name, strings.Join(FieldNames(), ", "))
		}
	}
	always := []string{FieldUser, FieldName, FieldGroups}
	return slices.DeleteFunc(FieldNames(), func(name string) bool { return !slices.Contains(always, name) && !slices.Contains(more, name) }), nil
}

// plainHost: what a browser leaves as it is. Names beyond ASCII are written in
// their xn-- form (RFC 5890 §2.3.2.1).
func plainHost(name string) bool {
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.') {
			return false
		}
	}
	return !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".") && !strings.Contains(name, "..")
}

func (r Rule) check() error {
	readings, err := readings(r.Path)
	switch {
	case err != nil:
		return err
	case len(readings) == 0 || readings[0] != r.Path || r.Path != "/" && strings.HasSuffix(r.Path, "/"):
		return errors.New("not of the form /path, without what a proxy might read in another way")
	case under(r.Path, OwnPath):
		return errors.New("is cpsgate's own")
	case r.Demand.MaxAge < 0:
		return errors.New("a negative age")
	}
	return nil
}

// under tells whether a path is the place or below it.
func under(path, place string) bool {
	return place == "/" || path == place || strings.HasPrefix(path, place) && path[len(place)] == '/'
}

// ruleOf gives the place of the rule of the longest path that a path is under;
// -1 for none.
func ruleOf(rules []Rule, path string) int {
	return slices.IndexFunc(rules, func(r Rule) bool { return under(path, r.Path) })
}

// rulesOf gives every rule that the path is under in one of its readings. All
// of them must be met.
func (h *host) rulesOf(path string) ([]Rule, error) {
	if steadyPath(path) { // what most requests are: one reading, in no case but its own
		plain, folded := ruleOf(h.rules, path), ruleOf(h.folded, path)
		if plain >= 0 && plain == folded && !under(path, OwnPath) {
			return h.single[plain], nil
		}
	}
	all, err := readings(path)
	if err != nil {
		return nil, err
	}
	if len(h.rules) == 0 {
		return nil, nil
	}
	met := make([]Rule, 0, 1)
	for _, p := range all {
		if under(fold(p), OwnPath) {
			return nil, errPath
		}
		for _, kind := range []struct {
			rules []Rule
			path  string
		}{{h.rules, p}, {h.folded, fold(p)}} {
			at := ruleOf(kind.rules, kind.path)
			if at < 0 {
				return nil, &Refusal{Reason: ReasonNoRule}
			}
			r := kind.rules[at]
			if !slices.ContainsFunc(met, func(m Rule) bool { return fold(m.Path) == fold(r.Path) }) {
				met = append(met, r)
			}
		}
	}
	return met, nil
}
