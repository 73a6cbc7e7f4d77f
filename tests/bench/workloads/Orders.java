// SPDX-License-Identifier: Apache-2.0

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Sorts and sums up orders, for ever: compiled code, and the collector. */
public class Orders {
	record Order(String customer, long amount) {}

	static List<Order> draw(int count, long seed) {
		List<Order> orders = new ArrayList<>(count);

		for (int i = 0; i < count; i++) {
			seed = seed * 6364136223846793005L + 1442695040888963407L;
			orders.add(new Order("customer " + (seed >>> 56), seed >>> 40));
		}
		return orders;
	}

	static Map<String, Long> sums(List<Order> orders) {
		Map<String, Long> sums = new HashMap<>();

		for (Order order : orders)
			sums.merge(order.customer(), order.amount(), Long::sum);
		return sums;
	}

	public static void main(String[] arguments) {
		for (long seed = 1;; seed++) {
			List<Order> orders = draw(20000, seed);

			orders.sort((a, b) -> Long.compare(a.amount(), b.amount()));
			if (sums(orders).isEmpty())
				return;
		}
	}
}
