package report

// Data is what a report shows.
type Data struct {
	Title       string
	Summary     []byte // summary.md, whose text and tables the report repeats
	Config      []byte // config.yaml
	Controllers []Controller
	CostLabel   string    // of the plots of cost against violations
	Sections    []Section // in the order of the page
	Curves      []Curve   // of the policies' trainings
}

// Controller is one that the benchmark ran.
type Controller struct {
	Name  string
	Kind  string // policy, autoscaler, static, bound
	Shown bool   // its lines are there before a reader chooses
}

// Kinds that are drawn in their own way.
const (
	KindPolicy = "policy"
	KindStatic = "static"
	KindBound  = "bound"
)

// Section is a scenario, or all of them together. Name is a heading of Summary.
type Section struct {
	Name   string
	Points []Point
	// Seed is the one whose Runs are drawn over time; there may be none.
	Seed uint64
	Runs []Run
	SLOs []float64 // of the application's endpoints, ms
}

// Point is a controller's cost and violations, with the ends of their intervals (equal to the value where there is none).
type Point struct {
	Controller int
	Cost       Value
	Violations Value // percent
}

// Value is a number with the ends of its interval.
type Value struct{ Value, Low, High float64 }

// Run is one run, interval by interval.
type Run struct {
	Controller int
	Services   []Series // the application first
}

// Series is a service over time, or the application: one number for each control interval.
type Series struct {
	Name     string
	At       []float64 // end of the interval, seconds
	Needed   []float64 // replicas of the demand curve, the most in the interval
	Spec     []float64 // replicas wanted, at the end, like the next three
	Ready    []float64
	Starting []float64
	Pending  []float64
	RPS      []float64 // visits (of the application: requests) per second
	P95Ms    []float64 // 0 where nothing was completed
}

// Curve is the learning curve of a policy.
type Curve struct {
	Controller string
	Steps      []float64
	Reward     []float64 // mean total reward of the last episodes, NaN before the first ended
	Missing    string    // why there is none, else empty
}
