package theory

// PS is a replica of Cores cores without a limit on the visits that run at once: with n of them each runs at min(1,
// Cores/n). Visits arrive as a Poisson stream of rate Lambda and need Mean on a core of their own. With one core it
// is M/G/1-PS.
//
// It is a symmetric queue (Kelly, Reversibility and Stochastic Networks, 1979, section 3.3): the number of visits
// is distributed as in M/M/c, whatever the distribution of what they need, and the mean time of a visit is
// proportional to what it needs.
type PS struct {
	Lambda float64
	Mean   float64
	Cores  int
}

func (q PS) mmc() MMC { return MMC{Lambda: q.Lambda, Mu: 1 / q.Mean, Servers: q.Cores} }

// Utilisation is the share of the cores that is busy.
func (q PS) Utilisation() float64 { return q.mmc().Utilisation() }

// MeanSojourn is the mean time of a visit; with one core E[S]/(1 - ρ).
func (q PS) MeanSojourn() float64 { return q.mmc().MeanSojourn() }

// MeanSojournOf is the mean time of a visit that needs x; with one core x/(1 - ρ) (Kleinrock, "Time-shared systems:
// a theoretical treatment", Journal of the ACM 14, 1967).
func (q PS) MeanSojournOf(x float64) float64 { return x * q.Stretch() }

// Stretch is how many times longer visits take on average than they need.
func (q PS) Stretch() float64 { return q.MeanSojourn() / q.Mean }

// MeanNumber is the mean number of visits; with one core ρ/(1 - ρ).
func (q PS) MeanNumber() float64 { return Little(q.Lambda, q.MeanSojourn()) }
