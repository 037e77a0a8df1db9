package theory

import (
	"fmt"
	"math"
)

// Jackson is an open network of exponential stations, first come first served (Jackson, "Networks of waiting
// lines", Operations Research 5, 1957): Poisson streams of rates External enter at the stations; who leaves station
// i goes on to station j with probability Routing[i][j], else away. In the long run each station is distributed as
// an M/M/c queue of its own, although what reaches it need not be Poisson.
type Jackson struct {
	External []float64
	Routing  [][]float64
	Mu       []float64
	Servers  []int
}

// Rates solves the traffic equations λ(j) = External(j) + sum over i of λ(i) Routing[i][j], by elimination with row
// exchanges.
func (n Jackson) Rates() ([]float64, error) {
	size := len(n.External)
	rows := make([][]float64, size) // (I - P^T | External)
	for j := range rows {
		rows[j] = make([]float64, size+1)
		for i := range size {
			rows[j][i] = -n.Routing[i][j]
		}
		rows[j][j]++
		rows[j][size] = n.External[j]
	}
	for col := range size {
		pivot := col
		for r := col + 1; r < size; r++ {
			if math.Abs(rows[r][col]) > math.Abs(rows[pivot][col]) {
				pivot = r
			}
		}
		rows[col], rows[pivot] = rows[pivot], rows[col]
		if math.Abs(rows[col][col]) < 1e-12 {
			return nil, fmt.Errorf("jackson network: customers never leave it from station %d; let its routing add up to less than 1 somewhere on their way", col)
		}
		for r := range size {
			if r == col {
				continue
			}
			factor := rows[r][col] / rows[col][col]
			for k := col; k <= size; k++ {
				rows[r][k] -= factor * rows[col][k]
			}
		}
	}
	rates := make([]float64, size)
	for j := range rates {
		rates[j] = rows[j][size] / rows[j][j]
	}
	return rates, nil
}

// Stations returns each station as the M/M/c queue that its number of customers is distributed as.
func (n Jackson) Stations() ([]MMC, error) {
	rates, err := n.Rates()
	if err != nil {
		return nil, err
	}
	out := make([]MMC, len(rates))
	for i := range out {
		out[i] = MMC{Lambda: rates[i], Mu: n.Mu[i], Servers: n.Servers[i]}
	}
	return out, nil
}

// MeanSojourn is the mean time from entering the network to leaving it: customers in all stations over customers
// that enter.
func (n Jackson) MeanSojourn() (float64, error) {
	stations, err := n.Stations()
	if err != nil {
		return 0, err
	}
	number, entering := 0.0, 0.0
	for i, s := range stations {
		number += s.MeanNumber()
		entering += n.External[i]
	}
	return number / entering, nil
}
