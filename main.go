// Command grlscaler replays recorded traffic into a simulated Kubernetes cluster, trains autoscaling policies there
// and benchmarks them against real autoscalers. Run "grlscaler help", or see README.md.
package main

import "github.com/grlscaler/grlscaler/cmd"

func main() { cmd.Execute() }
