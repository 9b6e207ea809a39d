package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"
)

// readJSON reads a request's JSON strictly: the content type, one object, the
// members asked for under their exact names and each once, nothing after it.
func readJSON(r *http.Request, members map[string]any) error {
	if mediaType(r) != echo.MIMEApplicationJSON {
		return reasonMediaType
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return badBody(err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := readObject(d, members); err != nil {
		return fmt.Errorf("%w: %w", reasonBadRequest, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: bytes after the object", reasonBadRequest)
	}
	return nil
}

func readObject(d *json.Decoder, members map[string]any) error {
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	var seen []string
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return errors.New("not a JSON object")
		}
		key, _ := name.(string)
		into, known := members[key]
		if !known || slices.Contains(seen, key) {
			return errors.New("a member that is unknown, or stands twice")
		}
		seen = append(seen, key)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil || string(value) == "null" || json.Unmarshal(value, into) != nil {
			return fmt.Errorf("member %s: of another type", key)
		}
	}
	_, err := d.Token()
	return err
}

// readForm reads a form's fields, each once and none but those named.
func readForm(r *http.Request, names ...string) (url.Values, error) {
	if media := mediaType(r); media != echo.MIMEApplicationForm && (media != "" || r.ContentLength != 0) {
		return nil, reasonMediaType
	}
	if err := r.ParseForm(); err != nil {
		return nil, badBody(err)
	}
	if r.URL.RawQuery != "" {
		return nil, reasonBadRequest
	}
	for name, values := range r.PostForm {
		if !slices.Contains(names, name) || len(values) != 1 {
			return nil, fmt.Errorf("%w: a field that is unknown, or stands twice", reasonBadRequest)
		}
	}
	return r.PostForm, nil
}

// badBody tells a body that is too large from one that cannot be read. What a
// parser says of it may quote it, and is not passed on.
func badBody(err error) error {
	var size *http.MaxBytesError
	if errors.As(err, &size) {
		return reasonTooLarge
	}
	return reasonBadRequest
}
