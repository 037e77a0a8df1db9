package theory

// Closed is a network of Customers that come back for ever: each spends a time of mean Think on its own and then needs
// Mean of one of Cores, which all that are there share (the machine repairman, with processor sharing). It is what the
// workers of a saturated replica are: never without a visit, waiting and working in turn.
type Closed struct {
	Customers int
	Think     float64
	Mean      float64
	Cores     int
}

// Numbers returns P(n customers at work) for n = 0..Customers, a product form whatever the distributions (Kelly,
// Reversibility and Stochastic Networks, 1979, section 3.3): p(n) = p(n-1) (N-n+1)/Think · Mean/min(n, Cores).
func (c Closed) Numbers() []float64 {
	p := make([]float64, c.Customers+1)
	if c.Think == 0 {
		p[c.Customers] = 1
		return p
	}
	p[0] = 1
	sum := 1.0
	for n := 1; n <= c.Customers; n++ {
		p[n] = p[n-1] * float64(c.Customers-n+1) * c.Mean / (c.Think * float64(min(n, c.Cores)))
		sum += p[n]
	}
	for n := range p {
		p[n] /= sum
	}
	return p
}

// Throughput is the rate of pieces of work done.
func (c Closed) Throughput() float64 {
	busy := 0.0
	for n, p := range c.Numbers() {
		busy += p * float64(min(n, c.Cores))
	}
	return busy / c.Mean
}
