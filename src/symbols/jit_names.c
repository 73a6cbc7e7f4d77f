// SPDX-License-Identifier: Apache-2.0
/*
 *	jit-PID.dump  (mapped by the process)   -> ranges --.
 *	/tmp/perf-PID.map                       -> ranges --+-> address -> offset in the file -> name
 *
 * The dump is asked first: it knows of code that was moved. In memory are ranges only, 16 bytes each; a name is
 * read from the held file when asked for, and kept for the round.
 *
 * A file grows while the process lives, so reading goes on where it ended. It begins anew where there is another file
 * now, or the same one has become shorter, begins with other bytes, or was written to without growing. What the
 * file said before is forgotten then: the code is most likely gone, too.
 *
 * Bounds: a file's size and ranges (jit_file.h), the ranges and names of all processes together, MAX_PROCESSES that
 * hold files. Those that were not asked for longest lose theirs; if they live they find them again. Reading has so much
 * work in a round, and the processes of one container a part of it; what is left is read in the next round.
 */
#include "symbols/jit_names.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/hashmap.h"
#include "proc/file_root.h"
#include "proc/mapped_file.h"
#include "proc/perf_map_file.h"
#include "symbols/jit_file.h"

/* Two descriptors each. */
#define MAX_PROCESSES  64
#define HEAD_MAX       64
/* Reading goes on as long as there is more, up to here; the rest comes in the next round. */
#define READS_MAX      4
#define ROUND_WORK     (20 * (uint64_t)JIT_READ_WORK) /* some 1 s */
#define CONTAINER_WORK (ROUND_WORK / 5)

enum { JITDUMP, PERF_MAP, FILES };

static const struct jit_format *const formats[FILES] = {&jitdump_format, &perf_map_format};

struct jit_source {
	int fd; /* -1: none */
	struct file_identity identity; /* as it was when read last */
	struct jit_reading reading;
	uint8_t head[HEAD_MAX]; /* its first bytes, when reading began */
	size_t head_len;
	bool finished; /* nothing more is to be read: too large, or not such a file */
	bool cut_short; /* was counted */
};

struct jit_name {
	struct hashmap_entry entry;
	uint64_t key;
	char text[];
};

struct jit_names {
	struct list_node node; /* of the store's by_use, or alone */
	struct jit_store *store;
	uint64_t mount_namespace;
	uint64_t round;
	struct jit_source sources[FILES];
	struct hashmap names;
	size_t name_bytes;
};

static bool name_is(const struct hashmap_entry *e, const void *key)
{
	return container_of(e, struct jit_name, entry)->key == *(const uint64_t *)key;
}

/*
 * What reading took in this round for the processes of one mount namespace, as a container's are. Not by the root or its
 * device: whoever may change the root (chroot) would have as much for each directory.
 */
struct container_work {
	struct hashmap_entry entry;
	uint64_t mount_namespace, work;
};

static bool container_is(const struct hashmap_entry *e, const void *key)
{
	return container_of(e, struct container_work, entry)->mount_namespace ==
		*(const uint64_t *)key;
}

void jit_store_init(struct jit_store *store, size_t max_bytes)
{
	*store = (struct jit_store){.max_bytes = max_bytes};
	list_init(&store->by_use);
	hashmap_init(&store->containers, container_is);
}

void jit_store_end_round(struct jit_store *store)
{
	store->work = 0;
	hashmap_for_each(e, &store->containers) {
		hashmap_remove(&store->containers, e);
		free(container_of(e, struct container_work, entry));
	}
}

void jit_store_release(struct jit_store *store)
{
	jit_store_end_round(store);
	hashmap_release(&store->containers);
}

static struct container_work *work_of(struct jit_store *store, uint64_t mount_namespace)
{
	struct hashmap_entry *e =
		hashmap_get(&store->containers, hash_u64(mount_namespace), &mount_namespace);

	if (e)
		return container_of(e, struct container_work, entry);
	struct container_work *w = xcalloc(1, sizeof(*w));

	w->mount_namespace = mount_namespace;
	hashmap_add(&store->containers, &w->entry, hash_u64(mount_namespace));
	return w;
}

struct jit_names *jit_names_new(struct jit_store *store)
{
	struct jit_names *j = xcalloc(1, sizeof(*j));

	j->store = store;
	list_init(&j->node);
	hashmap_init(&j->names, name_is);
	for (size_t i = 0; i < FILES; i++)
		j->sources[i].fd = -1;
	return j;
}

static void drop_ranges(struct jit_names *j, struct jit_source *s)
{
	j->store->bytes -= jit_map_bytes(&s->reading.map);
	jit_map_release(&s->reading.map);
	s->reading = (struct jit_reading){0};
	s->head_len = 0;
	s->finished = false;
}

static void drop_file(struct jit_names *j, struct jit_source *s)
{
	drop_ranges(j, s);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void drop_files(struct jit_names *j)
{
	for (size_t i = 0; i < FILES; i++)
		drop_file(j, &j->sources[i]);
	if (!list_empty(&j->node))
		j->store->count--;
	list_remove(&j->node);
}

static void drop_names(struct jit_names *j)
{
	hashmap_for_each(e, &j->names) {
		hashmap_remove(&j->names, e);
		free(container_of(e, struct jit_name, entry));
	}
	hashmap_release(&j->names);
	j->store->bytes -= j->name_bytes;
	j->name_bytes = 0;
}

void jit_names_free(struct jit_names *j)
{
	if (!j)
		return;
	drop_files(j);
	drop_names(j);
	free(j);
}

/* It is the most recently used now; others make room for it. */
static void touch(struct jit_names *j)
{
	struct jit_store *store = j->store;

	if (list_empty(&j->node))
		store->count++;
	list_remove(&j->node);
	list_append(&store->by_use, &j->node);
	while (store->by_use.next != &j->node &&
		(store->count > MAX_PROCESSES || store->bytes > store->max_bytes))
		drop_files(list_entry(store->by_use.next, struct jit_names, node));
}

/* "jit-123.dump" */
static bool is_jitdump(const struct mapping *m)
{
	const char *name = m->kind == MAPPING_FILE && m->dso ? dso_module(m->dso)->name : "";

	if (strncmp(name, "jit-", 4) != 0 || !isdigit((unsigned char)name[4]))
		return false;
	return strcmp(name + 4 + strspn(name + 4, "0123456789"), ".dump") == 0;
}

static bool is_generated(const struct mapping *m)
{
	return m->kind == MAPPING_ANONYMOUS || m->kind == MAPPING_HEAP ||
		(m->kind == MAPPING_FILE && m->dso &&
			strncmp(dso_module(m->dso)->path, "/memfd:", 7) == 0);
}

bool jit_names_wanted(const struct process_maps *maps)
{
	for (size_t i = 0; i < maps->count; i++)
		if (is_generated(&maps->list[i]) || is_jitdump(&maps->list[i]))
			return true;
	return false;
}

/* What was found: the file that is held, or another one. path_fd < 0: none, the one that is held stays. */
static void take_file(struct jit_names *j, struct jit_source *s, int process_dir, int path_fd,
	const struct file_identity *found)
{
	if (path_fd < 0)
		return;
	if (s->fd >= 0 && s->identity.dev == found->dev && s->identity.inode == found->inode)
		return;
	int fd = mapped_file_open(process_dir, path_fd);

	if (fd < 0)
		return;
	drop_file(j, s);
	s->fd = fd;
	s->identity = *found;
}

void jit_names_find_files(struct jit_names *j, int process_dir, const struct process_maps *maps)
{
	struct file_identity found;
	struct root_id root;

	touch(j);
	root_id_of_process(process_dir, &root);
	j->mount_namespace = root.mount_namespace;
	for (size_t i = 0; i < maps->count; i++) {
		const struct mapping *m = &maps->list[i];

		if (!is_jitdump(m))
			continue;
		struct map_entry entry = {
			.start = m->start,
			.end = m->end,
			.path = dso_module(m->dso)->path,
			.deleted = true, /* no other file at its path will do */
		};
		int dump cleanup_close = mapped_file_find(process_dir, &entry, &found);

		take_file(j, &j->sources[JITDUMP], process_dir, dump, &found);
		break;
	}
	int map cleanup_close = perf_map_file_find(process_dir, &found);

	take_file(j, &j->sources[PERF_MAP], process_dir, map, &found);
}

static struct byte_source bytes_of(const struct jit_source *s)
{
	return byte_source_fd(s->fd, s->identity.size);
}

/* Whether what was read of it still stands in the file. */
static bool continues(const struct jit_source *s, const struct file_identity *now)
{
	uint8_t head[HEAD_MAX];
	struct byte_source source = byte_source_fd(s->fd, now->size);

	if (now->size < s->reading.offset || byte_source_read(&source, 0, head, s->head_len) < 0)
		return false;
	bool grew = now->size > s->identity.size || now->mtime_ns == s->identity.mtime_ns;

	return grew && memcmp(head, s->head, s->head_len) == 0;
}

static void read_head(struct jit_source *s)
{
	struct byte_source source = bytes_of(s);

	s->head_len = (size_t)MIN(source.size, (uint64_t)HEAD_MAX);
	if (byte_source_read(&source, 0, s->head, s->head_len) < 0)
		s->head_len = 0;
}

static void read_on(struct jit_names *j, struct jit_source *s, const struct jit_format *format)
{
	struct jit_store *store = j->store;
	struct container_work *container = work_of(store, j->mount_namespace);
	struct file_identity now;
	int r = -EAGAIN;

	if (s->fd < 0 || store->work >= ROUND_WORK || container->work >= CONTAINER_WORK ||
		file_identity_of(s->fd, &now) < 0)
		return;
	if (!continues(s, &now))
		drop_ranges(j, s);
	s->identity = now;
	if (!s->head_len)
		read_head(s);
	if (s->identity.size > format->max_bytes)
		s->identity.size = format->max_bytes;
	struct byte_source source = bytes_of(s);

	for (int i = 0; i < READS_MAX && r == -EAGAIN && !s->finished; i++) {
		uint64_t before = s->reading.work;

		store->bytes -= jit_map_bytes(&s->reading.map);
		r = format->read(&source, &s->reading);
		store->work += s->reading.work - before;
		container->work += s->reading.work - before;
		store->bytes += jit_map_bytes(&s->reading.map);
		touch(j);
		if (store->bytes > store->max_bytes && r >= 0)
			r = -E2BIG; /* it alone */
		s->finished = r < 0 && r != -EAGAIN;
	}
	if ((r == -E2BIG || now.size > format->max_bytes) && !s->cut_short) {
		s->cut_short = true;
		store->cut_short++;
	}
	s->identity.size = now.size;
}

static const char *remember(struct jit_names *j, uint64_t key, const struct strbuf *name)
{
	struct jit_name *n = xmalloc(sizeof(*n) + name->len + 1);
	size_t bytes = sizeof(*n) + name->len + 1;

	n->key = key;
	memcpy(n->text, name->buf, name->len + 1);
	hashmap_add(&j->names, &n->entry, hash_u64(key));
	j->name_bytes += bytes;
	j->store->bytes += bytes;
	return n->text;
}

/* "" where the file does not say any more. */
static const char *name_of(struct jit_names *j, size_t i, const struct jit_range *range,
	uint64_t address)
{
	uint64_t key = (uint64_t)range->name << 1 | i;
	struct hashmap_entry *e = hashmap_get(&j->names, hash_u64(key), &key);
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	struct byte_source source = bytes_of(&j->sources[i]);

	if (e)
		return container_of(e, struct jit_name, entry)->text;
	if (j->name_bytes > j->store->max_bytes / 4)
		return "";
	if (formats[i]->name(&source, range->name, address, &name) < 0)
		strbuf_reset(&name);
	return remember(j, key, &name);
}

bool jit_names_resolve(struct jit_names *j, uint64_t address, uint64_t round, struct frame *ret)
{
	if (j->round != round) {
		j->round = round;
		for (size_t i = 0; i < FILES; i++)
			read_on(j, &j->sources[i], formats[i]);
	}
	for (size_t i = 0; i < FILES; i++) {
		const struct jit_range *range = jit_map_find(&j->sources[i].reading.map, address);
		const char *name = range ? name_of(j, i, range, address) : "";

		if (!*name)
			continue;
		ret->function = name;
		ret->origin = formats[i]->origin;
		ret->missing = MISSING_NOT;
		return true;
	}
	return false;
}

void jit_names_end_round(struct jit_names *j)
{
	drop_names(j);
}
