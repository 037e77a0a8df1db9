package trace

import (
	"fmt"
	"slices"
)

// This file checks numbers against each other and against the application, where a single cell looks fine.

// Application is what a recording is checked against: the application that it is to be used with.
type Application struct {
	Name      string
	Endpoints []string
	Services  []string
	// LoadOnly says that nothing but the load is used: a service that the application does not have is only warned of.
	LoadOnly bool
}

const (
	// A replica cannot use more than its limit over an interval, but replicas that end count in neither column, and are there
	// for a part of it.
	aboveLimit = 2
	// aboveNode leaves room for rounding and for samples that are not quite in step.
	aboveNode = 1.1
	// slackMillis is CPU that no check is made of.
	slackMillis = 50
)

// known checks a name that is new to the table against the application.
func (c *checker) known(line int, col *column, text string) {
	if c.app == nil {
		return
	}
	what, names := "service", c.app.Services
	sev := SeverityError
	switch {
	case col.name == "endpoint" && text != TotalEndpoint:
		what, names = "endpoint", c.app.Endpoints
	case col.name == "service" || col.name == "src" || col.name == "dst":
		if c.app.LoadOnly {
			sev = SeverityWarning
		}
	default:
		return
	}
	if !slices.Contains(names, text) {
		cure := didYouMean(text, names)
		if len(names) > 30 {
			cure = "rename it, or name the application of the recording"
		}
		c.out.add(Finding{Severity: sev, Code: CodeUnknown, File: c.file, Line: line, Column: col.name, Cure: cure,
			Cause: fmt.Sprintf("application %s has no %s %s", c.app.Name, what, quoted(text))})
	}
}

// together checks a row that has found its place: cells that are empty, and numbers that do not fit each other.
func (c *checker) together(line int, row *cells, s *keyState) {
	s.rows++
	for i := range c.t.values() {
		if c.level[i] && !Has(row.values[i]) {
			if s.empty[i].n == 0 {
				s.empty[i].line = line
			}
			s.empty[i].n++
		}
	}
	switch c.t {
	case &servicesTable:
		c.service(line, row, s)
	case &nodesTable:
		c.node(line, row)
	}
}

// service checks CPU and requests of a service against its replicas.
func (c *checker) service(line int, row *cells, s *keyState) {
	replicas, cpu, rps := row.values[0], row.values[2], row.values[4]
	if replicas == 0 && (rps > 0 || cpu > slackMillis) {
		c.out.add(Finding{Severity: SeverityWarning, Code: CodeNoReplicas, File: c.file, Line: line, Column: "replicas",
			Cause: fmt.Sprintf("0 replicas of %s serve %s requests/s with %s m of CPU", s.label, short(rps), short(cpu))})
	}
	// Those that were there at some time in the interval are at least the ones at its end, or at the end before it.
	there := replicas
	if !(there >= s.wide) {
		there = max(s.wide, 0)
	}
	limit, ok := c.limits[s.label]
	if bound := aboveLimit * limit * max(there, 1); ok && Has(replicas) && cpu > bound+slackMillis {
		c.out.errorf(CodeAboveLimit, c.file, line, "cpu_m", "check the unit, cpu_limit_m in meta.yaml, and that the CPU of a pod counts once",
			"%s replicas of %s use %s m with a limit of %s m each", short(there), s.label, short(cpu), short(limit))
	}
	if Has(replicas) {
		s.wide = replicas
	}
	if cpu > c.mostCPU {
		c.mostCPU, c.mostCPULine = cpu, line
	}
}

// node checks CPU used against CPU there.
func (c *checker) node(line int, row *cells) {
	cpu, used := row.values[0], row.values[2]
	if Has(cpu) {
		c.nodeCPU += cpu
	}
	if used > aboveNode*cpu+slackMillis {
		c.out.errorf(CodeAboveNodes, c.file, line, "cpu_used_m", "check the unit, which is millicores", "node %s uses %s m of %s m", row.texts[0], short(used), short(cpu))
	}
}

// reportEmpty warns of cells that are empty in series that have values elsewhere.
func (c *checker) reportEmpty() {
	if c.out.errors > 0 { // a wrong number is an empty cell, too
		return
	}
	cols := c.t.values()
	for i := range c.states {
		s := &c.states[i]
		for k := range cols {
			if e := s.empty[k]; e.n > 0 && e.n < s.rows {
				c.out.add(Finding{Severity: SeverityWarning, Code: CodeMissing, File: c.file, Line: e.line, Column: cols[k].name,
					Cause: fmt.Sprintf("%s has no value in %d of %d rows, here first", s.label, e.n, s.rows)})
			}
		}
	}
}

// compareNodes checks the CPU of services against that of all nodes.
func compareNodes(services, nodes *checker, l *findings) {
	if services == nil || nodes == nil || !(nodes.mostNodeCPU > 0) {
		return
	}
	if services.mostCPU > aboveNode*nodes.mostNodeCPU+slackMillis {
		l.errorf(CodeAboveNodes, services.file, services.mostCPULine, "cpu_m", "check the units, which are millicores",
			"%s m are more than all nodes have, %s m", short(services.mostCPU), short(nodes.mostNodeCPU))
	}
}
