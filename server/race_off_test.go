//go:build !race

package server_test

const poolLoss = 0
