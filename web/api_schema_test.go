package web_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// document is what the tests read of an OpenAPI 3.1 document.
type document struct {
	OpenAPI    string
	Paths      map[string]map[string]operation
	Components struct {
		Schemas   map[string]schema
		Responses map[string]response
	}

	given map[string]map[string]bool // statuses that were given, by operation
}

type operation struct {
	OperationID string `json:"operationId"`
	Scope       string `json:"x-scope"`
	Parameters  []struct {
		Name, In string
		Schema   schema
	}
	Responses   map[string]response
	RequestBody struct {
		Required bool
		Content  map[string]content
	} `json:"requestBody"`
}

type response struct {
	Ref     string `json:"$ref"`
	Content map[string]content
}

type content struct {
	Schema  schema
	Example any
}

// schema is the part of JSON Schema 2020-12 that the document uses. One that
// says more is not read: what is not judged would pass for true.
type schema struct {
	Ref                  string `json:"$ref"`
	Type                 any    // a name, or several
	Properties           map[string]schema
	Required             []string
	AdditionalProperties *bool
	Items                *schema
	Enum                 []string
	Format               string
	Pattern              string
	Description          string
	Minimum, Maximum     float64
}

// UnmarshalJSON refuses keywords that judge does not know.
func (s *schema) UnmarshalJSON(text []byte) error {
	type known schema
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode((*known)(s))
}

// named finds a schema that is referred to.
func (d *document) named(s schema) (schema, bool) {
	if s.Ref == "" {
		return s, true
	}
	found, is := d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	return found, is
}

// judge says where a value is not as its schema says, or "".
func (d *document) judge(s schema, v any, at string) string {
	ref := s.Ref
	s, found := d.named(s)
	if !found {
		return at + ": no schema " + ref
	}
	if !slices.ContainsFunc(types(s.Type), func(name string) bool { return isOf(name, v) }) {
		return fmt.Sprintf("%s: %v is no %v", at, v, s.Type)
	}
	switch v := v.(type) {
	case map[string]any:
		return d.judgeObject(s, v, at)
	case []any:
		for i, item := range v {
			if fault := d.judge(*s.Items, item, fmt.Sprintf("%s[%d]", at, i)); fault != "" {
				return fault
			}
		}
	case string:
		return judgeText(s, v, at)
	}
	return ""
}

func (d *document) judgeObject(s schema, v map[string]any, at string) string {
	for _, name := range s.Required {
		if _, there := v[name]; !there {
			return at + "." + name + " is missing"
		}
	}
	for name, member := range v {
		of, named := s.Properties[name]
		if !named {
			if s.AdditionalProperties != nil && !*s.AdditionalProperties {
				return at + "." + name + " is not described"
			}
			continue
		}
		if fault := d.judge(of, member, at+"."+name); fault != "" {
			return fault
		}
	}
	return ""
}

func judgeText(s schema, v, at string) string {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		return fmt.Sprintf("%s: %q is none of %q", at, v, s.Enum)
	}
	if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) {
		return fmt.Sprintf("%s: %q is not of %s", at, v, s.Pattern)
	}
	if s.Format == "date-time" {
		if _, err := time.Parse(time.RFC3339, v); err != nil {
			return at + ": " + err.Error()
		}
	}
	return ""
}

func types(of any) (names []string) {
	switch of := of.(type) {
	case string:
		return []string{of}
	case []any:
		for _, name := range of {
			names = append(names, fmt.Sprint(name))
		}
	}
	return names
}

func isOf(name string, v any) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	case float64:
		return name == "number" || name == "integer" && v == math.Trunc(v)
	}
	return false
}

// at finds the operation that a path without its query is for.
func (d *document) at(method, path string) (operation, bool) {
	method = strings.ToLower(method)
	if operations, found := d.Paths[path]; found {
		return operations[method], true
	}
	for template, operations := range d.Paths {
		if regexp.MustCompile("^" + inPath.ReplaceAllString(template, `[^/]+`) + "$").MatchString(path) {
			return operations[method], true
		}
	}
	return operation{}, false
}

// inPath is a parameter in a path of the document.
var inPath = regexp.MustCompile(`\{[a-z]+\}`)

// hold notes an answer, and says where it is not as the operation describes it:
// its status, its type and body, and that the body asked with was to be taken or
// not.
func (d *document) hold(op operation, contentType, asked string, a answer) string {
	if d.given[op.OperationID] == nil {
		d.given[op.OperationID] = map[string]bool{}
	}
	d.given[op.OperationID][fmt.Sprint(a.status)] = true
	if fault := d.fits(op, a); fault != "" {
		return fault
	}
	body, described := op.RequestBody.Content[contentType]
	if !described || contentType != "application/json" {
		return ""
	}
	var told struct{ Reason string }
	_ = json.Unmarshal([]byte(a.body), &told)
	unread := a.status == http.StatusBadRequest && (told.Reason == "bad-request" || told.Reason == "reason-missing")
	switch fault := d.reads(body.Schema, asked); {
	case fault != "" && a.status < 400:
		return "was taken, and should not: " + fault
	case fault == "" && unread:
		return "was not taken (" + told.Reason + "), and is as described: " + asked
	}
	return ""
}

// reads judges a JSON text.
func (d *document) reads(s schema, text string) string {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return err.Error()
	}
	return d.judge(s, v, "$")
}

// fits says where an answer is not as the operation describes its status.
func (d *document) fits(op operation, a answer) string {
	described, found := op.Responses[fmt.Sprint(a.status)]
	if !found {
		return fmt.Sprintf("status %d is not described", a.status)
	}
	if described.Ref != "" {
		if described, found = d.Components.Responses[strings.TrimPrefix(described.Ref, "#/components/responses/")]; !found {
			return fmt.Sprintf("status %d is described nowhere", a.status)
		}
	}
	if len(described.Content) == 0 {
		if a.body != "" {
			return "a body that is not described"
		}
		return ""
	}
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	of, found := described.Content[media]
	switch {
	case err != nil || !found:
		return fmt.Sprintf("an answer of the type %q", a.header.Get("Content-Type"))
	case media != "application/json":
		return ""
	}
	return d.reads(of.Schema, a.body)
}
