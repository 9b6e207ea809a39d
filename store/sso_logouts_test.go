package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"cpsgate/sso"
	"cpsgate/store"
)

// What could not be marked as claimed is nobody's.
func TestNothingIsClaimedWhereNothingIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), store.FileName)
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	due := sso.LogoutRecord{Client: "app", Session: "s1", Holder: string(alice), EndedAt: noon, Next: noon}
	if err := s.AddLogouts(t.Context(), due); err != nil {
		t.Fatal(err)
	}
	execute(t, path, `CREATE TRIGGER full BEFORE UPDATE ON sso_logouts BEGIN SELECT RAISE(ABORT, 'disk is full'); END`)
	if got, err := s.ClaimLogouts(t.Context(), "app", noon, noon.Add(time.Hour), 9); err == nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	execute(t, path, `DROP TRIGGER full`)
	if got, err := s.ClaimLogouts(t.Context(), "app", noon, noon.Add(time.Hour), 9); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}
