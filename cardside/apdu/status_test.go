package apdu_test

import (
	"errors"
	"fmt"
	"testing"

	"cpsgate/cardside/apdu"
)

func TestParseResponse(t *testing.T) {
	tests := []struct {
		name     string
		response string
		data     int
		status   apdu.Status
		err      error
	}{
		{"data and status", "01029000", 2, apdu.OK, nil},
		{"status alone", "6A82", 0, apdu.FileNotFound, nil},
		{"one byte is no status", "90", 0, 0, apdu.ErrShortResponse},
		{"nothing is no status", "", 0, 0, apdu.ErrShortResponse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, status, err := apdu.ParseResponse(unhex(t, tt.response))
			if len(data) != tt.data || status != tt.status || !errors.Is(err, tt.err) {
				t.Fatalf("got %X, %v, %v", data, status, err)
			}
		})
	}
}

func TestStatusWords(t *testing.T) {
	if n, ok := apdu.Status(0x6100).More(); n != 256 || !ok {
		t.Errorf("6100 announces %d, %v; want 256", n, ok)
	}
	if n, ok := apdu.Status(0x6110).More(); n != 16 || !ok {
		t.Errorf("6110 announces %d, %v; want 16", n, ok)
	}
	if _, ok := apdu.OK.More(); ok {
		t.Error("9000 announces more")
	}
	if le, ok := apdu.Status(0x6C07).RightLe(); le != 7 || !ok {
		t.Errorf("6C07 wants %d, %v; want 7", le, ok)
	}
	err := fmt.Errorf("selecting: %w", &apdu.StatusError{Status: apdu.FileNotFound})
	if !errors.Is(err, apdu.FileNotFound) || errors.Is(err, apdu.WrongLength) {
		t.Error("errors.Is does not tell statuses apart")
	}
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte{0x90, 0x00})
	f.Add([]byte{1, 2, 3, 0x61, 0x00})
	f.Add([]byte{0x90})
	f.Fuzz(func(t *testing.T, response []byte) {
		data, status, err := apdu.ParseResponse(response)
		if err != nil {
			return
		}
		if len(data)+2 != len(response) {
			t.Fatalf("%d bytes of data out of %d", len(data), len(response))
		}
		if n, ok := status.More(); ok && (n < 1 || n > 256) {
			t.Fatalf("%v announces %d bytes", status, n)
		}
	})
}
