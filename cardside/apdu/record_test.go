package apdu_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"cpsgate/cardside/apdu"
)

func TestRecordingReplays(t *testing.T) {
	gone := errors.New("card gone")
	answers := [][]byte{{0x90, 0x00}, nil}
	card := func([]byte) ([]byte, error) {
		answer := answers[0]
		answers = answers[1:]
		if answer == nil {
			return nil, gone
		}
		return answer, nil
	}
	var file bytes.Buffer
	about := apdu.Recording{Reader: "Reader 00 00", ATR: []byte{0x3B, 0x00}, Protocol: apdu.T0}
	transmit, err := apdu.Record(&file, about, card)
	if err != nil {
		t.Fatal(err)
	}
	transmit([]byte{0, 0xA4, 4, 0})
	if _, err := transmit([]byte{0x80, 0x10, 0, 0}); !errors.Is(err, gone) {
		t.Fatalf("recording hides the card's error: %v", err)
	}

	recording, err := apdu.ReadRecording(&file)
	if err != nil {
		t.Fatal(err)
	}
	if recording.Reader != about.Reader || recording.Protocol != apdu.T0 || !bytes.Equal(recording.ATR, about.ATR) {
		t.Errorf("header read as %+v", recording)
	}
	replay := recording.Replay()
	if got, err := replay([]byte{0, 0xA4, 4, 0}); err != nil || !bytes.Equal(got, []byte{0x90, 0x00}) {
		t.Errorf("first exchange: %X, %v", got, err)
	}
	if _, err := replay([]byte{0x80, 0x10, 0, 0}); err == nil || err.Error() != gone.Error() {
		t.Errorf("second exchange: %v; want the recorded failure", err)
	}
	if _, err := replay([]byte{0}); !errors.Is(err, apdu.ErrReplayEnded) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := recording.Replay()([]byte{1}); !errors.Is(err, apdu.ErrReplayDiffers) {
		t.Errorf("another command: %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestRecordingNeedsItsFile(t *testing.T) {
	if _, err := apdu.Record(full{}, apdu.Recording{}, nil); err == nil {
		t.Error("a header that cannot be written went unnoticed")
	}
}

const header = `{"cardside-recording":1,"protocol":"T=1"}` + "\n"

func TestReadRecordingRefuses(t *testing.T) {
	if r, err := apdu.ReadRecording(strings.NewReader(header + `{"command":"00","response":"9000"}`)); err != nil || len(r.Exchanges) != 1 {
		t.Fatalf("a good recording: %+v, %v", r, err)
	}
	tests := map[string]string{
		"nothing at all":             "",
		"another file":               "hello\n",
		"another version":            `{"cardside-recording":2,"protocol":"T=1"}`,
		"another protocol":           `{"cardside-recording":1,"protocol":"T=14"}`,
		"an ATR not in hexadecimal":  `{"cardside-recording":1,"protocol":"T=1","atr":"zz"}`,
		"an unknown key":             header + `{"command":"00","response":"9000","note":"x"}`,
		"an empty command":           header + `{"command":"","response":"9000"}`,
		"neither answer nor failure": header + `{"command":"00"}`,
		"both answer and failure":    header + `{"command":"00","response":"9000","failure":"x"}`,
		"two values on a line":       header + `{"command":"00","response":"9000"}{}`,
	}
	for name, file := range tests {
		t.Run(name, func(t *testing.T) {
			if r, err := apdu.ReadRecording(strings.NewReader(file)); !errors.Is(err, apdu.ErrBadRecording) {
				t.Fatalf("read as %+v, %v", r, err)
			}
		})
	}
}

func FuzzReadRecording(f *testing.F) {
	f.Add([]byte(header + `{"command":"00","response":"9000"}`))
	f.Add([]byte(header + `{"command":"00","failure":"gone"}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		recording, err := apdu.ReadRecording(bytes.NewReader(file))
		if err != nil {
			return
		}
		replay := recording.Replay()
		for _, exchange := range recording.Exchanges {
			if _, err := replay(exchange.Command); err != nil && exchange.Failure == "" {
				t.Fatal(err)
			}
		}
	})
}
