package scale

import "math"

// Point is a measured cost: the seconds per lookup at an average number of lookups per round trip.
type Point struct{ Batch, PerLookup float64 }

// Fit returns the cost whose line is closest to the points, and the line's largest deviation. Both use relative
// errors. It needs points with at least two batch sizes.
func Fit(points []Point) (cost Cost, deviation float64) {
	// These are the least squares of (RoundTrip/Batch + Lookup - PerLookup) / PerLookup.
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

// PerLookup returns the cost of a lookup at an average number of lookups per round trip.
func (c Cost) PerLookup(batch float64) float64 { return c.Lookup + c.RoundTrip/batch }
