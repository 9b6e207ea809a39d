package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"cpsgate/identity"
)

func TestSessionsConfig(t *testing.T) {
	good := func() SessionsConfig {
		c := SessionsConfig{Redis: RedisConfig{URL: "redis://localhost"}}
		c.setDefaults()
		return c
	}
	for name, tt := range map[string]struct {
		change func(*SessionsConfig)
		ok     bool
	}{
		"the defaults":                    {func(*SessionsConfig) {}, true},
		"limits of one method":            {func(c *SessionsConfig) { c.Methods.FIDO2 = LimitsConfig{Idle: time.Hour, Absolute: 12 * time.Hour} }, true},
		"memory trusted for a while":      {func(c *SessionsConfig) { c.Redis.TrustMemory = 5 * time.Minute }, true},
		"idle below two minutes":          {func(c *SessionsConfig) { c.Idle = time.Minute }, false},
		"absolute below idle":             {func(c *SessionsConfig) { c.Absolute = 10 * time.Minute }, false},
		"a method's absolute below idle":  {func(c *SessionsConfig) { c.Methods.CPS.Absolute = 10 * time.Minute }, false},
		"a password for no Redis":         {func(c *SessionsConfig) { c.Redis = RedisConfig{PasswordFile: "p"} }, false},
		"memory trusted for too long":     {func(c *SessionsConfig) { c.Redis.TrustMemory = 6 * time.Minute }, false},
		"memory trusted for less than no": {func(c *SessionsConfig) { c.Redis.TrustMemory = -1 }, false},
	} {
		c := good()
		tt.change(&c)
		if err := c.check(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := good()
	c.Methods.FIDO2.Absolute = 12 * time.Hour
	if l := c.limits(); l[identity.MethodFIDO2].Absolute != c.longest() || l[identity.MethodFIDO2].Idle != c.Idle || l[identity.MethodCPS].Absolute != c.Absolute {
		t.Errorf("limits %v", l)
	}
}

func TestReadPassword(t *testing.T) {
	for name, tt := range map[string]struct {
		content string
		mode    os.FileMode
		want    string
	}{
		"one line":           {"secret\n", 0o600, "secret"},
		"without its end":    {"secret", 0o640, "secret"},
		"open to others":     {"secret\n", 0o604, ""},
		"empty":              {"\n", 0o600, ""},
		"two lines":          {"secret\nmore\n", 0o600, ""},
		"longer than anyone": {string(make([]byte, maxPassword+1)), 0o600, ""},
	} {
		path := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(path, []byte(tt.content), tt.mode); err != nil {
			t.Fatal(err)
		}
		got, err := readPassword(path)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := readPassword(""); got != "" || err != nil {
		t.Errorf("no file: %q, %v", got, err)
	}
}
