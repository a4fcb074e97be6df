package main

import (
	"fmt"
	"os"
	"time"
)

// scaleResults are the inputs of the simulation in bench/scale, and the measurements to compare it with.
type scaleResults struct {
	// The keys are numbers of connections. single is one instance on one Redis. cluster is one instance on a Cluster
	// of three masters. two is two instances on one Redis, measured only at scaleAt.
	single, cluster, two map[int]*scalePoint
	perToken             float64 // bytes of a Cluster per revoked token
	// From the start of an instance to its first response: on a Cluster that has no epochs yet, and on one that has.
	storing, reading time.Duration
}

// scalePoint has the sums of all turns of an arrangement at a number of connections.
type scalePoint struct {
	counters
	requests float64
	load     float64  // CPU of the programs that send the requests, in seconds
	turns    []loaded // what the senders measured in each turn
}

// The costs are measured at scaleConnections and confirmed at scaleAt. A single connection is not measured, because
// Redis would mostly fall asleep and wake up.
var scaleConnections = []int{4, 16, 64, 256}

const scaleAt = 64

// measureScale gives each arrangement a turn at each number of connections in every round.
func (b *bench) measureScale(r *results) error {
	tokens, err := b.writeTokens("scale", 1000) // those of one user would be at one node
	if err != nil {
		return err
	}
	var single, two, cluster arrangement
	for _, part := range []struct {
		*arrangement
		instances, masters int
	}{{&single, 1, 0}, {&two, 2, 0}, {&cluster, 1, 3}} {
		defer part.end()
		if err := b.arrange(part.arrangement, part.instances, part.masters); err != nil {
			return err
		}
	}
	s := &r.scale
	s.storing = cluster.instances[0].first
	if s.reading, err = b.startOften(&cluster); err != nil {
		return err
	}
	if err := b.countIdle(&single, &two, &cluster); err != nil {
		return err
	}
	s.single, s.cluster, s.two = map[int]*scalePoint{}, map[int]*scalePoint{}, map[int]*scalePoint{}
	for range b.half() {
		for _, connections := range scaleConnections {
			turns := []scaleTurn{{&single, s.single, connections}, {&cluster, s.cluster, connections}}
			if connections == scaleAt {
				turns = append(turns, scaleTurn{&two, s.two, connections})
			}
			for _, turn := range turns {
				if err := b.takeScaleTurn(turn, tokens); err != nil {
					return fmt.Errorf("%d connections: %w", connections, err)
				}
			}
		}
	}
	s.perToken, err = b.revokeInCluster(&cluster)
	return err
}

// scaleTurn is a turn of an arrangement at a number of connections, and the points to which its results are added.
type scaleTurn struct {
	*arrangement
	points      map[int]*scalePoint
	connections int
}

// takeScaleTurn sends requests to all instances of an arrangement at the same time, as fast as they can answer, and
// adds the costs to its point. A turn with failed requests is repeated.
func (b *bench) takeScaleTurn(turn scaleTurn, tokens string) error {
	var err error
	for range 3 {
		started := time.Now()
		var before, after counters
		if before, err = b.count(turn.arrangement); err != nil {
			return err
		}
		var l loaded
		if l, err = b.loadAll(turn.arrangement, tokens, turn.connections/len(turn.instances)); err != nil {
			fmt.Fprintln(os.Stderr, "bench: repeating a turn:", err)
			continue
		}
		if after, err = b.count(turn.arrangement); err != nil {
			return err
		}
		p := turn.points[turn.connections]
		if p == nil {
			p = &scalePoint{}
			turn.points[turn.connections] = p
		}
		p.add(after, 1)
		p.add(before, -1)
		p.add(turn.idle, -time.Since(started).Seconds())
		p.requests += (after.lookups - before.lookups) / turn.lookups
		p.load += l.cpu
		p.turns = append(p.turns, l)
		return nil
	}
	return err
}

// counters are the counters of the instances and the nodes of an arrangement since their start. CPU is in seconds.
type counters struct {
	service             float64 // CPU
	lookups, roundTrips float64 // of all instances
	nodes               []nodeCounters
}

type nodeCounters struct {
	cpu                 float64
	lookups, roundTrips float64 // of a Cluster's node
}

// add adds the other counters, multiplied by times.
func (c *counters) add(other counters, times float64) {
	c.service += times * other.service
	c.lookups += times * other.lookups
	c.roundTrips += times * other.roundTrips
	if c.nodes == nil {
		c.nodes = make([]nodeCounters, len(other.nodes))
	}
	for i, node := range other.nodes {
		c.nodes[i].cpu += times * node.cpu
		c.nodes[i].lookups += times * node.lookups
		c.nodes[i].roundTrips += times * node.roundTrips
	}
}

// countIdle measures the counters of arrangements without requests for a second. This load is not part of the cost
// of a request: Redis runs timers, the nodes of a Cluster check each other, and instances query Redis.
func (b *bench) countIdle(all ...*arrangement) error {
	const seconds = 1
	for _, times := range []float64{-1, 1} {
		for _, a := range all {
			c, err := b.count(a)
			if err != nil {
				return err
			}
			a.idle.add(c, times/seconds)
		}
		if times < 0 {
			time.Sleep(seconds * time.Second)
		}
	}
	return nil
}

// count reads the counters of an arrangement.
func (b *bench) count(a *arrangement) (c counters, err error) {
	for i, instance := range a.instances {
		c.service += instance.cpu()
		metrics, err := b.readMetrics(a.metrics[i])
		if err != nil {
			return c, err
		}
		c.lookups += metrics["gin_auth_redis_lookups_per_batch_sum"]
		c.roundTrips += metrics["gin_auth_redis_lookups_per_batch_count"]
	}
	for _, client := range a.clients {
		info, err := client.Info(b.ctx, "cpu", "commandstats").Result()
		if err != nil {
			return c, err
		}
		c.nodes = append(c.nodes, countersOf(parseInfo(info)))
	}
	return c, nil
}

// countersOf returns the counters of a node of a Cluster from its INFO. A lookup is two commands: an EXISTS or a GET of
// its key, and a GET of the epoch of the key's slot. A round trip has one TIME.
func countersOf(info map[string]float64) nodeCounters {
	return nodeCounters{
		cpu:        info["used_cpu_user"] + info["used_cpu_sys"],
		lookups:    (info["cmdstat_exists"] + info["cmdstat_get"]) / 2,
		roundTrips: info["cmdstat_time"],
	}
}
