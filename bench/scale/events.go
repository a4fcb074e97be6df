package scale

// event is something that happens at a given time.
type event struct {
	at float64
	do func()
}

// events is a heap: the event at index i is not later than those at 2i+1 and 2i+2.
type events []event

func (e *events) push(added event) {
	*e = append(*e, added)
	h := *e
	i := len(h) - 1
	for i > 0 && added.at < h[(i-1)/2].at {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = added
}

// pop removes the earliest event.
func (e *events) pop() (first event) {
	h := *e
	first = h[0]
	last := h[len(h)-1]
	h[len(h)-1] = event{}
	h = h[:len(h)-1]
	*e = h
	i := 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].at < h[child].at {
			child++
		}
		if h[child].at >= last.at {
			break
		}
		h[i] = h[child]
		i = child
	}
	if len(h) > 0 {
		h[i] = last
	}
	return first
}
