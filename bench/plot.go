package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// plot draws a line for each series over sweepConnections. Both axes are logarithmic. It is readable on a light and
// on a dark page.
func plot(title string, series map[string][]float64) string {
	const width, height, left, right, top, bottom = 760, 380, 70, 220, 40, 40
	colors := []string{"#d9480f", "#f08c00", "#1971c2", "#868e96", "#2f9e44"}
	low, high := math.Inf(1), 0.0
	for _, values := range series {
		low, high = min(low, slices.Min(values)), max(high, slices.Max(values))
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	most := math.Log2(float64(slices.Max(sweepConnections)))
	x := func(i int) float64 {
		return left + (width-left-right)*math.Log2(float64(sweepConnections[i]))/most
	}
	y := func(v float64) float64 {
		return height - bottom - (height-top-bottom)*math.Log10(v/low)/math.Log10(high/low)
	}
	var s strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }
	put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`,
		width, height)
	put(`<style>text{fill:#444}line{stroke:#8884}@media(prefers-color-scheme:dark){text{fill:#ccc}}</style>`)
	put(`<text x="%d" y="22" font-size="15" font-weight="bold">%s</text>`, left, title)
	for v := low; v <= high*1.01; v *= 10 {
		put(`<line x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%g</text>`,
			left, width-right, y(v), y(v), left-8, y(v)+4, v)
	}
	for i, connections := range sweepConnections {
		put(`<text x="%.1f" y="%d" text-anchor="middle">%d</text>`, x(i), height-bottom+20, connections)
	}
	for n, name := range slices.Sorted(maps.Keys(series)) {
		points := ""
		for i, v := range series[name] {
			points += fmt.Sprintf("%.1f,%.1f ", x(i), y(v))
			put(`<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, x(i), y(v), colors[n%len(colors)])
		}
		put(`<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`,
			strings.TrimSpace(points), colors[n%len(colors)])
		put(`<rect x="%d" y="%d" width="12" height="3" fill="%s"/><text x="%d" y="%d">%s</text>`,
			width-right+12, top+n*22, colors[n%len(colors)], width-right+30, top+n*22+6, name)
	}
	put("</svg>")
	return s.String()
}
