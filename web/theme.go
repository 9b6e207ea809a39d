package web

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// rgb is a colour of the sRGB space.
type rgb struct{ r, g, b uint8 }

// The surfaces on which an accent colour stands, as style.css paints them.
var (
	lightPanel = rgb{0xff, 0xff, 0xff}
	lightPage  = rgb{0xf3, 0xf5, 0xf7}
	darkPanel  = rgb{0x1b, 0x25, 0x2f}
	darkInk    = rgb{0x0d, 0x13, 0x19}
)

// textContrast is what every text keeps: WCAG 2.1 §1.4.6, level AAA.
const textContrast = 7.0

// defaultAccent is a deep blue-green, 8.9:1 on white.
const defaultAccent = "#0b4f6c"

// errContrast refuses an accent colour that could not be read.
var errContrast = errors.New("accent colour: contrast under 7:1")

// parseColour reads "#rrggbb" and nothing else.
func parseColour(s string) (rgb, error) {
	if len(s) != 7 || s[0] != '#' {
		return rgb{}, fmt.Errorf("colour %q is not of the form #rrggbb", s)
	}
	n, err := strconv.ParseUint(s[1:], 16, 24)
	if err != nil {
		return rgb{}, fmt.Errorf("colour %q is not of the form #rrggbb", s)
	}
	return rgb{uint8(n >> 16), uint8(n >> 8), uint8(n)}, nil
}

func (c rgb) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// luminance is WCAG 2.1's relative luminance.
func (c rgb) luminance() float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

// contrast is WCAG 2.1's contrast ratio, from 1 to 21.
func contrast(a, b rgb) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// hsl gives hue (0 to 6), saturation and lightness (0 to 1).
func (c rgb) hsl() (h, s, l float64) {
	r, g, b := float64(c.r)/255, float64(c.g)/255, float64(c.b)/255
	top, bottom := max(r, g, b), min(r, g, b)
	l, span := (top+bottom)/2, top-bottom
	if span == 0 {
		return 0, 0, l
	}
	s = span / (1 - math.Abs(2*l-1))
	switch top {
	case r:
		h = math.Mod((g-b)/span+6, 6)
	case g:
		h = (b-r)/span + 2
	default:
		h = (r-g)/span + 4
	}
	return h, s, l
}

// fromHSL is the inverse of hsl.
func fromHSL(h, s, l float64) rgb {
	channel := func(shift float64) uint8 {
		k := math.Mod(shift+2*h, 12)
		return uint8(math.Round(255 * (l - s*min(l, 1-l)*max(-1, min(k-3, 9-k, 1)))))
	}
	return rgb{channel(0), channel(8), channel(4)}
}

// onDark is the nearest tint of c that reads on dark surfaces: the same hue,
// lighter, and not gaudy.
func (c rgb) onDark() rgb {
	h, s, l := c.hsl()
	s = min(s, 0.55)
	tint := fromHSL(h, s, l)
	for contrast(tint, darkPanel) < textContrast || contrast(tint, darkInk) < textContrast {
		l = min(l+0.01, 1)
		tint = fromHSL(h, s, l)
	}
	return tint
}

// theme gives the style sheet's accent: the colour itself on light surfaces,
// and for dark ones the nearest tint of it that reads on them. It refuses a
// colour under 7:1 on white or on the page's background, in which links are
// written with it and buttons filled.
func theme(accent string) (css string, err error) {
	c, err := parseColour(accent)
	if err != nil {
		return "", err
	}
	for _, surface := range []rgb{lightPanel, lightPage} {
		if ratio := contrast(c, surface); ratio < textContrast {
			return "", fmt.Errorf("%w: %s on %s is %.1f:1", errContrast, c, surface, ratio)
		}
	}
	return fmt.Sprintf(`:root{--accent:%s;--on-accent:%s}
@media (prefers-color-scheme:dark){:root{--accent:%s;--on-accent:%s}}
`, c, lightPanel, c.onDark(), darkInk), nil
}
