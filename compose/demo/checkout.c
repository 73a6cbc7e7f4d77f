// SPDX-License-Identifier: Apache-2.0
/* A demo service that keeps a CPU some 60 % busy: it sorts carts, adds them up and signs receipts. */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define CART_MAX 4096
#define NOINLINE __attribute__((noinline))

struct item {
	uint32_t sku, cents;
};

static uint64_t random_state = 88172645463325252;

static NOINLINE uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static NOINLINE void load_cart(struct item *cart, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cart[i] = (struct item){.sku = next_random(), .cents = next_random() % 10000};
}

static NOINLINE void sort_by_sku(struct item *cart, long low, long high)
{
	while (low < high) {
		uint32_t pivot = cart[(low + high) / 2].sku;
		long i = low, j = high;

		while (i <= j) {
			while (cart[i].sku < pivot)
				i++;
			while (cart[j].sku > pivot)
				j--;
			if (i <= j) {
				struct item swapped = cart[i];

				cart[i++] = cart[j];
				cart[j--] = swapped;
			}
		}
		sort_by_sku(cart, low, j);
		low = i;
	}
}

static NOINLINE uint64_t tax_of(uint64_t cents)
{
	uint64_t tax = 0;

	for (unsigned bracket = 1; bracket <= 24; bracket++)
		tax += cents * bracket / (1000 + 7 * bracket);
	return tax;
}

static NOINLINE uint64_t total_of(const struct item *cart, size_t count)
{
	uint64_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += cart[i].cents + tax_of(cart[i].cents);
	return total;
}

static NOINLINE uint64_t sign_receipt(const struct item *cart, size_t count, uint64_t total)
{
	uint64_t digest = total;

	for (int round = 0; round < 24; round++)
		for (size_t i = 0; i < count; i++) {
			digest ^= cart[i].sku;
			digest *= UINT64_C(0x100000001b3);
		}
	return digest;
}

static NOINLINE uint64_t handle_checkout(void)
{
	static struct item cart[CART_MAX];
	size_t count = CART_MAX / 2 + next_random() % (CART_MAX / 2);

	load_cart(cart, count);
	sort_by_sku(cart, 0, (long)count - 1);
	return sign_receipt(cart, count, total_of(cart, count));
}

int main(void)
{
	volatile uint64_t last;

	for (;;) {
		for (int i = 0; i < 20; i++)
			last = handle_checkout();
		nanosleep(&(struct timespec){.tv_nsec = 8000000}, NULL);
	}
	return (int)last;
}
