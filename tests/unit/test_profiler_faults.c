// SPDX-License-Identifier: Apache-2.0
/* The sampler on the running kernel, where a system call fails or news comes late. */
#include <bpf/bpf.h>
#include <dlfcn.h>

#include "bpf/profile.h"
#include "sampling.h"
#include "unwind/unwinder_inside.h"

static int failures; /* to come */

/* Stands before libbpf's. */
int bpf_map_lookup_and_delete_batch(int fd, void *in, void *out, void *keys, void *values,
	__u32 *count, const struct bpf_map_batch_opts *opts)
{
	int (*real)(int, void *, void *, void *, void *, __u32 *,
		const struct bpf_map_batch_opts *);
	void *symbol = dlsym(RTLD_NEXT, "bpf_map_lookup_and_delete_batch");

	if (failures) {
		failures--;
		errno = ENOMEM;
		return -ENOMEM;
	}
	ck_assert_ptr_nonnull(symbol);
	memcpy(&real, &symbol, sizeof(real));
	return real(fd, in, out, keys, values, count, opts);
}

START_TEST(a_round_that_fails_spoils_no_other)
{
	struct error err = {0};
	struct fixture f;

	if (!setup(&f))
		return;
	pid_t pid = start_spinner(&f, NULL);

	ck_assert_int_eq(profiler_set_pid(f.profiler, f.watched, true), 0);
	let_spin(&f);
	round_of(&f);
	let_spin(&f);
	failures = 1;
	ck_assert_int_lt(profiler_round(f.profiler, on_sample, &f, &f.tally, &err), 0);
	ck_assert_uint_eq(f.tally.ticks, 0);
	for (int i = 0; i < 3; i++) {
		let_spin(&f);
		round_of(&f); /* asserts that the sums agree */
		double seconds = (double)(f.tally.end_ns - f.tally.start_ns) / 1e9;

		ck_assert_uint_eq(lost_of(&f), 0);
		ck_assert_uint_gt(f.of_watched, 0);
		ck_assert_double_le((double)f.tally.ticks,
			seconds * RATE * (double)sysconf(_SC_NPROCESSORS_ONLN) * 1.1 + 10);
	}
	stop_spinner(pid);
	teardown(&f);
}
END_TEST

#define NOBODY 0x7fffff00u /* no pid is as large */

/* Of the maps of that name, which other profilers have too, the one that holds the pid. */
static bool known_to_kernel(uint64_t start_ns, struct known_process *ret)
{
	struct bpf_map_info info;
	uint32_t id = 0, size, pid = NOBODY;
	bool found = false;

	while (!found && bpf_map_get_next_id(id, &id) == 0) {
		int fd = bpf_map_get_fd_by_id(id);

		size = sizeof(info);
		memset(&info, 0, sizeof(info));
		found = fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 &&
			strcmp(info.name, "known_processes") == 0 &&
			bpf_map_lookup_elem(fd, &pid, ret) == 0 && ret->id.start_ns == start_ns;
		if (fd >= 0)
			close(fd);
	}
	return found;
}

START_TEST(the_kernel_is_not_told_of_an_image_after_the_next_one)
{
	struct known_process known;
	struct fixture f;

	if (!setup(&f))
		return;
	uint64_t start_ns = (uint64_t)clock_monotonic_ns();
	const struct process_maps none = {0};
	struct unwinder *u = profiler_unwinder(f.profiler);
	struct process_id before = {NOBODY, UINT32_MAX, start_ns}, after = {NOBODY, 1, start_ns},
			  earlier = {NOBODY, 7, start_ns - 1};

	unwinder_set_process(u, &before, &none);
	ck_assert(known_to_kernel(start_ns, &known));
	ck_assert_uint_eq(known.id.exec_id, UINT32_MAX);
	unwinder_set_process(u, &after, &none);
	/* Its samples are named at the end of the interval, and of its quiet it is said that it ends. */
	unwinder_set_process(u, &before, &none);
	unwinder_quiet_process(u, &before);
	unwinder_end_round(u);
	unwinder_set_process(u, &earlier, &none);
	ck_assert(known_to_kernel(start_ns, &known));
	ck_assert_uint_eq(known.id.exec_id, 1);
	/* Its own news is heard, and that of whoever has the pid next. */
	unwinder_quiet_process(u, &after);
	ck_assert(known_to_kernel(start_ns, &known));
	ck_assert_uint_ne(known.quiet, 0);
	after = (struct process_id){NOBODY, 0, start_ns + 1};
	unwinder_set_process(u, &after, &none);
	ck_assert(known_to_kernel(start_ns + 1, &known));
	teardown(&f);
}
END_TEST

UNIT_MAIN("profiler_faults", a_round_that_fails_spoils_no_other,
	the_kernel_is_not_told_of_an_image_after_the_next_one)
