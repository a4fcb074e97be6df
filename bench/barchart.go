package main

import (
	"fmt"
	"math"
	"strings"
)

// bar is a line of a bar chart.
type bar struct {
	name  string
	value float64
	own   bool // gin-auth's bar
}

// barChart draws a horizontal bar for each value, with the value beside it. It is readable on a light and on a dark
// page.
func barChart(title string, bars []bar) string {
	const width, left, right, top, step, thick = 760, 250, 70, 40, 32, 20
	most := 0.0
	for _, b := range bars {
		most = max(most, b.value)
	}
	var s strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }
	put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`,
		width, top+step*len(bars)+12)
	put(`<style>text{fill:#444}@media(prefers-color-scheme:dark){text{fill:#ccc}}</style>`)
	put(`<text x="12" y="22" font-size="15" font-weight="bold">%s</text>`, title)
	for i, b := range bars {
		y, length := top+step*i, (width-left-right)*b.value/most
		color, weight := "#868e96", "normal"
		if b.own {
			color, weight = "#1971c2", "bold"
		}
		put(`<text x="%d" y="%d" text-anchor="end" font-weight="%s">%s</text>`, left-10, y+15, weight, b.name)
		put(`<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, left, y, length, thick, color)
		put(`<text x="%.1f" y="%d" font-weight="%s">%s</text>`, left+length+8, y+15, weight,
			thousands(int(math.Round(b.value))))
	}
	put("</svg>")
	return s.String()
}
