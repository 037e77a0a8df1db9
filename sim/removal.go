package sim

import "time"

// This file says what a removed pod goes through. Balancers go on sending to it for Service.RemovalLag, until the end of its endpoint
// has come round to all of them. Meanwhile it serves as before while its preStop hook holds up the signal to end
// (Service.PreStop); after that it takes no new visits, and who is sent to it fails. What it has taken it goes on with until
// its grace is over; the rest fails then.

// removalStage is where a removed pod stands.
type removalStage uint8

const (
	drains  removalStage = iota // gets no new visits
	serves                      // gets them and takes them
	refuses                     // gets them and refuses them
)

// beginRemoval puts a ready pod on its way out.
func (c *cluster) beginRemoval(svc *Service, p *pod) {
	p.removedAt, p.stage = c.st.At, drains
	if svc.RemovalLag > 0 && svc.Balancing != SharedQueue { // from a queue it takes no more by itself
		if p.stage = refuses; svc.PreStop > 0 {
			p.stage = serves
		}
	}
	p.eventAt, p.stranded = p.stageEnds(svc), unknown
}

// unknown is what a pod's stranded requests are until somebody counts them.
const unknown = -1

// stageEnds is when the pod's stage is over; that of the last one the pod is gone.
func (p *pod) stageEnds(svc *Service) time.Duration {
	switch p.stage {
	case serves:
		return p.removedAt + min(svc.PreStop, svc.RemovalLag)
	case refuses:
		return p.removedAt + svc.RemovalLag
	}
	return p.removedAt + svc.Grace
}

// nextStage moves a removed pod on, past stages without length too. It is false if the pod is gone.
func (c *cluster) nextStage(svc *Service, p *pod) bool {
	for p.stageEnds(svc) <= c.st.At {
		switch {
		case p.stage == drains:
			return false
		case p.stage == serves && svc.PreStop < svc.RemovalLag:
			p.stage = refuses
		default:
			p.stage = drains
		}
		c.changed = true
	}
	p.eventAt = p.stageEnds(svc)
	return true
}

// takesVisits tells whether new visits come to the pod and are served.
func (p *pod) takesVisits() bool {
	return p.phase == PodReady || p.phase == PodTerminating && p.stage == serves
}

// refusesVisits tells whether new visits come to the pod and fail.
func (p *pod) refusesVisits() bool { return p.phase == PodTerminating && p.stage == refuses }
