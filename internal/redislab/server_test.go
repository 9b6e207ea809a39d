package redislab_test

import (
	"strings"
	"testing"

	"cpsgate/internal/redislab"
)

func TestAServerComesAndGoes(t *testing.T) {
	s := redislab.Start(t)
	if out := s.Command(t, "set", "k", "v"); out != "OK\n" {
		t.Fatal(out)
	}
	s.Kill()
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if out := s.Command(t, "get", "k"); strings.TrimSpace(out) != "" {
		t.Errorf("it remembers %q", out)
	}
}
