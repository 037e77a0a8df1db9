package trace

import "time"

type (
	endpointRows []EndpointRow
	serviceRows  []ServiceRow
	edgeRows     []EdgeRow
	nodeRows     []NodeRow
)

func (r *endpointRows) len() int { return len(*r) }
func (r *serviceRows) len() int  { return len(*r) }
func (r *edgeRows) len() int     { return len(*r) }
func (r *nodeRows) len() int     { return len(*r) }

func (r *endpointRows) get(i int, c *cells) {
	x := &(*r)[i]
	c.fill(int64(x.At), x.Endpoint, "", x.RPS, x.P50Ms, x.P95Ms, x.P99Ms, x.ErrorRate, x.MeanMs)
}

func (r *serviceRows) get(i int, c *cells) {
	x := &(*r)[i]
	c.fill(int64(x.At), x.Service, "", x.Replicas, x.Ready, x.CPUMillis, x.MemMiB, x.RPS, x.P50Ms, x.P95Ms, x.P99Ms,
		x.ErrorRate, x.RxKbps, x.TxKbps, x.Throttled, x.MeanMs)
}

func (r *edgeRows) get(i int, c *cells) {
	x := &(*r)[i]
	c.fill(int64(x.At), x.Src, x.Dst, x.RPS, x.P95Ms, x.ErrorRate)
}

func (r *nodeRows) get(i int, c *cells) {
	x := &(*r)[i]
	c.fill(int64(x.At), x.Node, x.Pool, x.CPUMillis, x.MemMiB, x.CPUUsedMillis, x.MemUsedMiB)
}

func (r *endpointRows) add(c *cells) {
	v := &c.values
	*r = append(grown(*r), EndpointRow{
		At: time.Duration(c.at), Endpoint: c.texts[0],
		RPS: v[0], P50Ms: v[1], P95Ms: v[2], P99Ms: v[3], ErrorRate: v[4], MeanMs: v[5],
	})
}

func (r *serviceRows) add(c *cells) {
	v := &c.values
	*r = append(grown(*r), ServiceRow{
		At: time.Duration(c.at), Service: c.texts[0],
		Replicas: v[0], Ready: v[1], CPUMillis: v[2], MemMiB: v[3], RPS: v[4], P50Ms: v[5], P95Ms: v[6], P99Ms: v[7],
		ErrorRate: v[8], RxKbps: v[9], TxKbps: v[10], Throttled: v[11], MeanMs: v[12],
	})
}

func (r *edgeRows) add(c *cells) {
	v := &c.values
	*r = append(grown(*r), EdgeRow{
		At: time.Duration(c.at), Src: c.texts[0], Dst: c.texts[1],
		RPS: v[0], P95Ms: v[1], ErrorRate: v[2],
	})
}

func (r *nodeRows) add(c *cells) {
	v := &c.values
	*r = append(grown(*r), NodeRow{
		At: time.Duration(c.at), Node: c.texts[0], Pool: c.texts[1],
		CPUMillis: v[0], MemMiB: v[1], CPUUsedMillis: v[2], MemUsedMiB: v[3],
	})
}
