package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"gin-auth/bench/scale"
)

const (
	us = 1e6 // microseconds per second

	// The simulation assumes these values, in addition to the measured costs.
	scaleCores   = 2      // of an instance
	scaleNetwork = 200e-6 // round-trip time between an instance and Redis, in seconds
	scaleLimit   = 5e-3   // limit for 99 of 100 lookups, in seconds
)

var (
	scaleInstances = []int{1, 2, 4, 8, 16, 32, 64}
	scaleMasters   = []int{1, 3, 6} // the first is one Redis without a Cluster
)

// batch returns the average number of lookups per round trip.
func (p *scalePoint) batch() float64 { return p.lookups / p.roundTrips }

// redis returns the CPU time of all nodes, in seconds.
func (p *scalePoint) redis() (cpu float64) {
	for _, node := range p.nodes {
		cpu += node.cpu
	}
	return cpu
}

// median returns the median of the turns.
func (p *scalePoint) median(value func(loaded) float64) float64 {
	values := make([]float64, len(p.turns))
	for i, turn := range p.turns {
		values[i] = value(turn)
	}
	return median(values)
}

func (p *scalePoint) perSecond() float64 {
	return p.median(func(l loaded) float64 { return l.perSecond })
}

// cores returns how many cores the instances, the nodes and the senders kept busy.
func (p *scalePoint) cores() float64 {
	return p.perSecond() * (p.service + p.redis() + p.load) / p.requests
}

// scaleCosts is the line through Redis's costs at several numbers of connections.
type scaleCosts struct {
	scale.Cost
	deviation float64
}

func costsOf(points map[int]*scalePoint, connections []int) (c scaleCosts) {
	var measured []scale.Point
	for _, n := range connections {
		p := points[n]
		measured = append(measured, scale.Point{Batch: p.batch(), PerLookup: p.redis() / p.lookups})
	}
	c.Cost, c.deviation = scale.Fit(measured)
	return c
}

func (r *results) reportScale(line func(string, ...any)) {
	s := r.scale
	others := slices.DeleteFunc(slices.Clone(scaleConnections), func(n int) bool { return n == scaleAt })
	single, cluster := costsOf(s.single, scaleConnections), costsOf(s.cluster, others)
	line("\n## Scale")
	s.reportRequests(line)
	line("\nOf the same turns, the CPU time of Redis for a lookup:\n")
	line("| connections | lookups a round trip | Redis's µs a lookup | on the line below |\n|---|--:|--:|--:|")
	reportCosts(line, "one Redis", s.single, scaleConnections, single)
	reportCosts(line, "a Cluster of three masters", s.cluster, others, cluster)
	line("")
	single.report(line, "One Redis", 1)
	cluster.report(line, "A node of a Cluster", 2)
	line("\nThese costs, and the measured number of lookups per round trip, predict the CPU time of Redis at %d "+
		"connections. Instances, Redis and load share the cores of this machine. So the prediction of requests/s uses the "+
		"CPU time of all of them, and more instances or nodes do not increase it:\n", scaleAt)
	line("| | predicted | measured | difference |\n|---|--:|--:|--:|")
	like, service := s.single[scaleAt], 0.0
	reportPoint(line, "two instances on one Redis", s.two[scaleAt], like, like.service/like.requests, single)
	for _, n := range []int{16, 256} { // the numbers of connections around scaleAt
		service += s.cluster[n].service / s.cluster[n].requests / 2
	}
	reportPoint(line, "one instance on a Cluster of three masters", s.cluster[scaleAt], like, service, cluster)
	line("\nA revoked token takes %.0f bytes of one Redis and %.0f of a Cluster: %.0f and %.0f MB per million logouts.",
		r.perToken, s.perToken, r.perToken, s.perToken)
	s.reportCapacity(line, single, cluster)
}

// reportRequests compares what a request costs with one Redis and with a Cluster.
func (s scaleResults) reportRequests(line func(string, ...any)) {
	line("\nOne instance, with one Redis and with a Cluster of three masters, in turns. The requests have 1,000 tokens " +
		"of different users. On the Cluster each asks two nodes, the token's and the user's, and each node for the epoch " +
		"of the key's hash slot as well. CPU time is that of a request, minus what the programs use without requests.\n")
	line("| connections | | requests/s | p50 ms | p99 ms | gin-auth's CPU µs | Redis's CPU µs |")
	line("|--:|---|--:|--:|--:|--:|--:|")
	for _, n := range scaleConnections {
		row := func(name string, p *scalePoint) {
			line("| %d | %s | %.0f | %.2f | %.2f | %.1f | %.2f |", n, name, p.perSecond(),
				p.median(func(l loaded) float64 { return l.p50 })/1e3, p.median(func(l loaded) float64 { return l.p99 })/1e3,
				p.service/p.requests*us, p.redis()/p.requests*us)
		}
		row("one Redis", s.single[n])
		row("a Cluster", s.cluster[n])
	}
	line("\nFrom the start of an instance to its first response: %.0f ms on a Cluster whose 16,384 epochs it has to "+
		"store, %.0f ms on one that has them.", ms(s.storing), ms(s.reading))
}

func reportCosts(line func(string, ...any), name string, points map[int]*scalePoint, connections []int,
	c scaleCosts,
) {
	for _, n := range connections {
		p := points[n]
		line("| %s, %d | %.1f | %.2f | %.2f |", name, n, p.batch(), p.redis()/p.lookups*us, c.PerLookup(p.batch())*us)
	}
}

func (c scaleCosts) report(line func(string, ...any), name string, lookups int) {
	line("%s spends %.1f µs on a round trip and %.2f µs on each lookup in it. Lookups per request: %d. This line is "+
		"within %.0f %% of each point.", name, c.RoundTrip*us, c.Lookup*us, lookups, 100*c.deviation)
}

// reportPoint compares a point with its prediction. service is the CPU time that the instances spend per request.
// The number of busy cores, and the CPU time that the senders spend per request, are those of the point like.
func reportPoint(line func(string, ...any), name string, p, like *scalePoint, service float64, c scaleCosts) {
	row := func(what, format string, predicted, measured float64) {
		line("| %s | "+format+" | "+format+" | %+.1f %% |", what, predicted, measured, 100*(measured/predicted-1))
	}
	line("| **%s**, %.1f lookups a round trip | | | |", name, p.batch())
	redis := c.PerLookup(p.batch()) * p.lookups / p.requests
	row("Redis's µs a request", "%.2f", redis*us, p.redis()/p.requests*us)
	if len(p.nodes) > 1 {
		for i, node := range p.nodes {
			predicted := (c.RoundTrip*node.roundTrips + c.Lookup*node.lookups) / p.requests
			row(fmt.Sprintf("of node %d", i+1), "%.2f", predicted*us, node.cpu/p.requests*us)
		}
	}
	row("requests/s", "%.0f", like.cores()/(redis+service+like.load/like.requests), p.perSecond())
}

// reportCapacity simulates instances on one Redis and on Clusters with the measured costs.
func (s scaleResults) reportCapacity(line func(string, ...any), single, cluster scaleCosts) {
	perRequest := []float64{
		s.single[scaleAt].service / s.single[scaleAt].requests, s.cluster[scaleAt].service / s.cluster[scaleAt].requests,
	}
	line("\nSimulated with these costs (`bench/scale`): the requests/s that n instances can serve if 99 of 100 lookups "+
		"take %.0f ms or less. An instance has %d cores and spends %.0f µs of one on a request, %.0f µs on a Cluster, as "+
		"measured at %d connections, half of it before the lookup; the network takes %.1f ms there and back (both assumed). "+
		"A figure is bold if Redis is the first limit; otherwise the instances' CPU is. The utilization of Redis's busiest "+
		"thread is in brackets. It does not show the limit of Redis, because lookups that wait share a round trip.\n",
		scaleLimit*1e3, scaleCores, perRequest[0]*us, perRequest[1]*us, scaleAt, scaleNetwork*1e3)
	line("| instances | one Redis | lookups a round trip | a Cluster of %d | a Cluster of %d |\n|--:|--:|--:|--:|--:|",
		scaleMasters[1], scaleMasters[2])
	setup := scale.Setup{Cores: scaleCores, Network: scaleNetwork, Rule: scale.ServiceRule, Seed: 1}
	carried := make([]scale.Capacity, len(scaleInstances)*len(scaleMasters))
	var all sync.WaitGroup
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range carried {
		setup := setup
		setup.Instances, setup.Nodes = scaleInstances[i/len(scaleMasters)], scaleMasters[i%len(scaleMasters)]
		cpu := perRequest[min(1, setup.Nodes-1)]
		setup.Before, setup.After = cpu/2, cpu/2
		if setup.Lookups, setup.Cost = 1, single.Cost; setup.Nodes > 1 {
			setup.Lookups, setup.Cost = 2, cluster.Cost
		}
		all.Go(func() {
			turns <- struct{}{}
			carried[i] = scale.Carried(setup, scaleLimit)
			<-turns
		})
	}
	all.Wait()
	for i, n := range scaleInstances {
		c := carried[i*len(scaleMasters):]
		line("| %d | %s | %.0f | %s | %s |", n, capacityCell(c[0]), c[0].Batch, capacityCell(c[1]), capacityCell(c[2]))
	}
}

func capacityCell(c scale.Capacity) string {
	busiest := 0.0
	for _, utilization := range c.Redis {
		busiest = max(busiest, utilization)
	}
	cell := fmt.Sprintf("%.0f (%.0f %%)", c.PerSecond, 100*busiest)
	if !c.CPUFirst {
		cell = "**" + cell + "**"
	}
	return cell
}
