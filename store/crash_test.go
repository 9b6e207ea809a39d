package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"cpsgate/audit"
	"cpsgate/store"
)

// childFile names the store that the test binary, run again as a child, writes
// to until it is killed.
const childFile = "CPSGATE_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		writeUntilKilled(path)
	}
	os.Exit(m.Run())
}

func writeUntilKilled(path string) {
	s, err := store.Open(context.Background(), path)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	log := audit.New(s, audit.Options{})
	for {
		e := &audit.Event{Kind: "x", Outcome: audit.Done}
		if err := log.Record(context.Background(), e); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(e.ID) // only what is committed is told
	}
}

func TestWhatWasCommittedSurvivesAKill(t *testing.T) {
	path := emptyFile(t)
	for round := range 3 {
		told := killedWriter(t, path, 10+5*round)
		s := openAt(t, path)
		for _, id := range told {
			if _, err := s.Event(t.Context(), id); err != nil {
				t.Errorf("event %s was told and is lost: %v", id, err)
			}
		}
		err := s.Chain(t.Context(), func(c audit.Chain) error {
			report, err := audit.Verify(c.Events, audit.Expected{End: &c.Tail, Signed: c.Signed})
			if !report.Intact() {
				t.Errorf("round %d: %+v", round, report)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		_ = s.Close()
	}
}

// killedWriter lets a child write n events or a few more, kills it in the
// middle of the next, and gives what it told.
func killedWriter(t *testing.T, path string, n int) (told []string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childFile+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if told = append(told, lines.Text()); len(told) == n {
			_ = child.Process.Kill()
		}
	}
	_ = child.Wait() // killed
	if len(told) < n {
		t.Fatalf("the child told %v", told)
	}
	return told
}
