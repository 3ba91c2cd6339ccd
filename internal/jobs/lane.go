package jobs

// lane is the heap of one queue: the earliest first, and of those the one that
// came first. It implements container/heap.Interface.
type lane struct {
	queue   string
	weight  int
	credit  int
	waiting int // hints in all, with those whose row is being worked on
	entries []*entry
}

func (l *lane) Len() int { return len(l.entries) }

func (l *lane) Less(i, j int) bool {
	a, b := l.entries[i], l.entries[j]
	if a.due.Equal(b.due) {
		return a.order < b.order
	}
	return a.due.Before(b.due)
}

func (l *lane) Swap(i, j int) {
	l.entries[i], l.entries[j] = l.entries[j], l.entries[i]
	l.entries[i].at, l.entries[j].at = i, j
}

// Push adds an *entry.
func (l *lane) Push(x any) {
	e := x.(*entry)
	e.at = len(l.entries)
	l.entries = append(l.entries, e)
}

// Pop takes the last *entry of the slice.
func (l *lane) Pop() any {
	last := len(l.entries) - 1
	e := l.entries[last]
	l.entries[last] = nil
	l.entries = l.entries[:last]
	e.at = -1
	return e
}

// pick shares turns by weight among the lanes given, evenly spread: the smooth
// weighted round-robin of nginx (ngx_http_upstream_round_robin.c).
func pick(lanes []*lane) *lane {
	best, total := lanes[0], 0
	for _, l := range lanes {
		l.credit += l.weight
		total += l.weight
		if l.credit > best.credit {
			best = l
		}
	}
	best.credit -= total
	return best
}
