package sso_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cpsgate/sso"
	"cpsgate/store"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// house is a store's file and the sealing key beside it.
type house struct {
	folder string
	store  *store.Store
	seal   sso.SealingKey
	clock  *clock
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{folder: t.TempDir(), clock: &clock{t: start}}
	var err error
	if h.store, err = store.Open(t.Context(), filepath.Join(h.folder, store.FileName)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.store.Close() })
	if h.seal, err = sso.LoadOrMakeSealingKey(filepath.Join(h.folder, sso.SealingKeyFile), false); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) keys(t *testing.T) *sso.Keys {
	t.Helper()
	keys, err := sso.OpenKeys(t.Context(), sso.KeysOptions{Shelf: h.store, Seal: h.seal, Now: h.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func published(t *testing.T, keys *sso.Keys) (kids []string) {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(keys.JWKS(t.Context()), &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		if !k.IsPublic() || k.Use != "sig" || k.KeyID == "" {
			t.Errorf("published %+v", k)
		}
		kids = append(kids, k.KeyID)
	}
	return kids
}

// sign signs and tells the key it was signed with.
func sign(t *testing.T, keys *sso.Keys, algorithm sso.Algorithm) (token, kid string) {
	t.Helper()
	token, err := keys.Sign(t.Context(), algorithm, "JWT", map[string]string{"sub": "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
	if err != nil {
		t.Fatal(err)
	}
	return token, parsed.Signatures[0].Protected.KeyID
}

func TestSignAndVerify(t *testing.T) {
	for _, algorithm := range []sso.Algorithm{sso.ES256, sso.RS256} {
		keys := newHouse(t).keys(t)
		token, kid := sign(t, keys, algorithm)
		if !slices.Contains(published(t, keys), kid) {
			t.Errorf("%s: signed with a key that is not published", algorithm)
		}
		payload, err := keys.Verify(t.Context(), token, "JWT")
		if err != nil || string(payload) != `{"sub":"somebody"}` {
			t.Errorf("%s: %s, %v", algorithm, payload, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	keys := newHouse(t).keys(t)
	good, kid := sign(t, keys, sso.ES256)
	_, rsaKid := sign(t, keys, sso.RS256)
	stranger, _ := sign(t, newHouse(t).keys(t), sso.ES256)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(keys.JWKS(t.Context()), &set); err != nil {
		t.Fatal(err)
	}
	// RFC 8725 §2.1: the public key taken for the secret of a MAC.
	public, err := set.Key(rsaKid)[0].MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	forge := func(algorithm jose.SignatureAlgorithm, key any) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: rsaKid}}, (&jose.SignerOptions{}).WithType("JWT"))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign([]byte(`{"sub":"somebody"}`))
		if err != nil {
			t.Fatal(err)
		}
		token, _ := signed.CompactSerialize()
		return token
	}
	parts := strings.Split(good, ".")
	none := "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + "."
	swapped := strings.Split(forge(jose.HS256, public), ".")
	tests := []struct{ name, token, typ string }{
		{"another type", good, "logout+jwt"},
		{"another provider's", stranger, "JWT"},
		{"alg none", none, "JWT"},
		{"a MAC with the public key", strings.Join(swapped, "."), "JWT"},
		{"the signature of another", parts[0] + "." + parts[1] + "." + strings.Split(stranger, ".")[2], "JWT"},
		{"a changed payload", parts[0] + ".eyJzdWIiOiJib3NzIn0." + parts[2], "JWT"},
		{"truncated", good[:len(good)-10], "JWT"},
		{"nothing", "", "JWT"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if payload, err := keys.Verify(t.Context(), tt.token, tt.typ); !errors.Is(err, sso.ErrNotOurs) || payload != nil {
				t.Errorf("%s, %v", payload, err)
			}
		})
	}
	if _, err := keys.Verify(t.Context(), good, "JWT"); err != nil {
		t.Errorf("%s: %v", kid, err)
	}
}

func TestKeysSurviveARestart(t *testing.T) {
	h := newHouse(t)
	keys := h.keys(t)
	token, _ := sign(t, keys, sso.ES256)
	subject := keys.Pairwise(t.Context(), "app.example", "899700000017")
	again := h.keys(t)
	if _, err := again.Verify(t.Context(), token, "JWT"); err != nil {
		t.Error(err)
	}
	if !slices.Equal(published(t, keys), published(t, again)) {
		t.Error("a restart made other keys")
	}
	if again.Pairwise(t.Context(), "app.example", "899700000017") != subject {
		t.Error("a restart made another subject")
	}
}

func TestPairwiseSubjectsTellNothing(t *testing.T) {
	keys := newHouse(t).keys(t)
	seen := map[string]bool{}
	for _, of := range [][2]string{{"a", "1"}, {"b", "1"}, {"a", "2"}, {"a\x001", ""}} {
		seen[keys.Pairwise(t.Context(), of[0], of[1])] = true
	}
	if len(seen) != 4 {
		t.Errorf("%d subjects", len(seen))
	}
}

// A key is published a day before it signs, and a day after.
func TestRotation(t *testing.T) {
	h := newHouse(t)
	keys := h.keys(t)
	rotate := func() {
		t.Helper()
		if err := keys.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	old, first := sign(t, keys, sso.ES256)

	h.clock.add(sso.DefaultRotation - sso.DefaultNotice - time.Second)
	if rotate(); len(published(t, keys)) != 2 {
		t.Fatalf("too early: %v", published(t, keys))
	}
	h.clock.add(time.Second)
	if rotate(); len(published(t, keys)) != 4 {
		t.Fatalf("the next keys are not published: %v", published(t, keys))
	}
	if rotate(); len(published(t, keys)) != 4 {
		t.Fatal("rotated twice")
	}
	if _, kid := sign(t, keys, sso.ES256); kid != first {
		t.Error("signs before its time")
	}
	h.clock.add(sso.DefaultNotice)
	rotate()
	if _, kid := sign(t, keys, sso.ES256); kid == first {
		t.Error("the old key signs on")
	}
	if _, err := keys.Verify(t.Context(), old, "JWT"); err != nil {
		t.Errorf("in its grace: %v", err)
	}
	h.clock.add(sso.DefaultGrace + time.Second)
	if rotate(); len(published(t, keys)) != 2 {
		t.Errorf("old keys stay: %v", published(t, keys))
	}
	if _, err := keys.Verify(t.Context(), old, "JWT"); !errors.Is(err, sso.ErrNotOurs) {
		t.Errorf("after its grace: %v", err)
	}
}

func TestAfterALongStandstillTheNoticeIsKept(t *testing.T) {
	h := newHouse(t)
	_, first := sign(t, h.keys(t), sso.RS256)
	h.clock.add(10 * sso.DefaultRotation)
	keys := h.keys(t)
	if _, kid := sign(t, keys, sso.RS256); kid != first {
		t.Error("signs with a key that nobody has seen")
	}
	h.clock.add(sso.DefaultNotice)
	if _, kid := sign(t, keys, sso.RS256); kid == first {
		t.Error("the old key signs on")
	}
}

// A key that another node has just made verifies at once.
func TestNodesShareKeys(t *testing.T) {
	h := newHouse(t)
	one, two := h.keys(t), h.keys(t)
	h.clock.add(sso.DefaultRotation)
	if err := one.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.clock.add(sso.DefaultNotice)
	token, _ := sign(t, one, sso.ES256)
	if _, err := two.Verify(t.Context(), token, "JWT"); err != nil {
		t.Error(err)
	}
}

func TestOfNodesThatRotateAtOnceOneMakesTheKeys(t *testing.T) {
	h := newHouse(t)
	race := func() []*sso.Keys {
		nodes := make([]*sso.Keys, 8)
		var wg sync.WaitGroup
		for i := range nodes {
			wg.Go(func() {
				var err error
				nodes[i], err = sso.OpenKeys(context.Background(), sso.KeysOptions{Shelf: h.store, Seal: h.seal, Now: h.clock.now})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return nodes
	}
	for want := 2; want <= 4; want += 2 {
		nodes := race()
		if t.Failed() {
			return
		}
		for _, node := range nodes {
			if err := node.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if kids := published(t, node); len(kids) != want || !slices.Equal(kids, published(t, nodes[0])) {
				t.Errorf("%d keys, want %d: %v", len(kids), want, kids)
			}
		}
		h.clock.add(sso.DefaultRotation)
	}
}

func TestSealingKeyRefuses(t *testing.T) {
	h := newHouse(t)
	h.keys(t)
	file := filepath.Join(h.folder, sso.SealingKeyFile)
	other, err := sso.LoadOrMakeSealingKey(filepath.Join(t.TempDir(), "other"), false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = sso.OpenKeys(t.Context(), sso.KeysOptions{Shelf: h.store, Seal: other, Now: h.clock.now})
	if !errors.Is(err, sso.ErrNotSealedHere) {
		t.Errorf("with another sealing key: %v", err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := sso.LoadSealingKey(file); !errors.Is(err, sso.ErrKeyPermissions) {
		t.Errorf("open to others: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := sso.LoadOrMakeSealingKey(file, true); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("lost: %v", err)
	}
	for name, text := range map[string]string{"empty": "", "short": "AAAA\n", "two lines": strings.Repeat("A", 43) + "=\n\n", "no base64": "%"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sso.LoadOrMakeSealingKey(file, false); err == nil {
			t.Errorf("%s is taken for a key", name)
		}
	}
}

// What is moved to another row does not open.
func TestSealedKeysAreBoundToTheirName(t *testing.T) {
	h := newHouse(t)
	h.keys(t)
	err := h.store.ChangeSigningKeys(t.Context(), func(kept []sso.KeyRecord) (add []sso.KeyRecord, drop []string, err error) {
		first, second := kept[0], kept[1]
		first.Sealed = second.Sealed
		return []sso.KeyRecord{first}, []string{first.ID}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = sso.OpenKeys(t.Context(), sso.KeysOptions{Shelf: h.store, Seal: h.seal, Now: h.clock.now})
	if !errors.Is(err, sso.ErrNotSealedHere) {
		t.Errorf("opened: %v", err)
	}
}

func TestOpenKeysRefusesASchedule(t *testing.T) {
	h := newHouse(t)
	for name, o := range map[string]sso.KeysOptions{
		"notice as long as the rotation": {Rotation: time.Hour, Notice: time.Hour},
		"a negative grace":               {Grace: -1},
		"a negative rotation":            {Rotation: -1},
	} {
		o.Shelf, o.Seal, o.Now = h.store, h.seal, h.clock.now
		if _, err := sso.OpenKeys(t.Context(), o); err == nil {
			t.Error(name)
		}
	}
}
