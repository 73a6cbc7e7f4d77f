// SPDX-License-Identifier: Apache-2.0
/*
 * usage: mappings COUNT FILE...
 *
 * One process with COUNT executable mappings of these shared objects (piece.c), and calls that lead
 * through ever others of them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "link.h"

#define DEPTH  16
#define STRIDE 4099 /* a prime: all are come by */

struct object {
	int fd;
	size_t offset, size, function;
};

/* Where the code of the object is in its file, and the function in that. */
static struct object open_object(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW);
	struct object o = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
	struct link_map *map;

	if (!handle || o.fd < 0 || dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0)
		errx(1, "cannot open %s", path);
	const char *base = (const char *)map->l_addr;
	const ElfW(Ehdr) *header = (const void *)base;
	const ElfW(Phdr) *segments = (const void *)(base + header->e_phoff);

	for (int i = 0; i < header->e_phnum; i++) {
		const ElfW(Phdr) *s = &segments[i];

		if (s->p_type != PT_LOAD || !(s->p_flags & PF_X))
			continue;
		o.offset = s->p_offset;
		o.size = s->p_filesz;
		o.function = (size_t)((const char *)dlsym(handle, "piece") - base) - s->p_vaddr;
	}
	return o;
}

static link_fn *map_piece(const struct object *o)
{
	char *code =
		mmap(NULL, o->size, PROT_READ | PROT_EXEC, MAP_PRIVATE, o->fd, (off_t)o->offset);

	if (code == MAP_FAILED)
		err(1, "mmap");
	return (link_fn *)(void *)(code + o->function);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(2, "usage: mappings COUNT FILE...");
	size_t count = strtoul(argv[1], NULL, 10), objects = (size_t)argc - 2;
	link_fn **pieces = calloc(count, sizeof(*pieces));
	struct object *list = calloc(objects, sizeof(*list));
	struct link chain[DEPTH];

	for (size_t i = 0; i < objects; i++)
		list[i] = open_object(argv[2 + i]);
	for (size_t i = 0; i < count; i++)
		pieces[i] = map_piece(&list[i % objects]);
	for (size_t at = 0;; at = (at + STRIDE) % count) {
		for (size_t i = 0; i < DEPTH; i++)
			chain[i] = (struct link){pieces[(at + i * STRIDE) % count],
				i + 1 < DEPTH ? &chain[i + 1] : NULL};
		chain[0].call(chain);
	}
}
