package cardside_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cpsgate/cardside"
	"cpsgate/cardside/apdu"
	"cpsgate/cardside/ctap2"
)

var update = flag.Bool("update", false, "write what the recordings say beside them")

// TestRecordings replays every conversation in testdata/recordings, as `cardside
// info --record` wrote it, and compares what the card says with the file beside
// it. A real card's recording put there is a test from then on: run once with
// -update, and read what it wrote.
func TestRecordings(t *testing.T) {
	files, err := filepath.Glob("testdata/recordings/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			recording, err := apdu.ReadRecording(bytes.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			said, err := cardside.Replay(recording, false).Inspect(t.Context(), cardside.French)
			if err != nil && !errors.Is(err, ctap2.ErrNotCanonical) {
				t.Fatal(err)
			}
			compare(t, strings.TrimSuffix(file, "l"), said, err)
		})
	}
}

// compare holds what was said to what is written in a file of JSON.
func compare(t *testing.T, file string, said cardside.Inspection, err error) {
	t.Helper()
	result := struct {
		cardside.Inspection
		Refused cardside.Reason `json:"refused,omitempty"`
	}{Inspection: said}
	if err != nil {
		result.Refused = cardside.ReasonOf(err)
	}
	got, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("it says\n%s\nnot\n%s%v", got, want, err)
	}
}

// A recording replays nothing but itself.
func TestReplayStopsAtWhatWasNotAsked(t *testing.T) {
	content, err := os.ReadFile("testdata/recordings/virtual-blank-t1.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	recording, err := apdu.ReadRecording(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	card := cardside.Replay(recording, false)
	if err := card.SetPIN(t.Context(), []byte("271828")); !errors.Is(err, apdu.ErrReplayEnded) {
		t.Errorf("got %v", err)
	}
	card.Close()
}
