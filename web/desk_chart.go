package web

import (
	"strconv"
	"unicode/utf8"
)

// chart is a picture as its template draws it: lying bars, one row a label.
// Nothing in it is text that was not escaped by the template.
type chart struct {
	Width, Height int
	Axis          int // where the bars begin
	Bars          []bar
	Labels        []chartLabel
}

type bar struct{ X, Y, Width, Height, Series int }

type chartLabel struct {
	X, Y int
	Text string
	End  bool // ends at X
}

// Measures of a picture, in its own units.
const (
	chartWidth  = 420
	chartLabels = 165 // for the labels
	chartValues = 105 // for the totals: 1 234 567
	chartRow    = 30
	chartLine   = 26 // of a label above its bars
	labelRunes  = 16
	lineRunes   = 42
)

// draw lays the bars out. Series of a row are put behind one another when they
// add up, else below one another. Labels stand before the bars or, where one is
// long, above them.
func draw(f figure) chart {
	most, above := 1, false
	for _, row := range f.Rows {
		most = max(most, extent(row.Values, f.Stacked))
		above = above || utf8.RuneCountInString(row.Label) > labelRunes
	}
	c, height := chart{Width: chartWidth, Axis: chartLabels}, chartRow
	if above {
		c.Axis, height = 1, chartRow+chartLine
	}
	c.Height = height*len(f.Rows) + 8
	for i, row := range f.Rows {
		y := 4 + i*height
		if above {
			c.Labels = append(c.Labels, chartLabel{X: c.Axis + 8, Y: y + 20, Text: shortened(row.Label, lineRunes)})
			y += chartLine
		} else {
			c.Labels = append(c.Labels, chartLabel{X: c.Axis - 10, Y: y + 20, Text: row.Label, End: true})
		}
		c.row(row.Values, y, most, f.Stacked)
	}
	return c
}

func (c *chart) row(values []int, y, most int, stacked bool) {
	room, x, total := c.Width-c.Axis-chartValues, c.Axis, 0
	height, step := chartRow-8, 0
	if !stacked && len(values) > 0 {
		height, step = (chartRow-4)/len(values), (chartRow-4)/len(values)
	}
	furthest := x
	for series, v := range values {
		width := v * room / most
		if v > 0 && width < 2 {
			width = 2
		}
		if width > 0 {
			c.Bars = append(c.Bars, bar{x, y + 2 + series*step, width, height, series})
			furthest = max(furthest, x+width)
		}
		if stacked {
			x += width
			total += v
		} else {
			total = max(total, v)
		}
	}
	if total > 0 {
		c.Labels = append(c.Labels, chartLabel{X: furthest + 6, Y: y + 20, Text: number(total)})
	}
}

// extent is how far a row's bars reach.
func extent(values []int, stacked bool) (n int) {
	for _, v := range values {
		if stacked {
			n += v
		} else {
			n = max(n, v)
		}
	}
	return n
}

// shortened keeps a label within its room; the table beside has all of it.
func shortened(label string, most int) string {
	if utf8.RuneCountInString(label) <= most {
		return label
	}
	return string([]rune(label)[:most-1]) + "…"
}

// number writes a count in groups of three.
func number(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return number(n/1000) + narrowNoBreak + strconv.Itoa(n%1000 + 1000)[1:]
}

// Series is the look of the n-th column's bars.
func (f figure) Series(column int) int { return column - 1 }
