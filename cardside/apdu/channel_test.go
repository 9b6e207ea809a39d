package apdu_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"cpsgate/cardside/apdu"
)

// script is a card that knows one conversation: commands and answers by turns.
type script struct {
	t     *testing.T
	turns [][2]string
}

func (s *script) transmit(command []byte) ([]byte, error) {
	s.t.Helper()
	if len(s.turns) == 0 {
		s.t.Fatalf("unexpected command %X", command)
	}
	turn := s.turns[0]
	s.turns = s.turns[1:]
	if got := strings.ToUpper(hex.EncodeToString(command)); got != turn[0] {
		s.t.Fatalf("got command  %s\nwant command %s", got, turn[0])
	}
	return unhex(s.t, turn[1]), nil
}

func repeat(b byte, n int) string { return strings.Repeat(hex.EncodeToString([]byte{b}), n) }

func TestSend(t *testing.T) {
	long := bytes.Repeat([]byte{0xAB}, 300)
	ctap := apdu.Command{CLA: 0x80, INS: 0x10, Data: []byte{4}, Le: 256}
	tests := []struct {
		name     string
		protocol apdu.Protocol
		extended bool
		cmd      apdu.Command
		turns    [][2]string
		want     string
		err      error
	}{
		{"one command, one answer", apdu.T1, false, ctap,
			[][2]string{{"80100000010400", "AABB9000"}}, "AABB", nil},
		{"a refusal is a typed status", apdu.T1, false, ctap,
			[][2]string{{"80100000010400", "6985"}}, "", apdu.ConditionsNotSatisfied},
		{"long data goes in a chain with Le in its last segment only", apdu.T1, false,
			apdu.Command{CLA: 0x80, INS: 0x10, Data: long, Le: 256},
			[][2]string{
				{"90100000FF" + strings.ToUpper(repeat(0xAB, 255)), "9000"},
				{"801000002D" + strings.ToUpper(repeat(0xAB, 45)) + "00", "019000"},
			}, "01", nil},
		{"a chain refused in its middle goes no further", apdu.T1, false,
			apdu.Command{CLA: 0x80, INS: 0x10, Data: long, Le: 256},
			[][2]string{{"90100000FF" + strings.ToUpper(repeat(0xAB, 255)), "6884"}},
			"", apdu.ChainingNotSupported},
		{"long data goes whole where extended length is known", apdu.T1, true,
			apdu.Command{CLA: 0x80, INS: 0x10, Data: long, Le: 65536},
			[][2]string{{"8010000000012C" + strings.ToUpper(repeat(0xAB, 300)) + "0000", "019000"}}, "01", nil},
		{"extended length is never used on T=0", apdu.T0, true,
			apdu.Command{CLA: 0x80, INS: 0x10, Data: long},
			[][2]string{
				{"90100000FF" + strings.ToUpper(repeat(0xAB, 255)), "9000"},
				{"801000002D" + strings.ToUpper(repeat(0xAB, 45)), "9000"},
			}, "", nil},
		{"61xx is followed to its end in the command's class", apdu.T1, false, ctap,
			[][2]string{
				{"80100000010400", "01026103"},
				{"80C0000003", "03046101"},
				{"80C0000001", "059000"},
			}, "0102030405", nil},
		{"GET RESPONSE is tried once again in class 00, and stays there", apdu.T1, false, ctap,
			[][2]string{
				{"80100000010400", "6102"},
				{"80C0000002", "6E00"},
				{"00C0000002", "01026101"},
				{"00C0000001", "039000"},
			}, "010203", nil},
		{"GET RESPONSE refused in both classes is the card's answer", apdu.T1, false, ctap,
			[][2]string{
				{"80100000010400", "6102"},
				{"80C0000002", "6D00"},
				{"00C0000002", "6D00"},
			}, "", apdu.InstructionNotSupported},
		{"6Cxx is obeyed once", apdu.T1, false, apdu.Command{INS: 0xB0, Le: 256},
			[][2]string{{"00B0000000", "6C02"}, {"00B0000002", "01029000"}}, "0102", nil},
		{"6Cxx twice is the card's answer", apdu.T1, false, apdu.Command{INS: 0xB0, Le: 256},
			[][2]string{{"00B0000000", "6C02"}, {"00B0000002", "6C03"}}, "", apdu.Status(0x6C03)},
		{"6Cxx to GET RESPONSE is obeyed", apdu.T0, false, ctap,
			[][2]string{{"801000000104", "6100"}, {"80C0000000", "6C02"}, {"80C0000002", "01029000"}}, "0102", nil},
		{"case 4 on T=0 fetches its answer", apdu.T0, false, ctap,
			[][2]string{{"801000000104", "6102"}, {"80C0000002", "01029000"}}, "0102", nil},
		{"case 4 on T=0 that ends in 9000 is asked for its answer", apdu.T0, false, ctap,
			[][2]string{{"801000000104", "9000"}, {"80C0000000", "6C02"}, {"80C0000002", "01029000"}}, "0102", nil},
		{"case 4 on T=0 that had no answer is left alone", apdu.T0, false, ctap,
			[][2]string{{"801000000104", "9000"}, {"80C0000000", "6985"}}, "", nil},
		{"a card that announces more and gives nothing is stopped", apdu.T1, false, ctap,
			[][2]string{{"80100000010400", "6110"}, {"80C0000010", "6110"}}, "", apdu.ErrEndless},
		{"an answer without a status word is refused", apdu.T1, false, ctap,
			[][2]string{{"80100000010400", "90"}}, "", apdu.ErrShortResponse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{t, tt.turns}
			c := &apdu.Channel{Transmit: s.transmit, Protocol: tt.protocol, Extended: tt.extended}
			got, err := c.Send(tt.cmd)
			if !errors.Is(err, tt.err) || !bytes.Equal(got, unhex(t, tt.want)) {
				t.Fatalf("got %X, %v; want %s, %v", got, err, tt.want, tt.err)
			}
			if len(s.turns) > 0 {
				t.Fatalf("commands left unsent: %v", s.turns)
			}
			if c.Sent != len(tt.turns) {
				t.Errorf("counted %d APDUs, sent %d", c.Sent, len(tt.turns))
			}
		})
	}
}

func TestClassOfGetResponseIsRemembered(t *testing.T) {
	s := &script{t, [][2]string{
		{"80100000010400", "6101"}, {"80C0000001", "6E00"}, {"00C0000001", "019000"},
		{"80100000010400", "6101"}, {"00C0000001", "029000"},
	}}
	c := &apdu.Channel{Transmit: s.transmit}
	for range 2 {
		if _, err := c.Send(apdu.Command{CLA: 0x80, INS: 0x10, Data: []byte{4}, Le: 256}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFloodIsBounded(t *testing.T) {
	flood := func(response []byte) (int, error) {
		c := &apdu.Channel{Transmit: func([]byte) ([]byte, error) { return response, nil }}
		_, err := c.Send(apdu.Command{CLA: 0x80, INS: 0x10, Le: 256})
		return c.Sent, err
	}
	if sent, err := flood(append(make([]byte, 256), 0x61, 0x00)); !errors.Is(err, apdu.ErrTooLarge) || sent > 300 {
		t.Errorf("256 bytes at a time: %v after %d APDUs", err, sent)
	}
	if sent, err := flood([]byte{0, 0x61, 0x00}); !errors.Is(err, apdu.ErrEndless) || sent > 2000 {
		t.Errorf("one byte at a time: %v after %d APDUs", err, sent)
	}
}

func TestTransmissionErrorsAreKept(t *testing.T) {
	gone := errors.New("card gone")
	c := &apdu.Channel{Transmit: func([]byte) ([]byte, error) { return nil, gone }}
	if _, err := c.Send(apdu.Command{INS: 0xA4}); !errors.Is(err, gone) {
		t.Fatalf("got %v", err)
	}
}

func FuzzSend(f *testing.F) {
	f.Add([]byte{2, 0x90, 0x00}, uint16(0), false)
	f.Add([]byte{2, 0x61, 0x02, 4, 1, 2, 0x90, 0x00}, uint16(300), true)
	f.Add([]byte{2, 0x6C, 0x02, 2, 0x61, 0x00, 1, 0x90}, uint16(1), false)
	f.Fuzz(func(t *testing.T, answers []byte, length uint16, t0 bool) {
		c := &apdu.Channel{Transmit: func([]byte) ([]byte, error) {
			if len(answers) == 0 {
				return nil, errors.New("no further answer")
			}
			n := min(int(answers[0]), len(answers)-1)
			answer := answers[1 : 1+n]
			answers = answers[1+n:]
			return answer, nil
		}}
		if t0 {
			c.Protocol = apdu.T0
		}
		data, err := c.Send(apdu.Command{CLA: 0x80, INS: 0x10, Data: make([]byte, length), Le: 256})
		if len(data) > apdu.Limit {
			t.Fatalf("%d bytes gathered, %v", len(data), err)
		}
	})
}
