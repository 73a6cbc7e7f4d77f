// SPDX-License-Identifier: Apache-2.0
/*
 * An open /proc/PID/mem holds on to the address space it was opened for: it does not follow an exec, as
 * process_vm_readv(2) with the same pid would.
 */
#include "interp/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

/*
 * What does not fit is the last there was: nobody is to take the next small read for a sign that all went well. It costs
 * only the budget that it does not fit.
 */
static bool spend(struct read_budget *left, size_t len)
{
	for (struct read_budget *b = left; b; b = b->of) {
		if (b->bytes < len)
			b->calls = 0;
		if (!b->calls)
			return false;
	}
	for (struct read_budget *b = left; b; b = b->of) {
		b->calls--;
		b->bytes -= len;
	}
	return true;
}

bool read_budget_is_spent(const struct read_budget *left)
{
	for (; left; left = left->of)
		if (!left->calls)
			return true;
	return false;
}

static int read_process(const struct interp_memory *memory, uint64_t address, void *buf, size_t len)
{
	const struct process_memory *p = container_of(memory, struct process_memory, memory);

	/* Above are no user addresses, and off_t has no room for them. */
	if (address > INT64_MAX)
		return -EFAULT;
	if (!spend(p->left, len))
		return -EAGAIN;
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(p->fd, (char *)buf + done, len - done, (off_t)(address + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ESRCH; /* the address space has gone */
		done += (size_t)n;
	}
	return 0;
}

int process_memory_open(struct process_memory *p, int process_dir)
{
	int fd = openat(process_dir, "mem", O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	*p = (struct process_memory){.memory = {.read = read_process}, .fd = fd};
	return 0;
}

void process_memory_close(struct process_memory *p)
{
	if (p->memory.read)
		close(p->fd);
	*p = (struct process_memory){.fd = -1};
}
