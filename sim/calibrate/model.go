package calibrate

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/grlscaler/grlscaler/sim"
)

// Source is an application file.
type Source struct {
	Name string // for messages
	Data []byte
}

// model is an application with the numbers that can be fitted, as its file has them, and where they stand.
type model struct {
	source Source
	app    *sim.App
	numbers
	place  []opPlace   // [op] position in the file
	visits [][]float64 // [endpoint][op] mean visits per request
}

type opPlace struct{ service, index int }

// numbers are the numbers of an application file that can be fitted, in its units.
type numbers struct {
	speed float64 // speed_factor

	// by operation
	cpu, wake, wait, cv, waitCV []float64
	// by service
	base, startCPU, startFixed, startJitter, warmCalls, warmFactor []float64
}

func (n numbers) clone() numbers {
	for _, p := range []*[]float64{&n.cpu, &n.wake, &n.wait, &n.cv, &n.waitCV, &n.base, &n.startCPU, &n.startFixed, &n.startJitter, &n.warmCalls, &n.warmFactor} {
		*p = slices.Clone(*p)
	}
	return n
}

// readModel decodes an application file.
func readModel(src Source) (*model, error) {
	app, err := sim.DecodeApp(bytes.NewReader(src.Data), src.Name)
	if err != nil {
		return nil, err
	}
	m := &model{source: src, app: app}
	ed, err := newEditor(src.Name, src.Data)
	if err != nil {
		return nil, err
	}
	m.speed = 1
	if n := ed.find("speed_factor"); n != nil {
		if m.speed, err = strconv.ParseFloat(n.Value, 64); err != nil {
			return nil, fmt.Errorf("%s:%d: speed_factor: %w", src.Name, n.Line, err)
		}
	}
	index := make([]int, len(app.Services))
	for o := range app.Ops {
		op := &app.Ops[o]
		m.place = append(m.place, opPlace{op.Service, index[op.Service]})
		index[op.Service]++
		m.cpu = append(m.cpu, op.CPUMs*m.speed)
		m.wake = append(m.wake, op.WakeMs*m.speed)
		m.wait = append(m.wait, op.WaitMs)
		m.cv = append(m.cv, op.CV)
		m.waitCV = append(m.waitCV, op.WaitCV)
	}
	for s := range app.Services {
		v := &app.Services[s]
		m.base = append(m.base, v.BaseCPUMillis)
		m.startCPU = append(m.startCPU, v.StartupCPUMs)
		m.startFixed = append(m.startFixed, v.StartupFixed.Seconds())
		m.startJitter = append(m.startJitter, v.StartupJitter.Seconds())
		m.warmCalls = append(m.warmCalls, v.WarmupCalls)
		m.warmFactor = append(m.warmFactor, v.WarmupFactor)
	}
	m.countVisits()
	return m, nil
}

// countVisits walks the call graph, which has no cycle, from each endpoint.
func (m *model) countVisits() {
	order := make([]int, 0, len(m.app.Ops)) // callees before callers
	done := make([]bool, len(m.app.Ops))
	var walk func(o int)
	walk = func(o int) {
		done[o] = true
		for _, c := range m.app.Ops[o].Calls {
			if !done[c.Op] {
				walk(c.Op)
			}
		}
		order = append(order, o)
	}
	for o := range m.app.Ops {
		if !done[o] {
			walk(o)
		}
	}
	slices.Reverse(order)
	for e := range m.app.Endpoints {
		v := make([]float64, len(m.app.Ops))
		v[m.app.Endpoints[e].Op] = 1
		for _, o := range order {
			for _, c := range m.app.Ops[o].Calls {
				v[c.Op] += v[o] * c.Mean
			}
		}
		m.visits = append(m.visits, v)
	}
}

// opsOf lists the operations of a service.
func (m *model) opsOf(s int) []int {
	var ops []int
	for o := range m.app.Ops {
		if m.app.Ops[o].Service == s {
			ops = append(ops, o)
		}
	}
	return ops
}

// opKey and serviceKey name a number as reports show it.
func (m *model) opKey(o int, field string) string { return m.app.Ops[o].Name + "." + field }

func (m *model) serviceKey(s int, field string) string { return m.app.Services[s].Name + "." + field }

// The fields of an application file that can be fitted.
const (
	fieldCPU         = "cpu_ms"
	fieldWake        = "wake_ms"
	fieldWait        = "wait_ms"
	fieldCV          = "cv"
	fieldWaitCV      = "wait_cv"
	fieldBase        = "base_cpu_m"
	fieldStartCPU    = "startup.cpu_ms"
	fieldStartFixed  = "startup.fixed_s"
	fieldStartJitter = "startup.jitter_s"
	fieldWarmCalls   = "warmup.calls"
	fieldWarmFactor  = "warmup.factor"
	fieldSpeed       = "speed_factor"
)

// after says behind which key a missing one is put.
var after = map[string][]string{
	fieldCPU: {"name"}, fieldWake: {fieldCPU, "name"}, fieldWait: {"cv", fieldWake, fieldCPU, "name"},
	fieldCV: {fieldWake, fieldCPU, "name"}, fieldWaitCV: {fieldWait, "name"},
	fieldBase: {"grace_s", "mem_limit_mib", "name"}, fieldStartCPU: {"mem_limit_mib", "name"}, fieldStartFixed: {"mem_limit_mib", "name"},
	fieldStartJitter: {"mem_limit_mib", "name"}, fieldWarmCalls: {"mem_limit_mib", "name"}, fieldWarmFactor: {"mem_limit_mib", "name"},
	fieldSpeed: {"name", "format"},
}

// change is a new number in an application file.
type change struct {
	op, service int // -1 where it is not of one
	field       string
	note        note
}

// write returns the file with changes made.
func (m *model) write(changes []change) ([]byte, error) {
	ed, err := newEditor(m.source.Name, m.source.Data)
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		var path []any
		switch {
		case c.op >= 0:
			path = []any{"services", m.place[c.op].service, "operations", m.place[c.op].index}
		case c.service >= 0:
			path = []any{"services", c.service}
		}
		key, sub, _ := strings.Cut(c.field, ".")
		if err := ed.set(path, key, sub, after[c.field], c.note); err != nil {
			return nil, err
		}
	}
	return ed.bytes(), nil
}

// with decodes the application with other numbers.
func (m *model) with(n *numbers) (*sim.App, error) {
	var changes []change
	add := func(op, service int, field string, was, now float64) {
		if was != now {
			changes = append(changes, change{op, service, field, note{value: strconv.FormatFloat(now, 'f', -1, 64)}})
		}
	}
	add(-1, -1, fieldSpeed, m.speed, n.speed)
	for o := range m.cpu {
		add(o, -1, fieldCPU, m.cpu[o], n.cpu[o])
		add(o, -1, fieldWake, m.wake[o], n.wake[o])
		add(o, -1, fieldWait, m.wait[o], n.wait[o])
		add(o, -1, fieldCV, m.cv[o], n.cv[o])
		add(o, -1, fieldWaitCV, m.waitCV[o], n.waitCV[o])
	}
	for s := range m.base {
		add(-1, s, fieldBase, m.base[s], n.base[s])
		add(-1, s, fieldStartCPU, m.startCPU[s], n.startCPU[s])
		add(-1, s, fieldStartFixed, m.startFixed[s], n.startFixed[s])
		add(-1, s, fieldStartJitter, m.startJitter[s], n.startJitter[s])
		add(-1, s, fieldWarmCalls, m.warmCalls[s], n.warmCalls[s])
		add(-1, s, fieldWarmFactor, m.warmFactor[s], n.warmFactor[s])
	}
	data, err := m.write(changes)
	if err != nil {
		return nil, err
	}
	return sim.DecodeApp(bytes.NewReader(data), m.source.Name)
}
