package rp

import (
	"encoding/hex"
	"fmt"
)

// FormatAAGUID writes an AAGUID as people and metadata do: 8-4-4-4-12 digits.
func FormatAAGUID(a [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", a[:4], a[4:6], a[6:8], a[8:10], a[10:])
}

// ParseAAGUID reads what FormatAAGUID writes, in either case.
func ParseAAGUID(s string) (a [16]byte, err error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return a, fmt.Errorf("AAGUID %.40q: not of the form 8-4-4-4-12", s)
	}
	if _, err := hex.Decode(a[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:])); err != nil {
		return [16]byte{}, fmt.Errorf("AAGUID %.40q: %w", s, err)
	}
	return a, nil
}
