package scale

// Capacity is the most that a setup carries.
type Capacity struct {
	Result
	CPUFirst bool // the first limit is the instances' CPU, not Redis
}

const (
	// steps halve the range in which the capacity is sought.
	steps = 7
	// maxGrowth is how much the number of requests inside may grow by chance.
	maxGrowth = 0.01
	// fullCPU is the utilization from which on the CPU is the limit. That of Redis does not show the limit: a busy Redis
	// has larger batches, which cost less.
	fullCPU = 0.98
	// The simulation has at least so many requests, and is at least so many seconds long. It has to be much longer than
	// a lookup may take.
	leastRequests, leastSeconds = 30_000, 0.1
)

// Carried returns the capacity of a setup: the highest rate at which every request is answered and 99 of 100 lookups
// are within the limit, in seconds.
func Carried(setup Setup, limit float64) Capacity {
	cpu := float64(setup.Instances*setup.Cores) / (setup.Before + setup.After)
	full := setup.Cost.Of(setup.Rule.MaxBatch) / float64(setup.Rule.MaxBatch)
	low, high := 0.0, 1.1*min(cpu, float64(setup.Nodes)/float64(setup.Lookups)/full)
	var best Capacity
	for range steps {
		setup.Rate = (low + high) / 2
		setup.Requests = max(leastRequests, int(setup.Rate*leastSeconds))
		result := Run(setup)
		if result.P99 <= limit && result.Rejected == 0 && result.Growth <= maxGrowth {
			low, best.Result = setup.Rate, result
		} else {
			high, best.CPUFirst = setup.Rate, result.CPU >= fullCPU
		}
	}
	return best
}
