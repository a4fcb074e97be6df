package scale

import "math"

// Point is a measured cost: what a lookup took, in seconds, where so many on average shared a round trip.
type Point struct{ Batch, PerLookup float64 }

// Fit returns the cost whose line is closest to the points, and its largest deviation, both in shares of what was
// measured. It needs points of two sizes of a batch or more.
func Fit(points []Point) (cost Cost, deviation float64) {
	// The least squares of (RoundTrip/Batch + Lookup - PerLookup) / PerLookup.
	var xx, xy, yy, x, y float64
	for _, p := range points {
		u, v := 1/(p.Batch*p.PerLookup), 1/p.PerLookup
		xx, xy, yy, x, y = xx+u*u, xy+u*v, yy+v*v, x+u, y+v
	}
	determinant := xx*yy - xy*xy
	cost.RoundTrip = (x*yy - y*xy) / determinant
	cost.Lookup = (y*xx - x*xy) / determinant
	for _, p := range points {
		deviation = max(deviation, math.Abs(cost.PerLookup(p.Batch)/p.PerLookup-1))
	}
	return cost, deviation
}

// PerLookup returns the cost of a lookup where so many on average share a round trip.
func (c Cost) PerLookup(batch float64) float64 { return c.Lookup + c.RoundTrip/batch }
