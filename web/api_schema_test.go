package web_test

import (
	"encoding/json"
	"fmt"
	"math"
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
		Schemas map[string]schema
	}
}

type operation struct {
	OperationID string `json:"operationId"`
	Scope       string `json:"x-scope"`
	Responses   map[string]struct {
		Content map[string]struct{ Schema schema }
	}
	RequestBody struct {
		Content map[string]struct{ Schema schema }
	} `json:"requestBody"`
}

// schema is the part of JSON Schema 2020-12 that the document uses.
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

// judge says where a value is not as its schema says, or "".
func (d *document) judge(s schema, v any, at string) string {
	if s.Ref != "" {
		named, found := d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
		if !found {
			return at + ": no schema " + s.Ref
		}
		return d.judge(named, v, at)
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

// fits says where a JSON text is not as the operation describes this status.
func (d *document) fits(op operation, status int, text string) string {
	described, found := op.Responses[fmt.Sprint(status)]
	if !found {
		described, found = op.Responses["default"]
		if !found || status < 400 {
			return fmt.Sprintf("status %d is not described", status)
		}
	}
	if len(described.Content) == 0 {
		if text != "" {
			return "a body that is not described"
		}
		return ""
	}
	of, isJSON := described.Content["application/json"]
	if !isJSON {
		return ""
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return err.Error()
	}
	return d.judge(of.Schema, v, "$")
}
