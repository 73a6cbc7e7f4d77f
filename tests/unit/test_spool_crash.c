// SPDX-License-Identifier: Apache-2.0
/*
 * What crashes leave of a spool. A real spool works through 1,000 profiles while a watcher records every
 * write, sync and removal; then the disk is put together as a crash at some moment would leave it:
 *
 *  - a killed process: everything up to a byte is there, for every byte of the trace;
 *  - a loss of power: of what was written since the last sync, any part may be missing, zeros or garbage,
 *    files may be back or not be there yet; many random ones, from a fixed seed.
 *
 * Each such disk must open, hold what was synced and not settled, and nothing that was never written.
 */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "export/spool.h"
#include "export/spool_segment.h"
#include "unit/temp_dir.h"

#define RECORDS    1000
#define OPS_MAX    8000
#define LAG        12 /* profiles that wait, about */
#define SECTOR     64 /* smaller than any disk's, so that more goes wrong in few bytes */
#define POWER_CUTS 4000
#define SLICES     8 /* of the trace, each a test of its own */
#define SEGMENTS   512

enum op_type { OP_WROTE, OP_SYNCING, OP_SYNCED, OP_REMOVED };

struct op {
	enum op_type type;
	uint64_t segment;
	char *data;
	size_t len;
	unsigned call; /* of the spool, that it belongs to */
};

/* How things stand after each call. */
struct state {
	unsigned appended; /* profiles 0 .. appended - 1 */
	uint64_t settled_sum; /* of their numbers + 1 */
	unsigned settled_count;
};

static struct op ops[OPS_MAX];
static size_t op_count;
static struct state states[OPS_MAX];
static unsigned calls;
static unsigned settled_in[RECORDS]; /* the call that settled it, 0: none */
static unsigned appended_in[RECORDS];

static struct temp_dir dir;
static struct loop *loop;

static void note(enum op_type type, uint64_t segment, const void *data, size_t len)
{
	if (op_count == OPS_MAX || segment >= SEGMENTS)
		ck_abort_msg("too many operations or segments");
	ops[op_count++] = (struct op){
		.type = type,
		.segment = segment,
		.data = len ? xmemdup(data, len) : NULL,
		.len = len,
		.call = calls + 1,
	};
}

static void wrote(void *ctx, uint64_t segment, const void *data, size_t len)
{
	(void)ctx;
	note(OP_WROTE, segment, data, len);
}

static void syncing(void *ctx, uint64_t segment)
{
	(void)ctx;
	note(OP_SYNCING, segment, NULL, 0);
}

static void synced(void *ctx, uint64_t segment)
{
	(void)ctx;
	note(OP_SYNCED, segment, NULL, 0);
}

static void removed(void *ctx, uint64_t segment)
{
	(void)ctx;
	note(OP_REMOVED, segment, NULL, 0);
}

static size_t payload(unsigned number, char *text)
{
	int len = snprintf(text, 160, "%u:", number);

	for (unsigned i = 0; i < number * 7 % 50; i++)
		text[len++] = (char)('a' + (number + i) % 26);
	return (size_t)len;
}

static void finish_call(unsigned appended, int settled)
{
	struct state s = states[calls++];

	s.appended = appended;
	if (settled >= 0) {
		settled_in[settled] = calls;
		s.settled_count++;
		s.settled_sum += (unsigned)settled + 1;
	}
	states[calls] = s;
}

static struct spool *open_spool(const struct spool_watcher *watcher)
{
	struct spool_options options = {
		.path = dir.path,
		.max_bytes = 128 << 10, /* gives the smallest segments */
		.sync_ns = 1,
		.watcher = watcher,
	};
	struct spool *s;
	struct error err = {0};

	if (spool_open(loop, &options, &s, &err) < 0)
		ck_abort_msg("it does not open: %s", err.message);
	return s;
}

static void append_one(struct spool *s, unsigned number)
{
	char text[200];
	struct spool_profile profile = {
		.time_ns = (int64_t)number + 1,
		.value = number + 1,
		.request = text,
		.len = payload(number, text),
	};

	if (spool_append(s, &profile, NULL) < 0)
		ck_abort_msg("no append");
	appended_in[number] = calls + 1;
	finish_call(number + 1, -1);
}

/* Checks what it took against what was appended. -1: there is none. */
static struct spool_ticket *take(struct spool *s, int *ret_number)
{
	struct strbuf request cleanup_strbuf = STRBUF_INIT;
	struct spool_profile profile;
	struct spool_ticket *ticket = spool_take(s, &request, &profile);
	char text[200];

	*ret_number = -1;
	if (!ticket)
		return NULL;
	*ret_number = (int)profile.value - 1;
	if (*ret_number < 0 || *ret_number >= RECORDS || profile.time_ns != *ret_number + 1 ||
		payload((unsigned)*ret_number, text) != request.len ||
		memcmp(text, request.buf, request.len) != 0)
		ck_abort_msg("a record that nobody wrote: %d", *ret_number);
	return ticket;
}

static void settle_one(struct spool *s, unsigned appended, bool put_back)
{
	int number;
	struct spool_ticket *ticket = take(s, &number);

	if (!ticket)
		return;
	if (put_back) {
		spool_put_back(s, ticket, 1);
		return;
	}
	spool_settle(s, ticket);
	finish_call(appended, number);
}

/* Up to 1,000 profiles: about as many wait as LAG says, some out of order, synced now and then. */
static void record_trace(void)
{
	const struct spool_watcher watcher = {wrote, syncing, synced, removed, NULL};
	struct spool *s = open_spool(&watcher);

	srandom(1);
	for (unsigned i = 0; i < RECORDS; i++) {
		append_one(s, i);
		for (unsigned n = (unsigned)random() % 4; n > 0; n--)
			if (spool_count(s).profiles > (unsigned)random() % (2 * LAG))
				settle_one(s, i + 1, random() % 4 == 0);
		if (random() % 10 == 0)
			ck_assert_int_eq(loop_turn(loop, 0), 0);
	}
	size_t end = op_count;

	spool_unref(s);
	op_count = end; /* without the sync of closing */
}

static void tear_down(void)
{
	for (size_t i = 0; i < op_count; i++)
		free(ops[i].data);
	op_count = calls = 0;
	loop_free(loop);
	temp_dir_release(&dir);
}

static int open_file(uint64_t segment, int flags)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(segment, name);
	return openat(dir.fd, name, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
}

static void remove_file(uint64_t segment)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(segment, name);
	unlinkat(dir.fd, name, 0);
}

static void set_up(void)
{
	/* In memory: a real disk's syncs would take minutes, and nothing here depends on them. */
	strcpy(dir.path, "/dev/shm/dockprof-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir.path));
	dir.fd = open(dir.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir.fd, 0);
	ck_assert_int_eq(loop_new(&loop), 0);
	record_trace();
	ck_assert_uint_gt(calls, RECORDS * 3 / 2);
	for (uint64_t k = 0; k < SEGMENTS; k++)
		remove_file(k);
}

static void expect(unsigned call, const char *when)
{
	struct spool *s = open_spool(NULL);
	struct write_count count = spool_count(s);
	const struct state *st = &states[call];
	uint64_t sum = (uint64_t)st->appended * (st->appended + 1) / 2 - st->settled_sum;
	struct write_stats stats = {0};

	spool_stats(s, &stats);
	spool_unref(s);
	if (count.profiles != st->appended - st->settled_count || count.value != sum)
		ck_abort_msg("%s call %u: %" PRIu64 " profiles, not %u", when, call, count.profiles,
			st->appended - st->settled_count);
	if (stats.spool_damaged > 1)
		ck_abort_msg("%s call %u: %" PRIu64 " damaged", when, call, stats.spool_damaged);
}

/* A disk after a loss of power. */
struct file {
	size_t len, syncing_len, synced_len;
	bool exists, removed, durable; /* removed: since the last sync */
	bool syncing_exists, syncing_removed; /* when the one of the directory began */
	char data[40000];
};

static struct file disk[SEGMENTS];
static unsigned durable_calls; /* all of them are on the disk */

/* A spool that finds a file with nothing in it removes it: then it is made anew. */
static int write_prefix(int fd, uint64_t segment, size_t len)
{
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink) {
		if (write(fd, disk[segment].data + len - 1, 1) != 1)
			ck_abort_msg("cannot write");
		return fd;
	}
	if (fd >= 0)
		close(fd);
	fd = open_file(segment, O_TRUNC);
	ck_assert_int_eq(file_write_all(fd, disk[segment].data, len), 0);
	return fd;
}

/* Byte by byte, on the disk of before. */
static size_t cut_everywhere(const struct op *op)
{
	struct file *f = &disk[op->segment];
	int fd cleanup_close = -1;

	memcpy(f->data + f->len, op->data, op->len);
	for (size_t k = 1; k <= op->len; k++) {
		fd = write_prefix(fd, op->segment, f->len + k);
		expect(k < op->len ? op->call - 1 : op->call, "cut in");
	}
	f->len += op->len;
	return op->len;
}

static void apply_whole(const struct op *op)
{
	struct file *f = &disk[op->segment];
	int fd cleanup_close = open_file(op->segment, O_APPEND);

	memcpy(f->data + f->len, op->data, op->len);
	f->len += op->len;
	ck_assert_int_eq(file_write_all(fd, op->data, op->len), 0);
}

START_TEST(a_write_cut_at_any_byte_costs_no_other_record)
{
	size_t begin = op_count * (size_t)_i / SLICES;
	size_t end = op_count * (size_t)(_i + 1) / SLICES, bytes = 0;

	for (size_t i = 0; i < end; i++) {
		if (ops[i].type == OP_REMOVED)
			remove_file(ops[i].segment);
		else if (ops[i].type == OP_WROTE && i < begin)
			apply_whole(&ops[i]);
		else if (ops[i].type == OP_WROTE)
			bytes += cut_everywhere(&ops[i]);
	}
	ck_assert_uint_gt(bytes, 60000 / SLICES);
}
END_TEST

/* Of one file, or of the directory. */
static void begin_sync(uint64_t segment)
{
	disk[segment].syncing_len = disk[segment].len;
	for (size_t k = 0; k < SEGMENTS && !segment; k++) {
		disk[k].syncing_exists = disk[k].exists;
		disk[k].syncing_removed = disk[k].removed;
	}
}

/* What came after it began may still be lost. */
static void sync_disk(uint64_t segment)
{
	disk[segment].synced_len = disk[segment].syncing_len;
	for (size_t k = 0; k < SEGMENTS && !segment; k++) {
		disk[k].durable = disk[k].syncing_exists && !disk[k].syncing_removed;
		if (disk[k].syncing_removed)
			disk[k].exists = false;
	}
}

static bool all_synced(void)
{
	for (size_t k = 0; k < SEGMENTS; k++)
		if (disk[k].exists &&
			(disk[k].removed || !disk[k].durable || disk[k].synced_len < disk[k].len))
			return false;
	return true;
}

static void replay(size_t op_number)
{
	for (size_t k = 0; k < SEGMENTS; k++) {
		disk[k].len = disk[k].syncing_len = disk[k].synced_len = 0;
		disk[k].exists = disk[k].removed = disk[k].durable = false;
	}
	durable_calls = 0;
	for (size_t i = 0; i < op_number; i++) {
		const struct op *op = &ops[i];
		struct file *f = &disk[op->segment];

		if (op->type == OP_WROTE) {
			f->exists = true;
			memcpy(f->data + f->len, op->data, op->len);
			f->len += op->len;
		} else if (op->type == OP_SYNCING) {
			begin_sync(op->segment);
		} else if (op->type == OP_SYNCED) {
			sync_disk(op->segment);
			if (all_synced())
				durable_calls = op->call - 1;
		} else {
			f->removed = true;
		}
	}
}

static void write_torn(const struct file *f, int fd)
{
	size_t end = f->synced_len + (size_t)random() % (f->len - f->synced_len + 1);
	char *data = xmemdup(f->data, end + 1);

	for (size_t at = f->synced_len; at < end;) {
		size_t next = (at / SECTOR + 1) * SECTOR, n = (next < end ? next : end) - at;
		long what = random() % 4;

		for (size_t k = 0; k < n && what < 2; k++)
			data[at + k] = what ? (char)random() : 0;
		at += n;
	}
	ck_assert_int_eq(file_write_all(fd, data, end), 0);
	free(data);
}

static void lose_power(void)
{
	for (uint64_t k = 0; k < SEGMENTS; k++) {
		const struct file *f = &disk[k];
		bool there = f->exists;

		remove_file(k);
		if (f->removed)
			there = there && random() % 2;
		else if (!f->durable)
			there = there && random() % 4;
		if (!there)
			continue;
		int fd cleanup_close = open_file(k, O_TRUNC);

		write_torn(f, fd);
	}
}

static void check_after_power(size_t crash)
{
	struct spool *s = open_spool(NULL);
	bool seen[RECORDS] = {false};
	int number;

	for (;;) {
		struct spool_ticket *ticket = take(s, &number);

		if (!ticket)
			break;
		if (seen[number])
			ck_abort_msg("crash %zu: %d comes twice", crash, number);
		seen[number] = true;
		if (settled_in[number] && settled_in[number] <= durable_calls)
			ck_abort_msg("crash %zu: %d was settled and synced", crash, number);
		spool_settle(s, ticket);
	}
	for (unsigned i = 0; i < RECORDS && appended_in[i] <= durable_calls; i++)
		if (!seen[i] && (!settled_in[i] || settled_in[i] > ops[crash - 1].call))
			ck_abort_msg("crash %zu: %u was synced and is lost", crash, i);
	if (spool_count(s).profiles)
		ck_abort_msg("crash %zu: some are left", crash);
	spool_unref(s);
}

START_TEST(a_loss_of_power_costs_only_what_was_not_synced)
{
	srandom(2);
	for (int i = 0; i < POWER_CUTS; i++) {
		size_t crash = 1 + (size_t)random() % op_count;

		replay(crash);
		lose_power();
		check_after_power(crash);
	}
}
END_TEST

/* And the next process works on what it finds. */
START_TEST(after_a_crash_the_spool_goes_on)
{
	srandom(3);
	for (int i = 0; i < 200; i++) {
		char text[200];
		int number;

		replay(1 + (size_t)random() % op_count);
		lose_power();
		struct spool *s = open_spool(NULL);
		uint64_t before = spool_count(s).profiles;
		struct spool_profile profile = {
			.time_ns = 1000,
			.value = 1000,
			.request = text,
			.len = payload(999, text),
		};

		if (spool_append(s, &profile, NULL) < 0)
			ck_abort_msg("no append");
		spool_unref(s);
		s = open_spool(NULL);
		if (spool_count(s).profiles != before + 1)
			ck_abort_msg("%d: not one more than %" PRIu64, i, before);
		for (struct spool_ticket *t = take(s, &number); t; t = take(s, &number))
			spool_settle(s, t);
		spool_unref(s);
		s = open_spool(NULL);
		if (spool_count(s).profiles)
			ck_abort_msg("%d: settled ones are back", i);
		spool_unref(s);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("spool_crash");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_loss_of_power_costs_only_what_was_not_synced);
	tcase_add_test(tcase, after_a_crash_the_spool_goes_on);
	tcase_add_loop_test(tcase, a_write_cut_at_any_byte_costs_no_other_record, 0, SLICES);
	return unit_run("spool_crash", tcase);
}
