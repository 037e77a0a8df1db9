// Package theory holds closed forms of queueing theory: what the engines of package sim are held to.
//
// Each queue is a small struct of its parameters with methods for what is known of it exactly:
//
//	[MMC]            M/M/c, first come first served: means, and distributions of waiting and sojourn times
//	[MD1]            M/D/1: mean, distribution of the waiting time
//	[MG1]            M/G/1: mean (Pollaczek and Khinchine), with an exceptional first service of a busy period (Welch)
//	[EM1]            E_k/M/1: what each of k replicas sees behind a round robin
//	[PS]             M/G/c with processor sharing: insensitive to the distribution, linear in a visit's size
//	[MMCK]           M/M/c/K: losses of a finite room
//	[Hypoexponential] sums of exponential times: the sojourn through a tandem of M/M/1 queues
//	[Jackson]        open networks of M/M/c stations
//	[ForkJoin2]      two M/M/1 queues that every request visits at once (Nelson and Tantawi)
//	[Closed]         customers that come back for ever: the workers of a saturated replica
//	[Overload]       growth and drain of a backlog, [SharedOverload] with processor sharing
//	[QuotaVisit]     a lone visit under a CFS quota
//
// Rates and times are in any unit of time, the same for all parameters of a struct. A queue that is not stable has
// means of +Inf and distribution functions of 0. The package knows nothing of engines; package sim's tests join the two.
package theory
