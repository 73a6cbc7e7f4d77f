// SPDX-License-Identifier: Apache-2.0
/*
 * kallsyms is 5 MB of text that takes the kernel 40 ms to write: too much to read again for each name, and
 * as strings in memory it would be the largest thing in the agent. So it is read once and kept as a
 * symbol table (sizes are the distances to the next symbol) whose names are packed (packed_names.h),
 * each as "name" or "name\tmodule". Names that were asked for are kept unpacked, and the last
 * addresses with their frames.
 *
 * Left out: data; "__pfx_..." (padding before functions, half of all symbols); code of the kernel image
 * above _etext (what ran at boot and was freed).
 */
#include "symbols/kernel_symbols.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/hashmap.h"
#include "base/macros.h"
#include "proc/kallsyms.h"
#include "symbols/packed_names.h"
#include "symbols/symbol_table.h"

/* How far the last function before a gap may reach. The largest of the kernel has some 40 KiB. */
#define REACH 65536

#define CACHED           512 /* a power of two */
#define MAX_NAME_BYTES   (256 << 10) /* of unpacked names; more are dropped after the round */
#define MAX_MODULES      4096
#define MODULES_TEXT_MAX (1 << 20)
#define RELOAD_NS        (60 * NSEC_PER_SEC)
#define RELOAD_MAX_NS    (3600 * NSEC_PER_SEC)

struct kernel_module {
	struct hashmap_entry entry;
	struct module module;
	char path[];
};

struct kernel_name {
	struct hashmap_entry entry;
	uint64_t key; /* generation and reference */
	const struct module *module;
	char text[];
};

struct cached_address {
	uint64_t address; /* 0: empty */
	struct frame frame;
};

struct kernel_symbols {
	int proc_fd;
	uint32_t *next_module_id;
	uint32_t generation; /* counts the readings; 0: not read yet */
	uint32_t named_generation; /* whose names may be in `names` */
	struct symbol_table *table;
	struct packed_names *packed;
	uint64_t modules_hash;
	int64_t check_ns; /* when to look for a changed module set again */
	int64_t reload_ns; /* when an unknown address may make us read again */
	int64_t reload_interval_ns;
	struct module kernel;
	struct hashmap modules; /* by name, never forgotten: a container cannot load any */
	struct hashmap names;
	size_t name_bytes;
	struct cached_address cache[CACHED];
};

static bool module_is(const struct hashmap_entry *e, const void *key)
{
	return strcmp(container_of(e, struct kernel_module, entry)->path, key) == 0;
}

static bool name_is(const struct hashmap_entry *e, const void *key)
{
	return container_of(e, struct kernel_name, entry)->key == *(const uint64_t *)key;
}

struct kernel_symbols *kernel_symbols_new(int proc_fd, uint32_t *next_module_id)
{
	struct kernel_symbols *k = xcalloc(1, sizeof(*k));

	k->proc_fd = proc_fd;
	k->next_module_id = next_module_id;
	k->reload_interval_ns = RELOAD_NS;
	k->kernel = (struct module){
		.kind = MODULE_KERNEL,
		.id = (*next_module_id)++,
		.path = "[kernel]",
		.name = "[kernel]",
		.build_id = "",
	};
	hashmap_init(&k->modules, module_is);
	hashmap_init(&k->names, name_is);
	return k;
}

static void drop_names(struct kernel_symbols *k)
{
	hashmap_for_each(e, &k->names) {
		hashmap_remove(&k->names, e);
		free(container_of(e, struct kernel_name, entry));
	}
	hashmap_release(&k->names);
	k->name_bytes = 0;
	k->named_generation = k->generation;
	memset(k->cache, 0, sizeof(k->cache));
}

void kernel_symbols_free(struct kernel_symbols *k)
{
	if (!k)
		return;
	drop_names(k);
	hashmap_for_each(e, &k->modules) {
		hashmap_remove(&k->modules, e);
		free(container_of(e, struct kernel_module, entry));
	}
	hashmap_release(&k->modules);
	symbol_table_free(k->table);
	packed_names_free(k->packed);
	free(k);
}

/* "bpf" and "__builtin__..." are no modules one could load: they show as [bpf]. */
static const struct module *get_module(struct kernel_symbols *k, const char *name)
{
	char path[64];

	if (strcmp(name, "bpf") == 0 || strncmp(name, "__builtin__", 11) == 0)
		snprintf(path, sizeof(path), "[%s]", strcmp(name, "bpf") == 0 ? name : name + 11);
	else
		snprintf(path, sizeof(path), "[kernel:%s]", name);
	struct hashmap_entry *e = hashmap_get(&k->modules, hash_string(path), path);

	if (e)
		return &container_of(e, struct kernel_module, entry)->module;
	if (k->modules.count >= MAX_MODULES)
		return &k->kernel;
	struct kernel_module *m = xcalloc(1, sizeof(*m) + strlen(path) + 1);

	memcpy(m->path, path, strlen(path) + 1);
	m->module = (struct module){
		.kind = MODULE_KERNEL,
		.id = (*k->next_module_id)++,
		.path = m->path,
		.name = m->path,
		.build_id = "",
	};
	hashmap_add(&k->modules, &m->entry, hash_string(path));
	return &m->module;
}

struct loading {
	struct symbol_builder builder;
	struct packed_names *names;
	uint64_t etext; /* 0: not seen yet */
};

static void take_entry(void *ctx, const struct kallsyms_entry *e)
{
	struct loading *l = ctx;
	char text[PACKED_NAME_MAX];
	bool end = !*e->module && strcmp(e->name, "_etext") == 0;

	if (!strchr("tTwW", e->type) || !e->address || strncmp(e->name, "__pfx_", 6) == 0)
		return;
	if (!*e->module && l->etext && e->address >= l->etext)
		return;
	if (end)
		l->etext = e->address;
	if (*e->module)
		snprintf(text, sizeof(text), "%s\t%s", e->name, e->module);
	/* An empty name owns what lies between the kernel's text and whatever is next. */
	uint32_t ref = packed_names_add(l->names, end ? "" : *e->module ? text : e->name);

	if (ref == UINT32_MAX)
		return;
	symbol_builder_add(&l->builder,
		&(struct symbol){
			.start = e->address,
			.limit = e->address + REACH,
			.name = ref,
			.class = SYMBOL_UNSIZED,
			.exported = e->type == 'T',
		});
}

static void load(struct kernel_symbols *k)
{
	struct loading l = {.names = packed_names_new()};
	int r = kallsyms_read(k->proc_fd, take_entry, &l);

	k->generation++;
	if (r < 0 && k->table) { /* better the old ones than none */
		symbol_builder_release(&l.builder);
		packed_names_free(l.names);
		return;
	}
	packed_names_finish(l.names);
	symbol_table_free(k->table);
	packed_names_free(k->packed);
	k->table = symbol_builder_finish(&l.builder);
	k->packed = l.names;
}

/* Of name, size and address of each line: the counts in between change all the time. */
static uint64_t hash_modules(const struct kernel_symbols *k)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	uint64_t hash = 0;
	char *line_state = NULL;

	if (file_read_at(k->proc_fd, "modules", MODULES_TEXT_MAX, &text) < 0)
		return 0;
	for (char *line = strtok_r(text.buf, "\n", &line_state); line;
		line = strtok_r(NULL, "\n", &line_state)) {
		const char *address = strstr(line, " 0x");

		hash = hash_combine(hash, hash_bytes(line, strcspn(line, " ")));
		if (address)
			hash = hash_combine(hash, hash_string(address));
	}
	return hash;
}

static void load_if_due(struct kernel_symbols *k, int64_t now_ns)
{
	if (k->generation && now_ns < k->check_ns)
		return;
	uint64_t hash = hash_modules(k);

	if (!k->generation || hash != k->modules_hash) {
		load(k);
		k->reload_ns = now_ns + RELOAD_NS;
	}
	k->modules_hash = hash;
	k->check_ns = now_ns + RELOAD_NS;
}

static bool find(struct kernel_symbols *k, uint64_t address, int64_t now_ns,
	struct symbol_match *ret)
{
	if (symbol_table_find(k->table, address, ret))
		return true;
	if (now_ns < k->reload_ns)
		return false;
	load(k);
	bool found = symbol_table_find(k->table, address, ret);

	k->reload_interval_ns = found ? RELOAD_NS : MIN(2 * k->reload_interval_ns, RELOAD_MAX_NS);
	k->reload_ns = now_ns + k->reload_interval_ns;
	return found;
}

/* Of several names the one with the fewest leading underscores, then the shortest, then the first. */
static int choose_name(const struct kernel_symbols *k, const struct symbol_match *match,
	struct strbuf *out)
{
	struct strbuf name cleanup_strbuf = STRBUF_INIT;

	for (size_t i = 0; i < match->name_count; i++) {
		strbuf_reset(&name);
		int r = packed_names_get(k->packed, match->names[i], &name);

		if (r < 0)
			return r;
		size_t bars = strspn(name.buf, "_"), best = strspn(out->buf, "_");

		if (out->len && (bars > best || (bars == best && name.len >= out->len)))
			continue;
		strbuf_reset(out);
		strbuf_add(out, name.buf, name.len);
	}
	return 0;
}

static const struct kernel_name *get_name(struct kernel_symbols *k,
	const struct symbol_match *match)
{
	uint64_t key = (uint64_t)k->generation << 32 | match->names[0];
	struct hashmap_entry *e = hashmap_get(&k->names, hash_u64(key), &key);
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	if (e)
		return container_of(e, struct kernel_name, entry);
	if (choose_name(k, match, &text) < 0)
		return NULL;
	size_t len = strcspn(text.buf, "\t");
	struct kernel_name *n = xmalloc(sizeof(*n) + len + 1);

	n->key = key;
	n->module = text.buf[len] ? get_module(k, text.buf + len + 1) : &k->kernel;
	memcpy(n->text, text.buf, len);
	n->text[len] = '\0';
	hashmap_add(&k->names, &n->entry, hash_u64(key));
	k->name_bytes += sizeof(*n) + len + 1;
	return n;
}

struct frame kernel_symbols_resolve(struct kernel_symbols *k, uint64_t address, int64_t now_ns)
{
	struct cached_address *cached = &k->cache[hash_u64(address) & (CACHED - 1)];
	struct symbol_match match;

	if (cached->address == address && address)
		return cached->frame;
	struct frame frame = {
		.module = &k->kernel,
		.address = address,
		.missing = MISSING_KERNEL,
	};

	load_if_due(k, now_ns);
	const struct kernel_name *name =
		find(k, address, now_ns, &match) ? get_name(k, &match) : NULL;

	if (!name)
		return frame;
	frame.module = name->module;
	if (*name->text) {
		frame.function = name->text;
		frame.origin = NAME_KERNEL;
		frame.missing = MISSING_NOT;
	}
	*cached = (struct cached_address){address, frame};
	return frame;
}

void kernel_symbols_end_round(struct kernel_symbols *k)
{
	if (k->named_generation != k->generation || k->name_bytes > MAX_NAME_BYTES)
		drop_names(k);
}

size_t kernel_symbols_count(const struct kernel_symbols *k)
{
	return symbol_table_count(k->table);
}

size_t kernel_symbols_bytes(const struct kernel_symbols *k)
{
	return sizeof(*k) + symbol_table_bytes(k->table) + packed_names_bytes(k->packed) +
		k->name_bytes;
}
