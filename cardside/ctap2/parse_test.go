package ctap2_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"cpsgate/cardside/ctap2"
	"cpsgate/internal/virtualcard/authenticator"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const aaguidHex = "000102030405060708090a0b0c0d0e0f"

func TestParseInfo(t *testing.T) {
	const good = "a2" + "0181684649444f5f325f30" + "0350" + aaguidHex
	tests := []struct {
		name string
		hex  string
		want error
	}{
		{"the least that a card says", good, nil},
		{"a member of a later version is ignored", "a3" + good[2:] + "181e01", nil},
		{"keys out of order", "a2" + "0350" + aaguidHex + "0181684649444f5f325f30", ctap2.ErrNotCanonical},
		{"a length in long form", "a2" + "0181" + "7808" + "4649444f5f325f30" + "0350" + aaguidHex, ctap2.ErrNotCanonical},
		{"a key in long form", "a2" + "180181684649444f5f325f30" + "0350" + aaguidHex, ctap2.ErrNotCanonical},
		{"a key twice", "a3" + good[2:] + "0350" + aaguidHex, ctap2.ErrMalformed},
		{"an indefinite length", "bf" + good[2:] + "ff", ctap2.ErrMalformed},
		{"a tag", "c1" + good, ctap2.ErrMalformed},
		{"a byte after the end", good + "00", ctap2.ErrMalformed},
		{"cut short", good[:len(good)-2], ctap2.ErrMalformed},
		{"an AAGUID of 15 bytes", "a2" + "0181684649444f5f325f30" + "034f" + aaguidHex[2:], ctap2.ErrMalformed},
		{"no AAGUID", "a1" + "0181684649444f5f325f30", ctap2.ErrMalformed},
		{"no version", "a1" + "0350" + aaguidHex, ctap2.ErrMalformed},
		{"a version that is no text", "a2" + "018101" + "0350" + aaguidHex, ctap2.ErrMalformed},
		{"a negative size", "a3" + good[2:] + "0520", ctap2.ErrMalformed},
		{"an option that is no boolean", "a3" + good[2:] + "04a162726b01", ctap2.ErrMalformed},
		{"an array for a map", "80", ctap2.ErrMalformed},
		{"nothing", "", ctap2.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			info, err := ctap2.ParseInfo(unhex(t, tt.hex))
			if !errors.Is(err, tt.want) || (err != nil) != (tt.want != nil) {
				t.Fatalf("got %+v, %v; want %v", info, err, tt.want)
			}
			if err == nil && info.AAGUID.String() != "00010203-0405-0607-0809-0a0b0c0d0e0f" {
				t.Errorf("AAGUID %s", info.AAGUID)
			}
		})
	}
	info, err := ctap2.ParseInfo(unhex(t, "a3"+good[2:]+"181e01"))
	if err != nil || !slices.Equal(info.Other, []int{30}) {
		t.Errorf("unknown members %v, %v", info.Other, err)
	}
}

func TestParseAuthenticatorData(t *testing.T) {
	fixed := "49960de5880e8c687434170f6476605b8fe4aeb9a28632c7995cf3ba831d9763"
	key := "a1010" + "2"
	credential := aaguidHex + "0002" + "abcd" + key
	tests := []struct {
		name string
		hex  string
		want error
	}{
		{"an assertion's", fixed + "05" + "00000007", nil},
		{"a credential's", fixed + "45" + "00000000" + credential, nil},
		{"with extensions", fixed + "c5" + "00000000" + credential + "a16b6372656450726f7465637403", nil},
		{"extensions alone", fixed + "85" + "00000000" + "a16b6372656450726f7465637403", nil},
		{"a key out of canonical form", fixed + "45" + "00000000" + aaguidHex + "0001ab" + "a1180102", ctap2.ErrNotCanonical},
		{"shorter than its fixed part", fixed + "05" + "000000", ctap2.ErrMalformed},
		{"bytes after an assertion's", fixed + "05" + "0000000700", ctap2.ErrMalformed},
		{"a credential announced, none there", fixed + "45" + "00000000", ctap2.ErrMalformed},
		{"an empty credential id", fixed + "45" + "00000000" + aaguidHex + "0000" + key, ctap2.ErrMalformed},
		{"a credential id longer than what follows", fixed + "45" + "00000000" + aaguidHex + "0100" + "ab", ctap2.ErrMalformed},
		{"no public key", fixed + "45" + "00000000" + aaguidHex + "0002abcd", ctap2.ErrMalformed},
		{"extensions announced, none there", fixed + "c5" + "00000000" + credential, ctap2.ErrMalformed},
		{"bytes after a credential's", fixed + "45" + "00000000" + credential + "00", ctap2.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := ctap2.ParseAuthenticatorData(unhex(t, tt.hex))
			if !errors.Is(err, tt.want) || (err != nil) != (tt.want != nil) {
				t.Fatalf("got %+v, %v; want %v", data, err, tt.want)
			}
		})
	}
}

// answers replaces the answer to one command (the nth time it is sent) by
// another.
func answers(command byte, nth int, answer []byte) func(byte, []byte) []byte {
	return func(c byte, sound []byte) []byte {
		if c == command {
			if nth--; nth == 0 {
				return answer
			}
		}
		return sound
	}
}

func TestWrongAnswersAreRefused(t *testing.T) {
	offCurve := "00a101a5010203381820012158204" + "1" + string(bytes.Repeat([]byte("0"), 62)) + "225820" + string(bytes.Repeat([]byte("0"), 64))
	tests := []struct {
		name    string
		command byte
		nth     int
		answer  string
	}{
		{"PIN tries without a count", 0x06, 1, "00a0"},
		{"no key agreement key", 0x06, 2, "00a0"},
		{"a key agreement key off the curve", 0x06, 2, offCurve},
		{"a key agreement key of another curve", 0x06, 2, "00a101a50102033818200221410122" + "4101"},
		{"a PIN token of one byte", 0x06, 3, "00a1024101"},
		{"a PIN token of no block", 0x06, 3, "00a10250" + aaguidHex},
		{"no PIN token", 0x06, 3, "00a0"},
		{"no attestation", 0x01, 1, "00a0"},
		{"authenticator data that is none", 0x01, 1, "00a301667061636b6564024101" + "03a0"},
		{"authenticator data without a credential", 0x01, 1, "00a301667061636b6564025825" + hex.EncodeToString(make([]byte, 37)) + "03a0"},
		{"CBOR cut short", 0x01, 1, "00a3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := enrolled(t, authenticator.Options{}, ctap2.Options{})
			d.card.rewrite = answers(tt.command, tt.nth, unhex(t, tt.answer))
			if _, err := d.MakeCredential(t.Context(), creation("one")); !errors.Is(err, ctap2.ErrMalformed) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestWrongAssertionsAreRefused(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	id := d.made(t, creation("one")).CredentialID
	for name, answer := range map[string]string{
		"empty":                               "00a0",
		"without a signature":                 "00a1025825" + hex.EncodeToString(make([]byte, 37)),
		"with authenticator data of one byte": "00a20241010341" + "01",
	} {
		d.card.rewrite = answers(0x02, 1, unhex(t, answer))
		if _, err := d.GetAssertion(t.Context(), request(id)); !errors.Is(err, ctap2.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A card may leave out the credential it was asked for alone (§6.2.2).
func TestAssertionOfTheOneAskedMayGoUnnamed(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	id := d.made(t, creation("one")).CredentialID
	d.card.rewrite = answers(0x02, 1, unhex(t, "00a2025825"+hex.EncodeToString(make([]byte, 37))+"034101"))
	signed, err := d.GetAssertion(t.Context(), request(id))
	if err != nil || !bytes.Equal(signed[0].CredentialID, id) {
		t.Fatal(signed, err)
	}
	d.card.rewrite = answers(0x02, 1, unhex(t, "00a2025825"+hex.EncodeToString(make([]byte, 37))+"034101"))
	if _, err := d.GetAssertion(t.Context(), request()); !errors.Is(err, ctap2.ErrMalformed) {
		t.Errorf("unnamed, and none was asked for: %v", err)
	}
}

// Cards cut names at 64 bytes, in the middle of a character if it falls so.
func TestNamesCutByTheCard(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	id := d.made(t, creation("one")).CredentialID
	user := "a2" + "6269644101" + "646e616d65" + "63" + "45c3" + "c3"                                                                                           // "E", half a character, half a character
	d.card.rewrite = answers(0x02, 1, unhex(t, "00a301a26269644101"+"64747970656a7075626c69632d6b6579"+"025825"+hex.EncodeToString(make([]byte, 37))+"034101")) // no user
	if _, err := d.GetAssertion(t.Context(), request(id)); err != nil {
		t.Fatal(err)
	}
	d.card.rewrite = answers(0x02, 1, unhex(t, "00a3025825"+hex.EncodeToString(make([]byte, 37))+"034101"+"04"+user))
	signed, err := d.GetAssertion(t.Context(), request(id))
	if err != nil || signed[0].User == nil || signed[0].User.Name != "E" {
		t.Fatalf("%+v, %v", signed, err)
	}
}

func TestWrongListsAreRefused(t *testing.T) {
	for name, answer := range map[string]string{
		"a relying party without its hash": "00a2" + "03a162696461" + "61" + "0501",
		"a relying party without its name": "00a2" + "045820" + hex.EncodeToString(hash("x")) + "0501",
		"an answer that is no map":         "0080",
	} {
		t.Run(name, func(t *testing.T) {
			d := enrolled(t, authenticator.Options{}, ctap2.Options{})
			d.made(t, creation("one"))
			d.card.rewrite = answers(0x0A, 1, unhex(t, answer))
			if _, err := d.Credentials(t.Context(), []byte(goodPIN)); !errors.Is(err, ctap2.ErrMalformed) {
				t.Fatalf("got %v", err)
			}
		})
	}
	t.Run("a credential without its user", func(t *testing.T) {
		d := enrolled(t, authenticator.Options{}, ctap2.Options{})
		d.made(t, creation("one"))
		d.card.rewrite = answers(0x0A, 2, unhex(t, "00a1"+"0901"))
		if _, err := d.Credentials(t.Context(), []byte(goodPIN)); !errors.Is(err, ctap2.ErrMalformed) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestCancelledBetweenCommands(t *testing.T) {
	d := enrolled(t, authenticator.Options{}, ctap2.Options{})
	ctx, cancel := contextWithCancel(t)
	d.card.rewrite = func(command byte, answer []byte) []byte {
		cancel() // while the first command is under way
		return answer
	}
	d.card.seen = nil
	if _, err := d.MakeCredential(ctx, creation("one")); !errors.Is(err, ctx.Err()) || err == nil {
		t.Fatalf("got %v", err)
	}
	if len(d.card.seen) != 1 {
		t.Errorf("sent % X after the cancellation", d.card.seen)
	}
}
