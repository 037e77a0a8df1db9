// Package rl trains policies and runs them: Proximal Policy Optimization (PPO) and Discrete Soft Actor-Critic (SAC)
// with any encoder of package gnn, over environments of package sim.
//
// The path through it:
//
//   - [Config] is everything that a policy depends on; configs/policies explains each key. Its [Config.Hash] names
//     what is trained.
//   - [Train] runs the loop of train.go: step the environments with the present policy, learn, log, save. It writes
//     a checkpoint to go on from, a learning curve (the columns are [Metrics]) and, at the end, the policy.
//   - [LoadPolicy] reads a policy; [NewController] makes a sim.Controller of it, which sees the cluster through the same
//     observations as the environment that it was trained in.
//
// Of the algorithms, gae.go, ppo_loss.go, ppo_update.go and sac_update.go hold the formulas, with their sources, on
// tensors and nothing else: they are what the reference numbers are compared with. ppo.go and sac.go feed them from
// a rollout and a replay buffer. parts.go is the distribution over actions with several parts and masks, sample.go
// draws from it in Go.
//
// Everything is a function of configuration, seed and environment: no clock, no global random numbers, nothing that
// depends on the number of cores. The same configuration gives the same bytes in every file, and a run that was
// interrupted and resumed gives the bytes of one that was not. All tensor work of a run is done on one torch thread.
//
// The package does not build environments and does not know scenarios, recordings or tables: cmd and benchmark do.
package rl
