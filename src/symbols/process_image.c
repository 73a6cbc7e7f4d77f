// SPDX-License-Identifier: Apache-2.0
/*
 *	before	|--- libA ---|      |-- anon --|
 *	map	       |--- libB ---|
 *	after	|-libA-|--- libB ---|-- anon --|
 *
 * munmap is not told, so what is there may be gone already; nothing runs there then. JITs make code page by
 * page: memory without a file grows together with its neighbour, or each page would be a mapping.
 */
#include "symbols/process_image.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Hardly a program maps 200 libraries; what has more is a JIT or an attacker. */
#define MAX_MAPPINGS 1024

struct process_image *process_image_new(size_t *bytes)
{
	struct process_image *image = xcalloc(1, sizeof(*image));

	image->refs = 1;
	image->bytes = bytes;
	*bytes += sizeof(*image);
	return image;
}

struct process_image *process_image_ref(struct process_image *image)
{
	image->refs++;
	return image;
}

static void drop(struct known_files *files, const struct image_mapping *m)
{
	if (m->file)
		known_file_unref(files, m->file);
}

void process_image_unref(struct process_image *image, struct known_files *files)
{
	if (!image || --image->refs)
		return;
	for (size_t i = 0; i < image->count; i++)
		drop(files, &image->list[i]);
	*image->bytes -= sizeof(*image) + image->capacity * sizeof(image->list[0]);
	free(image->list);
	free(image);
}

static void reserve(struct process_image *image, size_t need)
{
	size_t capacity = image->capacity;

	if (need <= capacity)
		return;
	/* Thousands are kept, most with four or five. */
	image->capacity = need <= 4 ? 4 : grow_capacity(capacity, need);
	image->list = xreallocarray(image->list, image->capacity, sizeof(image->list[0]));
	*image->bytes += (image->capacity - capacity) * sizeof(image->list[0]);
}

/* A copy that is the caller's alone. */
static struct process_image *unshare(struct process_image *image, struct known_files *files)
{
	if (image->refs == 1)
		return image;
	struct process_image *copy = process_image_new(image->bytes);

	reserve(copy, image->count + 1);
	for (size_t i = 0; i < image->count; i++) {
		copy->list[i] = image->list[i];
		if (copy->list[i].file)
			known_file_ref(copy->list[i].file);
	}
	copy->count = image->count;
	copy->incomplete = image->incomplete;
	process_image_unref(image, files);
	return copy;
}

/* The first mapping that ends behind the address. */
static size_t first_behind(const struct process_image *image, uint64_t address)
{
	size_t lo = 0, hi = image->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (image->list[mid].end <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* What remains of the ones that the new mapping covers in part: at most one before and one behind it. */
static size_t remainders(const struct image_mapping *first, const struct image_mapping *last,
	const struct image_mapping *m, struct image_mapping *ret)
{
	size_t n = 0;

	if (first->start < m->start) {
		ret[n] = *first;
		ret[n++].end = m->start;
	}
	ret[n++] = *m;
	if (last->end > m->end) {
		ret[n] = *last;
		ret[n].offset += m->end - last->start;
		ret[n++].start = m->end;
	}
	return n;
}

/* Puts `count` mappings in place of those from `at` up to `end`. */
static void replace(struct process_image *image, size_t at, size_t end,
	const struct image_mapping *with, size_t count)
{
	reserve(image, image->count - (end - at) + count);
	memmove(image->list + at + count, image->list + end,
		(image->count - end) * sizeof(image->list[0]));
	memcpy(image->list + at, with, count * sizeof(with[0]));
	image->count = image->count - (end - at) + count;
}

static bool grows(const struct image_mapping *old, const struct image_mapping *m)
{
	return old->kind == MAPPING_ANONYMOUS && m->kind == MAPPING_ANONYMOUS &&
		old->start <= m->start && m->start <= old->end;
}

void process_image_map(struct process_image **image, struct known_files *files,
	const struct image_mapping *mapping)
{
	struct process_image *own = *image = unshare(*image, files);
	struct image_mapping m = *mapping, pieces[3] = {m};
	size_t at = first_behind(own, m.start), end = at, count = 1;

	if (at > 0 && grows(&own->list[at - 1], &m))
		at--;
	if (at < own->count && grows(&own->list[at], &m)) {
		m.start = own->list[at].start;
		m.end = MAX(m.end, own->list[at].end);
		pieces[0] = m;
		end = MAX(end, at + 1);
	}
	while (end < own->count && own->list[end].start < m.end)
		end++;
	if (end > at)
		count = remainders(&own->list[at], &own->list[end - 1], &m, pieces);
	if (own->count - (end - at) + count > MAX_MAPPINGS) {
		own->incomplete = true;
		drop(files, mapping);
		return;
	}
	/* The pieces take their references before the covered ones give back theirs. */
	for (size_t i = 0; i < count; i++)
		if (pieces[i].file && pieces[i].start != m.start)
			known_file_ref(pieces[i].file);
	for (size_t i = at; i < end; i++)
		drop(files, &own->list[i]);
	replace(own, at, end, pieces, count);
}

struct known_file *process_image_file(const struct process_image *image, uint64_t start)
{
	for (size_t i = image->count; i-- > 0;)
		if (image->list[i].start == start)
			return image->list[i].file;
	return NULL;
}

void process_image_set_root(struct process_image **image, struct known_files *files,
	const struct root_id *root)
{
	*image = unshare(*image, files);
	for (size_t i = 0; i < (*image)->count; i++) {
		struct known_file *old = (*image)->list[i].file;

		if (!old || root_id_equal(&old->root, root))
			continue;
		(*image)->list[i].file =
			known_file_get(files, &old->as_mapped, old->generation, root);
		known_file_unref(files, old);
	}
}
