package pcsc

import (
	"context"
	"encoding/binary"
	"errors"

	"cpsgate/cardside/apdu"
)

// Features of readers (part 10 §2.3).
const (
	featureVerifyPIN  = 0x06 // FEATURE_VERIFY_PIN_DIRECT: a keypad
	featureProperties = 0x12 // FEATURE_GET_TLV_PROPERTIES
)

// propertyMaxAPDU is dwMaxAPDUDataSize (part 10 §2.6.14): the most data in an
// APDU; 0 means short ones only.
const propertyMaxAPDU = 0x0A

// ErrBadFeatures is a reader's answer that breaks part 10.
var ErrBadFeatures = errors.New("malformed list of reader features")

// ParseFeatures reads the answer to CM_IOCTL_GET_FEATURE_REQUEST: tag, length
// 4, control code in big-endian order (part 10 §2.2).
func ParseFeatures(answer []byte) (map[byte]uint32, error) {
	features := map[byte]uint32{}
	for len(answer) > 0 {
		if len(answer) < 6 || answer[1] != 4 {
			return nil, ErrBadFeatures
		}
		features[answer[0]] = binary.BigEndian.Uint32(answer[2:])
		answer = answer[6:]
	}
	return features, nil
}

// ParseProperties reads the answer to FEATURE_GET_TLV_PROPERTIES: tag, length,
// integer in little-endian order or text (part 10 §2.6.14).
func ParseProperties(answer []byte) (map[byte][]byte, error) {
	properties := map[byte][]byte{}
	for len(answer) > 0 {
		if len(answer) < 2 || len(answer) < 2+int(answer[1]) {
			return nil, ErrBadFeatures
		}
		end := 2 + int(answer[1])
		properties[answer[0]] = answer[2:end]
		answer = answer[end:]
	}
	return properties, nil
}

// Keypad reports whether the reader takes PINs by a keypad of its own.
func (c *Card) Keypad(ctx context.Context) bool {
	_, has := c.features(ctx)[featureVerifyPIN]
	return has
}

// features asks the reader; one that does not answer has none.
func (c *Card) features(ctx context.Context) map[byte]uint32 {
	answer, err := c.control(ctx, featureRequest(), nil)
	if err != nil {
		return nil
	}
	features, err := ParseFeatures(answer)
	if err != nil {
		return nil
	}
	return features
}

func (c *Card) control(ctx context.Context, code uint32, in []byte) ([]byte, error) {
	return call(ctx, c.context, "asking the reader", serviceLimit, func(*system) ([]byte, error) {
		return c.system.control(code, in)
	})
}

// extends decides on extended length. Short chained commands work everywhere;
// a reader that cannot carry long ones fails in the middle of an exchange, so
// both reader and card must have promised it.
func (c *Card) extends(ctx context.Context) bool {
	switch c.opts.Extended {
	case ExtendedAlways:
		return true
	case ExtendedNever:
		return false
	}
	atr, err := apdu.ParseATR(c.atr)
	if err != nil || !atr.Extended {
		return false
	}
	code, has := c.features(ctx)[featureProperties]
	if !has {
		return false
	}
	answer, err := c.control(ctx, code, nil)
	if err != nil {
		return false
	}
	properties, err := ParseProperties(answer)
	size := properties[propertyMaxAPDU]
	return err == nil && len(size) == 4 && binary.LittleEndian.Uint32(size) >= apdu.MaxExtendedLe
}
