// SPDX-License-Identifier: Apache-2.0
/*
 * The memory of a hostile Python: attaching, its threads, the path to their states, the frame loop, names and lines,
 * from a recording (tests/lib/memory_image.h) with anything in it changed. The addresses that an ELF file told
 * are part of it.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "interp/python_lines.h"
#include "interp/python_names.h"
#include "interp/python_process.h"
#include "lib/memory_image.h"
#include "lib/python_chain.h"

#define FRAMES_MAX  64
#define THREADS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void name_frame(const struct python_attached *attached, const struct interp_memory *memory,
	const struct interp_frame *frame, struct interp_name *name)
{
	int r = python_name_read(&attached->offsets, memory, frame, name);

	require(r <= 0);
	if (r < 0)
		return;
	/* A cut string may end in "..." */
	require(name->function.len <= INTERP_NAME_MAX + 3 && name->file.len <= INTERP_NAME_MAX + 3);
	require(utf8_valid(name->function.buf, name->function.len));
	require(utf8_valid(name->file.buf, name->file.len));
	for (size_t i = 0; i < name->function.len; i++)
		require((unsigned char)name->function.buf[i] >= ' ');
}

static void walk_thread(const struct python_attached *attached,
	const struct interp_process *process, const struct interp_memory *memory,
	const struct interp_thread *thread)
{
	struct interp_name name = {.function = STRBUF_INIT, .file = STRBUF_INIT};
	struct interp_frame frames[FRAMES_MAX];
	size_t calls,
		count = python_chain(memory, &process->python, thread->thread_pointer,
			thread->state, frames, FRAMES_MAX, &calls);

	require(count <= FRAMES_MAX && calls <= count);
	for (size_t i = 0; i < count; i++)
		name_frame(attached, memory, &frames[i], &name);
	strbuf_release(&name.function);
	strbuf_release(&name.file);
}

static void try_lines(const uint8_t *data, size_t size)
{
	for (int kind = PYTHON_LINES_LNOTAB; kind <= PYTHON_LINES_LOCATIONS; kind++)
		for (uint32_t at = 0; at < 64; at += 2)
			python_line((enum python_lines)kind, data, size, 1, at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *aligned cleanup_free = xmemdup(data, size ? size : 1);
	struct image_head head;
	struct memory_image image;
	struct python_attached attached;
	struct interp_process process;
	struct interp_thread threads[THREADS_MAX];

	try_lines(data, size < 256 ? size : 256);
	if (!image_open(&image, aligned, size, &head) ||
		python_attach(&head.binary, &image.memory, 0, &attached, &process) < 0)
		return 0;
	require(python_offsets_usable(&attached.offsets));
	size_t count = python_threads(&attached, &image.memory, threads, THREADS_MAX);

	require(count <= THREADS_MAX);
	for (size_t i = 0; i < count; i++)
		walk_thread(&attached, &process, &image.memory, &threads[i]);
	walk_thread(&attached, &process, &image.memory,
		&(struct interp_thread){.thread_pointer = head.thread_pointer});
	return 0;
}
