// SPDX-License-Identifier: Apache-2.0
/* What the agent waits for where its page has no place to listen at. */
#include "unit/unit.h"

#include <netdb.h>

#include "base/clock.h"
#include "face_parts.h"

#define LOOKUP_NS (20 * NSEC_PER_MSEC)

static unsigned lookups;

static void wait_ns(int64_t ns)
{
	nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* In place of the C library's: a name server that is out of reach. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
	struct addrinfo **ret)
{
	(void)name;
	(void)service;
	(void)hints;
	(void)ret;
	lookups++;
	wait_ns(LOOKUP_NS);
	return EAI_AGAIN;
}

START_TEST(a_name_that_nobody_knows_is_looked_up_now_and_then)
{
	static const struct face_ops ops;
	struct config config = {.web = {.listen_address = (char[]){"box.example.org:4041"}}};
	struct collect_tally tally = {0};
	struct loop *loop;

	ck_assert_int_eq(loop_new(&loop), 0);
	struct face *f = face_new(loop, &(struct face_view){.config = &config}, NULL, &ops, NULL);

	int64_t begin = clock_monotonic_ns(), pause = 40 * LOOKUP_NS;

	face_apply(f);
	ck_assert_uint_eq(lookups, 1);
	/* However long this machine takes for anything. */
	while (lookups == 1 && clock_monotonic_ns() - begin < 25 * pause) {
		wait_ns(LOOKUP_NS);
		face_round(f, &tally, true);
		ck_assert(lookups == 1 || clock_monotonic_ns() - begin >= pause);
	}
	ck_assert_uint_eq(lookups, 2);
	face_free(f);
	loop_free(loop);
}
END_TEST

UNIT_MAIN("face_listen", a_name_that_nobody_knows_is_looked_up_now_and_then)
