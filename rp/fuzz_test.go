package rp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/rp"
)

// A body of any shape is refused with a reason, or accepted as it should be:
// for the credential it names and the ceremony begun.
func FuzzFinishRegistration(f *testing.F) {
	list, _ := vectors(f)
	p := vectorParty(f, nil)
	for i, v := range list {
		f.Add(i, v.registration())
	}
	options, begun, err := p.BeginRegistration(holder, nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, change := range []func(*softkey.Options){nil, certified(f), func(o *softkey.Options) { o.Attestation = softkey.None }} {
		body, err := device(change).Create("https://example.org", options)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(-1, body)
	}
	f.Add(0, []byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA"}}`))
	f.Fuzz(func(t *testing.T, i int, body []byte) {
		pending := begun
		if i >= 0 && i < len(list) {
			pending = list[i].pending()
		}
		passkey, err := p.FinishRegistration(pending, body, now)
		if err != nil {
			mustBeRefusal(t, err)
			return
		}
		if len(passkey.ID) == 0 || passkey.BackupEligible || passkey.BackupState || string(passkey.UserHandle) != string(pending.UserHandle) {
			t.Errorf("accepted %+v", passkey)
		}
	})
}

func FuzzFinishLogin(f *testing.F) {
	l := newLogin(f, party(f, nil))
	f.Add(l.answer(f))
	f.Add(l.answer(f, softkey.Clear(softkey.FlagUV)))
	f.Add(l.answer(f, softkey.UserHandle(nil)))
	f.Add(l.answer(f, softkey.BadSignature()))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"","signature":"","userHandle":null}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		assertion, err := l.party.FinishLogin(l.pending, body, func(id, _ []byte) (identity.Passkey, error) {
			if string(id) != string(l.passkey.ID) {
				return identity.Passkey{}, rp.ErrUnknownPasskey
			}
			return l.passkey, nil
		}, now.Add(time.Second))
		if err != nil {
			mustBeRefusal(t, err)
			return
		}
		if assertion.Passkey.SignCount <= l.passkey.SignCount || !assertion.UserVerified {
			t.Errorf("accepted %+v", assertion)
		}
	})
}

func mustBeRefusal(t *testing.T, err error) {
	t.Helper()
	var refusal *rp.Refusal
	if !errors.As(err, &refusal) || refusal.Reason == "" {
		t.Errorf("not a refusal: %v", err)
	}
}

// The JSON reader takes nothing that encoding/json does not, and everything
// that encoding/json writes, within its bounds.
func FuzzReadObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1,"b":[true,false,null],"c":{"d":"e\u00e9\n"}}`, ` { "a" : -0.5e+10 } `, `{"a":1,"a":2}`, `{"a":01}`,
		`{"a":1.}`, `{"a":"\x"}`, `{"a":"\ud800"}`, `{"":""}`, `{"a"}`, `{"a":1,}`, `{,}`, `[]`, `"x"`, `{} {}`, `{"a":tru}`, "{\"a\":\"\x01\"}", `{"a":-}`, `{"a":1e}`, `{"\u0061":1,"a":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var names []string
		err := rp.ReadObject(data, func(name, value []byte) error {
			names = append(names, string(name))
			if !json.Valid(value) {
				t.Errorf("value %q", value)
			}
			return nil
		})
		decoded := decode(data)
		if err == nil {
			if decoded == nil || len(decoded) != len(names) {
				t.Errorf("%q was taken, with members %q", data, names)
			}
			return
		}
		if decoded == nil || !bounded(decoded, 1) {
			return
		}
		if again := mustJSON(decoded); rp.ReadObject(again, func(_, _ []byte) error { return nil }) != nil {
			t.Errorf("%q was refused", again)
		}
	})
}

// decode is encoding/json's reading of one object; nil when it has none.
func decode(data []byte) map[string]any {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var decoded map[string]any
	if decoder.Decode(&decoded) != nil {
		return nil
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil
	}
	return decoded
}

// bounded reports whether a value stays within the reader's bounds.
func bounded(v any, depth int) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			if !bounded(e, depth+1) {
				return false
			}
		}
		return len(v) <= 64 && depth <= 16
	case []any:
		for _, e := range v {
			if !bounded(e, depth+1) {
				return false
			}
		}
		return depth <= 16
	}
	return true
}
