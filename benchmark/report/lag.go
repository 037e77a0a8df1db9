package report

import (
	"fmt"

	"github.com/grlscaler/grlscaler/internal/svg"
)

// Geometry of an illustration of the largest step.
const (
	lagWidth, lagHeight = 660, 380
	lagTop, lagBottom   = 44, 322
)

// What is shown around a step, seconds, and within how many intervals demand must rise to be one.
const (
	lagBefore, lagAfter = 60.0, 300.0
	stepIntervals       = 4
)

// step is the largest rise of a section's demand.
type step struct {
	service  int
	at       float64 // begin of the interval in which demand begins to rise
	from, to float64 // replicas needed
}

// largestStep finds the service whose demand rises by most replicas within four intervals. ok is false where it never rises.
func largestStep(sec *Section) (best step, ok bool) {
	if len(sec.Runs) == 0 {
		return step{}, false
	}
	for i := range sec.Runs[0].Services[1:] {
		s := &sec.Runs[0].Services[i+1]
		begin := startOf(s)
		for k := 1; k < len(s.Needed); k++ {
			for j := k; j < min(k+stepIntervals, len(s.Needed)); j++ {
				if s.Needed[j]-s.Needed[k-1] > best.to-best.from && s.Needed[k] > s.Needed[k-1] {
					best, ok = step{i + 1, begin[k], s.Needed[k-1], s.Needed[j]}, true
				}
			}
		}
	}
	return best, ok
}

// lag is how long a run had fewer replicas ready than needed after a step, as far as the ends of the intervals show it.
type lag struct {
	seconds float64
	missed  bool // it had fewer at all
	open    bool // and still had at the end of the run
}

func lagAfterStep(s *Series, st *step) (l lag) {
	begin := startOf(s)
	first := 0.0
	for i := range s.At {
		switch {
		case begin[i] < st.at:
		case !l.missed:
			// One that falls behind only after the step's demand is gone again did not lag because of it.
			if begin[i]-st.at > lagAfter {
				return l
			}
			if s.Ready[i] < s.Needed[i] {
				l.missed, l.open, first = true, true, begin[i]
				l.seconds = s.At[i] - first
			}
		case s.Ready[i] >= s.Needed[i]:
			l.open = false
			l.seconds = s.At[i] - first
			return l
		default:
			l.seconds = s.At[i] - first
		}
	}
	return l
}

func (l lag) words() string {
	switch {
	case !l.missed:
		return "no lag"
	case l.open:
		return "over " + duration(l.seconds) + ", open"
	}
	return "lag about " + duration(l.seconds)
}

// lagPicture draws what a controller wanted and what was starting and ready around the step.
func lagPicture(id string, name string, s *Series, st *step) string {
	at := startOf(s)
	i, j := 0, len(s.At)
	for i < len(s.At)-1 && s.At[i] <= st.at-lagBefore {
		i++
	}
	for j > i+1 && at[j-1] >= st.at+lagAfter {
		j--
	}
	cut := func(v []float64) []float64 { return v[i:j] }
	ready, starting, pending := cut(s.Ready), sum(cut(s.Ready), cut(s.Starting)), sum(cut(s.Ready), cut(s.Starting), cut(s.Pending))
	all := emptySpan()
	for _, v := range [][]float64{pending, cut(s.Spec), cut(s.Needed)} {
		all.add(v...)
	}
	begin, end := cut(at), s.At[j-1]
	l := lagAfterStep(s, st)
	p := &svg.Picture{}
	p.Begin(lagWidth, lagHeight, "panel", id, name+": "+s.Name+" at its largest step", fmt.Sprintf("Demand rises from %s to %s replicas at %s. %s.",
		svg.Number(st.from), svg.Number(st.to), duration(st.at), l.words()))
	x := &svg.Axis{Min: begin[0], Max: end, From: panelLeft, To: panelRight}
	y := &svg.Axis{Max: max(all.hi, 1), From: lagBottom, To: lagTop}
	frame(p, x, y, "replicas")
	timeLabels(p, x, clockFor(s.At[len(s.At)-1]), lagHeight-24)
	p.Path("ready", band(begin, nil, ready, end, x, y))
	p.Path("starting", band(begin, ready, starting, end, x, y))
	p.Path("pending", band(begin, starting, pending, end, x, y))
	missing := make([]float64, j-i)
	for k := range missing {
		missing[k] = max(ready[k], cut(s.Needed)[k])
	}
	p.Path("missing", band(begin, ready, missing, end, x, y))
	p.Path("wanted", steps(extend(begin, end), hold(cut(s.Spec)), x, y))
	p.Path("needed", steps(extend(begin, end), hold(cut(s.Needed)), x, y))
	p.Text(panelRight, lagTop-14, "e b", l.words())
	return p.End()
}

// sum adds lines point by point.
func sum(lines ...[]float64) []float64 {
	out := make([]float64, len(lines[0]))
	for _, v := range lines {
		for i := range v {
			out[i] += v[i]
		}
	}
	return out
}

// extend and hold let a step line go on to the end of its last interval.
func extend(x []float64, end float64) []float64 { return append(append([]float64{}, x...), end) }

func hold(v []float64) []float64 { return append(append([]float64{}, v...), v[len(v)-1]) }
