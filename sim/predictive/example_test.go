package predictive_test

import (
	"fmt"
	"time"

	"github.com/grlscaler/grlscaler/sim/predictive"
)

// An HPA calculates 2, 2, 3, 4, 6 replicas, one sync of 15 s after the other, and then 3. A line through the last counts, read off
// 30 s ahead, is there earlier: as far as the default policy lets it, which is 4 pods or 100 % more within 60 s. Downscale
// stabilisation then keeps the replicas, because 9 were wanted within the last 300 s.
func Example() {
	web, err := predictive.New(predictive.Spec{
		Name: "web", MaxReplicas: 10,
		Models: []predictive.ModelSpec{{
			Type: predictive.LinearModel, Name: "line",
			Linear: &predictive.Linear{LookAhead: 30 * time.Second, HistorySize: 3},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	replicas := int32(2)
	for i, calculated := range []int32{2, 2, 3, 4, 6, 3} {
		now := time.Duration(i) * 15 * time.Second
		d := web.Sync(now, calculated)
		s := web.Settle(now, replicas, d.Replicas)
		fmt.Printf("%s; %d -> %d\n", d.Explain(), replicas, s.Desired)
		replicas = s.Desired
	}
	// Output:
	// 0s: 2 replicas, as calculated: calculated 2, line predicts 2 (2); 2 -> 2
	// 15s: 2 replicas, as calculated: calculated 2, line predicts 2 (2); 2 -> 2
	// 30s: 4 replicas, the maximum, from line: calculated 3, line predicts 4 (3.833); 2 -> 4
	// 45s: 6 replicas, the maximum, from line: calculated 4, line predicts 6 (5.2); 4 -> 6
	// 1m0s: 9 replicas, the maximum, from line: calculated 6, line predicts 9 (8.3); 6 -> 6
	// 1m15s: 5 replicas, the maximum, from line: calculated 3, line predicts 5 (4.7); 6 -> 6
}
