// SPDX-License-Identifier: Apache-2.0
/*
 * What a program image has mapped executable, as events told it one by one. Parent and child share one until
 * either changes it.
 */
#ifndef SYMBOLS_PROCESS_IMAGE_H
#define SYMBOLS_PROCESS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbols/known_files.h"
#include "symbols/process_maps.h"

struct image_mapping {
	uint64_t start, end;
	uint64_t offset; /* of start in the file */
	struct known_file *file; /* of MAPPING_FILE; NULL where there were too many */
	enum mapping_kind kind;
};

struct process_image {
	size_t refs;
	struct image_mapping *list; /* by address, without overlaps */
	size_t count, capacity;
	bool incomplete; /* not everything found room */
	size_t *bytes; /* of all images, the owner's */
};

/* `bytes` is kept up to date with what all images hold. */
struct process_image *process_image_new(size_t *bytes);
struct process_image *process_image_ref(struct process_image *image);
/* NULL is fine. */
void process_image_unref(struct process_image *image, struct known_files *files);

/*
 * Adds a mapping in place of what was there; takes over the reference to its file. *image becomes one that
 * nobody else has.
 */
void process_image_map(struct process_image **image, struct known_files *files,
	const struct image_mapping *mapping);

/* Of the mapping that starts there; NULL: none. */
struct known_file *process_image_file(const struct process_image *image, uint64_t start);

/* Its files are those beneath another root. *image becomes one that nobody else has. */
void process_image_set_root(struct process_image **image, struct known_files *files,
	const struct root_id *root);

#endif
