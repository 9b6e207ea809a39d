package apdu_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"cpsgate/cardside/apdu"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEncoding(t *testing.T) {
	long := bytes.Repeat([]byte{0xAB}, 300)
	longHex := hex.EncodeToString(long)
	tests := []struct {
		name                  string
		cmd                   apdu.Command
		short, extended, tpdu string // "" = refused
	}{
		{"case 1 is a bare header, P3=00 on T=0",
			apdu.Command{CLA: 0x80, INS: 1, P1: 2, P2: 3}, "80010203", "80010203", "8001020300"},
		{"case 2 carries Le",
			apdu.Command{INS: 0xB0, Le: 16}, "00b0000010", "00b00000000010", "00b0000010"},
		{"case 2 writes 256 as 00",
			apdu.Command{INS: 0xB0, Le: 256}, "00b0000000", "00b00000000100", "00b0000000"},
		{"case 2 writes 65536 as 0000, extended only",
			apdu.Command{INS: 0xB0, Le: 65536}, "", "00b00000000000", ""},
		{"case 3 carries Lc and data",
			apdu.Command{INS: 0xD6, Data: []byte{1, 2}}, "00d60000020102", "00d600000000020102", "00d60000020102"},
		{"case 4 carries both, and leaves Le to GET RESPONSE on T=0",
			apdu.Command{INS: 0xA4, P1: 4, Data: []byte{1, 2}, Le: 256},
			"00a404000201020" + "0", "00a4040000000201020100", "00a40400020102"},
		{"300 bytes of data need extended length",
			apdu.Command{INS: 0x10, Data: long}, "", "0010000000012c" + longHex, ""},
		{"a negative Le is nobody's", apdu.Command{Le: -1}, "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check(t, "short", tt.short, tt.cmd.Short)
			check(t, "extended", tt.extended, tt.cmd.Extended)
			check(t, "T=0", tt.tpdu, tt.cmd.TPDU)
		})
	}
}

func check(t *testing.T, form, want string, encode func() ([]byte, error)) {
	t.Helper()
	got, err := encode()
	if want == "" {
		if !errors.Is(err, apdu.ErrDataTooLong) && !errors.Is(err, apdu.ErrLeTooLarge) {
			t.Errorf("%s: got %x, %v; want a refusal", form, got, err)
		}
		return
	}
	if err != nil || hex.EncodeToString(got) != want {
		t.Errorf("%s: got %x, %v; want %s", form, got, err, want)
	}
}

func TestSelectNamesTheApplication(t *testing.T) {
	got, err := apdu.Select(unhex(t, "A0000006472F0001")).Short()
	if want := unhex(t, "00A4040008A0000006472F000100"); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %X, %v; want %X", got, err, want)
	}
}

func TestErrorsNeverShowData(t *testing.T) {
	cmd := apdu.Command{INS: 0x20, Data: []byte("1234"), Le: 1 << 20}
	_, err := cmd.Short()
	for _, s := range []string{cmd.String(), err.Error()} {
		if bytes.Contains([]byte(s), []byte("1234")) || bytes.Contains([]byte(s), []byte("31323334")) {
			t.Errorf("%q shows the data", s)
		}
	}
}
