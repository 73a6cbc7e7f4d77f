// SPDX-License-Identifier: Apache-2.0
/*
 * Most mappings are of files without a runtime, libc for one, and come again with each process. To find that
 * out exactly takes several system calls a mapping, so the line in maps is believed for some rounds: device,
 * inode and path. All that a container can gain by deceiving us is to be taken for native code.
 */
#include "interp/binaries.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/hash.h"

#define MAX_FILES     4096 /* of either kind; then all is forgotten and looked at anew */
#define ROUNDS_NATIVE 8 /* how long a line in maps is believed */

static const struct runtime *const runtimes[] = {&python_runtime};

struct native {
	struct hashmap_entry entry; /* the hash is all there is */
	unsigned rounds;
};

static bool is_identity(const struct hashmap_entry *e, const void *key)
{
	return file_identity_equal(&container_of(e, struct binary, entry)->identity, key);
}

static bool is_any(const struct hashmap_entry *e, const void *key)
{
	(void)e;
	(void)key;
	return true;
}

void binaries_init(struct binaries *b)
{
	hashmap_init(&b->by_identity, is_identity);
	hashmap_init(&b->native, is_any);
	hashmap_init(&b->native_modules, is_any);
}

static void forget_files(struct binaries *b)
{
	hashmap_for_each(e, &b->by_identity) {
		struct binary *binary = container_of(e, struct binary, entry);

		hashmap_remove(&b->by_identity, e);
		elf_image_release(&binary->image);
		free(binary->found);
		free(binary);
	}
}

static void forget_native(struct hashmap *map, unsigned rounds)
{
	hashmap_for_each(e, map) {
		struct native *native = container_of(e, struct native, entry);

		if (++native->rounds < rounds)
			continue;
		hashmap_remove(map, e);
		free(native);
	}
}

void binaries_release(struct binaries *b)
{
	forget_files(b);
	forget_native(&b->native, 0);
	forget_native(&b->native_modules, 0);
	hashmap_release(&b->by_identity);
	hashmap_release(&b->native);
	hashmap_release(&b->native_modules);
}

void binaries_end_round(struct binaries *b)
{
	forget_native(&b->native, ROUNDS_NATIVE);
}

static void detect(struct binary *binary, int fd)
{
	struct byte_source source = byte_source_fd(fd, binary->identity.size);

	if (elf_image_read(&source, &binary->image) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(runtimes) && !binary->runtime; i++)
		if (runtimes[i]->detect(&source, &binary->image, &binary->found) == 0)
			binary->runtime = runtimes[i];
	if (!binary->runtime)
		elf_image_release(&binary->image);
}

static struct binary *known(const struct binaries *b, const struct file_identity *identity)
{
	struct hashmap_entry *e =
		hashmap_get(&b->by_identity, hash_bytes(identity, sizeof(*identity)), identity);

	return e ? container_of(e, struct binary, entry) : NULL;
}

static struct binary *find(struct binaries *b, int process_dir, const struct map_entry *entry)
{
	struct file_identity identity;
	int path_fd cleanup_close = mapped_file_find(process_dir, entry, &identity);

	if (path_fd < 0)
		return NULL;
	struct binary *binary = known(b, &identity);

	if (binary)
		return binary;
	int fd cleanup_close = mapped_file_open(process_dir, path_fd);

	if (fd < 0)
		return NULL;
	if (b->by_identity.count >= MAX_FILES)
		forget_files(b);
	binary = xcalloc(1, sizeof(*binary));
	binary->identity = identity;
	detect(binary, fd);
	hashmap_add(&b->by_identity, &binary->entry, hash_bytes(&identity, sizeof(identity)));
	return binary;
}

static void add_native(struct hashmap *map, uint64_t hash)
{
	struct native *native = xcalloc(1, sizeof(*native));

	if (map->count >= MAX_FILES)
		forget_native(map, 0);
	hashmap_add(map, &native->entry, hash);
}

static uint64_t hash_line(const struct map_entry *entry)
{
	uint64_t dev = (uint64_t)entry->dev_major << 32 | entry->dev_minor;

	return hash_combine(hash_combine(dev, entry->inode), hash_string(entry->path));
}

const struct binary *binaries_get(struct binaries *b, int process_dir,
	const struct map_entry *entry, uint64_t *ret_bias)
{
	uint64_t hash = hash_line(entry), address;

	if (hashmap_get(&b->native, hash, NULL))
		return NULL;
	const struct binary *binary = find(b, process_dir, entry);

	if (binary && binary->runtime) {
		if (!elf_image_address(&binary->image, entry->offset, &address))
			return NULL;
		*ret_bias = entry->start - address;
		return binary;
	}
	add_native(&b->native, hash);
	return NULL;
}

bool binaries_is_native(const struct binaries *b, uint32_t module_id)
{
	uint64_t hash = hash_u64(module_id);

	return hashmap_get(&b->native_modules, hash, NULL) || hashmap_get(&b->native, hash, NULL);
}

void binaries_set_native(struct binaries *b, uint32_t module_id,
	const struct file_identity *identity)
{
	const struct binary *binary = known(b, identity);

	if (!binaries_is_native(b, module_id) && !(binary && binary->runtime))
		add_native(binary ? &b->native_modules : &b->native, hash_u64(module_id));
}
