// Package simtest holds what tests of simulators, controllers and environments share: two small applications, a load
// source of steps, and conformance tests that every implementation of a seam must pass ([TestController],
// [TestEnv]). It is imported by tests alone.
package simtest
