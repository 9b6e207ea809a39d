package mtls

// Bounds on a directory's answers. One entry of one attribute takes some 15
// elements, five of them within each other (RFC 4511 §4.5.2).
const (
	maxDirectoryElements = 256
	maxDirectoryDepth    = 8
)

// directoryShape watches the octets of a directory's answers go by and refuses
// a shape that no answer to our search has, before the LDAP library sees it:
// that one makes an object of each element and copies its content once for
// each element around it, so that few octets can take much memory.
type directoryShape struct {
	header   []byte  // of an element, as far as it has come
	left     []int64 // of the content of each constructed element open
	skip     int64   // left of a primitive element's content
	elements int
}

// see takes the next octets. What it says is "" as long as they are in shape.
func (s *directoryShape) see(octets []byte) (wrong string) {
	for len(octets) > 0 && wrong == "" {
		if s.skip > 0 {
			n := min(s.skip, int64(len(octets)))
			s.skip -= n
			octets = octets[n:]
			continue
		}
		s.header = append(s.header, octets[0])
		octets = octets[1:]
		wrong = s.element()
	}
	return wrong
}

// element enters one whose header is whole.
func (s *directoryShape) element() (wrong string) {
	length, whole, wrong := berLength(s.header)
	if wrong != "" || !whole {
		return wrong
	}
	for len(s.left) > 0 && s.left[len(s.left)-1] == 0 {
		s.left = s.left[:len(s.left)-1]
	}
	if around := len(s.left) - 1; around >= 0 {
		if s.left[around] -= int64(len(s.header)) + length; s.left[around] < 0 {
			return "an element longer than the one around it"
		}
	}
	if s.header[0]&0x20 != 0 { // constructed
		s.left = append(s.left, length)
	} else {
		s.skip = length
	}
	s.header = s.header[:0]
	s.elements++
	switch {
	case len(s.left) > maxDirectoryDepth:
		return "elements too deep within each other"
	case s.elements > maxDirectoryElements:
		return "too many elements"
	}
	return ""
}

// berLength reads the header of an element as LDAP writes it: a tag of one
// octet, and its length, in the definite form only (RFC 4511 §5.1).
func berLength(header []byte) (length int64, whole bool, wrong string) {
	if header[0]&0x1f == 0x1f {
		return 0, false, "a tag of several octets"
	}
	if len(header) < 2 {
		return 0, false, ""
	}
	if header[1] < 0x80 {
		return int64(header[1]), true, ""
	}
	octets := int(header[1] & 0x7f)
	switch {
	case octets == 0:
		return 0, false, "an element of indefinite length"
	case octets > 4:
		return 0, false, "an element too long"
	case len(header) < 2+octets:
		return 0, false, ""
	}
	for _, octet := range header[2:] {
		length = length<<8 | int64(octet)
	}
	return length, true, ""
}
