// SPDX-License-Identifier: Apache-2.0

// Sorts and sums up orders in goroutines, for ever: the scheduler, the collector, and Go's own stacks.
package main

import (
	"fmt"
	"sort"
	"sync"
)

type order struct {
	customer string
	amount   uint64
}

func draw(count int, seed uint64) []order {
	orders := make([]order, 0, count)
	for i := 0; i < count; i++ {
		seed = seed*6364136223846793005 + 1442695040888963407
		orders = append(orders, order{fmt.Sprintf("customer %d", seed>>56), seed >> 40})
	}
	return orders
}

func sums(orders []order) map[string]uint64 {
	result := make(map[string]uint64)
	for _, o := range orders {
		result[o.customer] += o.amount
	}
	return result
}

func work(seed uint64) {
	orders := draw(5000, seed)
	sort.Slice(orders, func(a, b int) bool { return orders[a].amount < orders[b].amount })
	sums(orders)
}

func main() {
	for seed := uint64(1); ; seed += 4 {
		var group sync.WaitGroup
		for i := uint64(0); i < 4; i++ {
			group.Add(1)
			go func(seed uint64) {
				defer group.Done()
				work(seed)
			}(seed + i)
		}
		group.Wait()
	}
}
