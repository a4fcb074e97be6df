package db

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// A client of a Cluster is given the addresses of some nodes. It asks one of them for the slots, and from then on uses
// the addresses that this node announces. Behind NAT, in containers and through a tunnel these are often different
// addresses, which the client cannot reach.

// unreachableError is why no connection could be made to an address that a node of a Cluster announces.
type unreachableError struct {
	by   string // the address of the node that announces it, which answers
	addr string
	err  error
}

func (e *unreachableError) Error() string { return announces(e.by, e) }

func (e *unreachableError) Unwrap() error { return e.err }

// announces returns a sentence about addresses that a node announces and that cannot be reached.
func announces(by string, unreachable ...*unreachableError) string {
	addresses := make([]string, len(unreachable))
	for i, e := range unreachable {
		why := e.err
		var op *net.OpError
		if errors.As(e.err, &op) { // its text repeats the address
			why = op.Err
		}
		addresses[i] = fmt.Sprintf("%s (%v)", e.addr, why)
	}
	return fmt.Sprintf("the node at %s answers, but announces %s, which cannot be reached from here",
		by, strings.Join(addresses, ", "))
}

// adviceOnAnnounced returns advice about addresses that a node announces and that cannot be reached.
func (d *dialer) adviceOnAnnounced() string {
	port := "cluster-announce-port"
	if d.tls != nil {
		port = "cluster-announce-tls-port"
	}
	return "if Redis is running there, set cluster-announce-ip, cluster-announce-hostname or " + port +
		" in the configuration of each node to an address that can be reached from here, or run the service in the " +
		"network of the nodes"
}

// announcedBy returns the address of a configured node of a Cluster that answers, if addr was announced by a node and
// has never been reached, and "" otherwise.
func (d *dialer) announcedBy(addr string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, reached := d.nodes[addr]; reached || slices.Contains(d.seeds, addr) {
		return ""
	}
	for _, seed := range d.seeds {
		if d.nodes[seed] {
			return seed
		}
	}
	return ""
}

// recordNode records whether a node of a Cluster accepts the user.
func (d *dialer) recordNode(addr string, accepted bool) {
	if len(d.seeds) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nodes[addr] = accepted
}

// refusing returns the addresses of the nodes of a Cluster that refuse the user.
func (d *dialer) refusing() (addrs []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for addr, accepted := range d.nodes {
		if !accepted {
			addrs = append(addrs, addr)
		}
	}
	slices.Sort(addrs)
	return addrs
}
