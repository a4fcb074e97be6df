package scale

// Capacity is the largest load that a setup can serve.
type Capacity struct {
	Result
	CPUFirst bool // the instances' CPU is the first limit, not Redis
}

const (
	// steps is how often the range of the capacity is halved.
	steps = 7
	// maxGrowth is the largest random growth of the number of unanswered requests.
	maxGrowth = 0.01
	// fullCPU is the utilization at which the instances' CPU counts as the limit. Redis's utilization does not show
	// its limit: a busy Redis has larger batches, which cost less per lookup.
	fullCPU = 0.98
	// A simulation has at least leastRequests requests and is at least leastSeconds long. It has to be much longer
	// than a lookup may take.
	leastRequests, leastSeconds = 30_000, 0.1
)

// Carried returns the capacity of a setup: the highest rate at which every request is answered and 99 of 100
// lookups take at most limit seconds.
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
