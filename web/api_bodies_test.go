package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// bodies holds an operation to its body: the example is one and is read, what
// differs from its schema is not.
func (p *program) bodies(t *testing.T, method, path string, op operation) {
	for contentType, of := range op.RequestBody.Content {
		_, sample := op.sample()
		p.ask(method, path, "application/xml", sample).refuses(t, http.StatusUnsupportedMediaType, "unsupported-media-type")
		if contentType != "application/json" {
			if a := p.ask(method, path+"?dryRun=true", contentType, sample); a.status != http.StatusOK {
				t.Errorf("the example is refused: %d %s", a.status, a.body)
			}
			continue
		}
		if fault := p.doc.reads(of.Schema, sample); fault != "" {
			t.Errorf("the example: %s", fault)
		}
		p.ask(method, path, contentType, sample) // judged: not a bad request
		s, _ := p.doc.named(of.Schema)
		for what, body := range spoilt(t, s, sample) {
			if a := p.ask(method, path, contentType, body); a.status != http.StatusBadRequest {
				t.Errorf("%s is not refused as a bad request: %d %s", what, a.status, a.body)
			} else {
				p.audited(a)
			}
		}
	}
}

// spoilt are bodies like a good one, each with one fault.
func spoilt(t *testing.T, s schema, sample string) map[string]string {
	t.Helper()
	all := map[string]string{"nothing": "", "no object": "[]", "no end": sample[:len(sample)-1], "more after it": sample + "{}"}
	vary := func(what string, change func(map[string]any)) {
		var members map[string]any
		must(t, json.Unmarshal([]byte(sample), &members))
		change(members)
		text, err := json.Marshal(members)
		must(t, err)
		all[what] = string(text)
	}
	vary("an unknown member", func(m map[string]any) { m["unknown"] = "x" })
	for name := range s.Properties {
		for kind, value := range map[string]any{"a number": 7, "null": nil, "an array": []any{}, "an object": map[string]any{}} {
			vary(name+" as "+kind, func(m map[string]any) { m[name] = value })
		}
		vary(name+" in capitals", func(m map[string]any) { m[strings.ToUpper(name)] = m[name] })
	}
	for _, name := range s.Required {
		vary("no "+name, func(m map[string]any) { delete(m, name) })
		vary("an empty "+name, func(m map[string]any) { m[name] = " " })
	}
	return all
}

// parameters holds an operation to its query.
func (p *program) parameters(t *testing.T, method, path string, op operation) {
	contentType, body := op.sample()
	for _, of := range op.Parameters {
		var wrong []string
		switch s := of.Schema; {
		case of.In != "query":
			continue
		case s.Type == "integer":
			wrong = []string{fmt.Sprint(s.Minimum - 1), fmt.Sprint(s.Maximum + 1), "many"}
		case len(s.Enum) > 0, s.Format != "", s.Type == "boolean":
			wrong = []string{"otherwise"}
		case of.Name == "after":
			wrong = []string{"zz!"}
		}
		for _, value := range wrong {
			if a := p.ask(method, path+"?"+url.Values{of.Name: {value}}.Encode(), contentType, body); a.status != http.StatusBadRequest {
				t.Errorf("%s=%s: %d %s", of.Name, value, a.status, a.body)
			}
		}
		for _, value := range of.Schema.Enum {
			if a := p.ask(method, path+"?"+url.Values{of.Name: {value}}.Encode(), contentType, body); a.status != http.StatusOK {
				t.Errorf("%s=%s: %d %s", of.Name, value, a.status, a.body)
			}
		}
	}
}
