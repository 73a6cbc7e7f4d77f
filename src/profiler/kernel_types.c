// SPDX-License-Identifier: Apache-2.0
/*
 *	header | types, one behind the other, told apart by their kinds | strings
 *
 * A type has no number but its place, so all of them are walked once, noting where each STRIDE-th is. Those with a wanted
 * name get new numbers, and so does, in their turn, what their members are made of. Numbers are given in the order in
 * which the types are written.
 *
 * Programs read by way of a pointer what another struct of the list is, so all pointers become one: to void, number 1.
 */
#include "profiler/kernel_types.h"

#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/macros.h"

#define STRIDE      32
#define TYPES_MAX   (4u << 20) /* distribution kernels have 150,000 */
#define FILE_MAX    (64u << 20)
#define FILE_CHUNK  (64u << 10) /* what file_read_fd() wants to have left */
#define VOID_NUMBER 1 /* the pointer to void */

/*
 * What bpf/vmlinux.h declares, and what the programs ask of the kernel's helpers. A field of a type that is missing makes
 * loading fail, and load.c goes without this file then; but that a constant exists would silently be denied.
 */
static const char *const wanted[] = {"kernfs_node", "cgroup_subsys_state", "cgroup", "css_set",
	"thread_struct", "task_struct", "pt_regs", "cgroup_subsys_id", "bpf_func_id"};

struct types {
	const uint8_t *data;
	size_t size;
	const char *strings;
	size_t strings_size;
	uint32_t count; /* numbers are 1 ... count */
	uint32_t *places; /* in data, of numbers 1, 1 + STRIDE, ... */
	uint32_t *new_numbers; /* 0: not chosen */
	uint32_t *chosen;
	size_t chosen_count, chosen_capacity;
};

static void types_release(struct types *t)
{
	free(t->places);
	free(t->new_numbers);
	free(t->chosen);
}

#define cleanup_types __attribute__((cleanup(types_release)))

/* What follows a type's head. SIZE_MAX: unknown. */
static size_t tail_size(const struct btf_type *t)
{
	size_t n = btf_vlen(t);

	switch (btf_kind(t)) {
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	case BTF_KIND_INT:
		return sizeof(uint32_t);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return n * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return n * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return n * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return n * sizeof(struct btf_param);
	case BTF_KIND_VAR:
		return sizeof(struct btf_var);
	case BTF_KIND_DATASEC:
		return n * sizeof(struct btf_var_secinfo);
	case BTF_KIND_DECL_TAG:
		return sizeof(struct btf_decl_tag);
	default:
		return SIZE_MAX;
	}
}

static const struct btf_type *type_in(const struct types *t, size_t place)
{
	return (const struct btf_type *)(const void *)(t->data + place);
}

static size_t place_after(const struct types *t, size_t place)
{
	return place + sizeof(struct btf_type) + tail_size(type_in(t, place));
}

/* Whether a whole type is there. */
static bool is_whole(const struct types *t, size_t place)
{
	size_t left = t->size - place;

	return left >= sizeof(struct btf_type) &&
		tail_size(type_in(t, place)) <= left - sizeof(struct btf_type);
}

/* NULL: void, or no such type. */
static const struct btf_type *type_of(const struct types *t, uint32_t number)
{
	if (!number || number > t->count)
		return NULL;
	size_t place = t->places[(number - 1) / STRIDE];

	for (uint32_t i = (number - 1) % STRIDE; i; i--)
		place = place_after(t, place);
	return type_in(t, place);
}

static int read_header(struct types *t, const void *data, size_t size)
{
	const struct btf_header *h = data;

	if (size < sizeof(*h) || h->magic != BTF_MAGIC || h->version != BTF_VERSION ||
		h->hdr_len < sizeof(*h) || h->hdr_len > size)
		return -EINVAL;
	size_t left = size - h->hdr_len;

	if (h->hdr_len % 4 || h->type_off % 4 || h->type_off > left ||
		h->type_len > left - h->type_off || h->str_off > left ||
		h->str_len > left - h->str_off || !h->str_len)
		return -EINVAL;
	t->data = (const uint8_t *)data + h->hdr_len + h->type_off;
	t->size = h->type_len;
	t->strings = (const char *)data + h->hdr_len + h->str_off;
	t->strings_size = h->str_len;
	return t->strings[t->strings_size - 1] ? -EINVAL : 0;
}

static const char *string_at(const struct types *t, uint32_t offset)
{
	return offset < t->strings_size ? t->strings + offset : "";
}

static bool is_wanted(const struct types *t, const struct btf_type *type, const char *const *names,
	size_t count)
{
	const char *name = string_at(t, type->name_off);

	if (!btf_is_composite(type) && !btf_is_any_enum(type))
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void choose(struct types *t, uint32_t number)
{
	if (t->chosen_count == t->chosen_capacity) {
		t->chosen_capacity = grow_capacity(t->chosen_capacity, t->chosen_count + 1);
		t->chosen = xreallocarray(t->chosen, t->chosen_capacity, sizeof(t->chosen[0]));
	}
	t->chosen[t->chosen_count++] = number;
	t->new_numbers[number] = (uint32_t)t->chosen_count + VOID_NUMBER;
}

/* Notes where types are; those wanted are chosen. */
static int read_types(struct types *t, const char *const *names, size_t count)
{
	uint32_t max = (uint32_t)MIN(t->size / sizeof(struct btf_type), (size_t)TYPES_MAX);

	t->places = xcalloc(max / STRIDE + 1, sizeof(t->places[0]));
	t->new_numbers = xcalloc(max + 1, sizeof(t->new_numbers[0]));
	for (size_t place = 0; place < t->size; place = place_after(t, place)) {
		if (t->count == max || !is_whole(t, place))
			return -EINVAL;
		if (t->count % STRIDE == 0)
			t->places[t->count / STRIDE] = (uint32_t)place;
		t->count++;
		if (is_wanted(t, type_in(t, place), names, count))
			choose(t, t->count);
	}
	return 0;
}

static uint32_t new_number(struct types *t, uint32_t number)
{
	const struct btf_type *type = type_of(t, number);

	if (!type || btf_is_func_proto(type) || btf_is_func(type))
		return 0;
	if (btf_is_ptr(type))
		return VOID_NUMBER;
	if (!t->new_numbers[number])
		choose(t, number);
	return t->new_numbers[number];
}

static uint32_t add_string(const struct types *t, uint32_t offset, struct strbuf *strings)
{
	const char *s = string_at(t, offset);
	size_t at = strings->len;

	if (!*s)
		return 0;
	strbuf_add(strings, s, strlen(s) + 1);
	return (uint32_t)at;
}

/* A copy in which numbers and names are the new ones. */
static void add_type(struct types *t, uint32_t number, struct strbuf *out, struct strbuf *strings)
{
	const struct btf_type *from = type_of(t, number);
	size_t size = sizeof(*from) + tail_size(from);
	struct btf_type *to cleanup_free = xmemdup(from, size);

	to->name_off = add_string(t, from->name_off, strings);
	if (btf_is_mod(to) || btf_is_typedef(to) || btf_is_type_tag(to))
		to->type = new_number(t, from->type);
	if (btf_is_array(to)) {
		btf_array(to)->type = new_number(t, btf_array(from)->type);
		btf_array(to)->index_type = new_number(t, btf_array(from)->index_type);
	}
	for (uint16_t i = 0; i < btf_vlen(from); i++) {
		if (btf_is_composite(to)) {
			struct btf_member *m = &btf_members(to)[i];

			m->name_off = add_string(t, m->name_off, strings);
			m->type = new_number(t, m->type);
		} else if (btf_is_enum(to)) {
			struct btf_enum *e = &btf_enum(to)[i];

			e->name_off = add_string(t, e->name_off, strings);
		} else if (btf_is_enum64(to)) {
			struct btf_enum64 *e = &btf_enum64(to)[i];

			e->name_off = add_string(t, e->name_off, strings);
		}
	}
	strbuf_add(out, to, size);
}

int kernel_types_choose(const void *data, size_t size, const char *const *names, size_t count,
	struct strbuf *out)
{
	static const struct btf_type pointer = {.info = BTF_KIND_PTR << 24};
	struct strbuf types cleanup_strbuf = STRBUF_INIT, strings cleanup_strbuf = STRBUF_INIT;
	struct types t cleanup_types = {0};
	int r = read_header(&t, data, size);

	if (r == 0)
		r = read_types(&t, names, count);
	if (r < 0)
		return r;
	strbuf_add_char(&strings, '\0');
	strbuf_add(&types, &pointer, sizeof(pointer));
	for (size_t i = 0; i < t.chosen_count; i++)
		add_type(&t, t.chosen[i], &types, &strings);
	struct btf_header header = {
		.magic = BTF_MAGIC,
		.version = BTF_VERSION,
		.hdr_len = sizeof(header),
		.type_len = (uint32_t)types.len,
		.str_off = (uint32_t)types.len,
		.str_len = (uint32_t)strings.len,
	};

	strbuf_add(out, &header, sizeof(header));
	strbuf_add(out, types.buf, types.len);
	strbuf_add(out, strings.buf, strings.len);
	return 0;
}

/* Kernels before 6.16 do not let it be mapped: there it is read. */
static int choose_from(int fd, size_t size, struct strbuf *out)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

	if (data == MAP_FAILED) {
		strbuf_grow(&text, size + FILE_CHUNK);
		int r = file_read_fd(fd, FILE_MAX, &text);

		return r < 0
			? r
			: kernel_types_choose(text.buf, text.len, wanted, ARRAY_SIZE(wanted), out);
	}
	int r = kernel_types_choose(data, size, wanted, ARRAY_SIZE(wanted), out);

	munmap(data, size);
	return r;
}

int kernel_types_open(const char *sys)
{
	struct strbuf chosen cleanup_strbuf = STRBUF_INIT;
	char *path cleanup_free = xasprintf("%s/kernel/btf/vmlinux", sys);
	int from cleanup_close = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (from < 0 || fstat(from, &st) < 0)
		return -errno;
	if (st.st_size <= 0 || st.st_size > FILE_MAX)
		return -EFBIG;
	int r = choose_from(from, (size_t)st.st_size, &chosen);
	int fd cleanup_close = r < 0 ? -1 : memfd_create("kernel types", MFD_CLOEXEC);

	if (fd < 0)
		return r < 0 ? r : -errno;
	r = file_write_all(fd, chosen.buf, chosen.len);
	return r < 0 ? r : steal_fd(&fd);
}
