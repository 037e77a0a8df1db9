// Package rltest holds environments for tests of learning code: small ones whose best reward is known
// ([Bandit], [Chain]), a cheap one of the real shape for measuring the learner alone ([Synthetic]), and
// [TestEnv], which checks that an environment keeps the contract of sim.VectorEnv.
package rltest
