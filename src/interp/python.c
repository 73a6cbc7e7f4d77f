// SPDX-License-Identifier: Apache-2.0
/* CPython as one of the runtimes. */
#include <stdio.h>

#include "base/alloc.h"
#include "interp/python_binary.h"
#include "interp/python_names.h"
#include "interp/python_process.h"
#include "interp/runtime.h"

static int detect(const struct byte_source *source, const struct elf_image *image, void **ret)
{
	struct python_binary binary;
	int r = python_binary_read(source, image, &binary);

	if (r == 0)
		*ret = xmemdup(&binary, sizeof(binary));
	return r;
}

static int attach(const void *binary, const struct interp_memory *memory, uint64_t bias, void **ret,
	struct interp_description *ret_description)
{
	const struct python_binary *b = binary;
	struct interp_ranges *ranges = &ret_description->ranges;
	struct python_attached attached = {0};
	int r = python_attach(b, memory, bias, &attached, &ret_description->process);

	if (attached.offsets.minor)
		snprintf(ret_description->version, sizeof(ret_description->version), "3.%u",
			attached.offsets.minor);
	if (r < 0)
		return r;
	for (ranges->count = 0; ranges->count < b->range_count; ranges->count++)
		ranges->list[ranges->count] =
			(struct interp_range){b->ranges[ranges->count].start + bias,
				b->ranges[ranges->count].end + bias};
	*ret = xmemdup(&attached, sizeof(attached));
	return 0;
}

static size_t threads(const void *attached, const struct interp_memory *memory,
	struct interp_thread *ret, size_t capacity)
{
	return python_threads(attached, memory, ret, capacity);
}

static int name(const void *attached, const struct interp_memory *memory,
	const struct interp_frame *frame, struct interp_name *ret)
{
	const struct python_attached *a = attached;

	return python_name_read(&a->offsets, memory, frame, ret);
}

/* Calling conventions, and what leads into the evaluation function. */
static const char *const internal_prefixes[] = {
	"_PyEval_",
	"PyEval_EvalCode",
	"_PyFunction_",
	"function_code_fastcall",
	"_PyObject_Call",
	"_PyObject_FastCall",
	"_PyObject_MakeTpCall",
	"_PyObject_Vectorcall",
	"PyObject_Call",
	"PyObject_Vectorcall",
	"PyVectorcall_Call",
	"_PyVectorcall_Call",
	"_PyCFunction_FastCall",
	"PyCFunction_Call",
	"call_function",
	"cfunction_call",
	"cfunction_vectorcall_",
	"method_vectorcall",
	"slot_tp_",
	"type_call",
	"_TAIL_CALL_",
	NULL,
};

/* gevent's and eventlet's as well. */
static const char *const switching_modules[] = {"_greenlet.", "greenlet.", NULL};

const struct runtime python_runtime = {
	.switching_modules = switching_modules,
	.internal_prefixes = internal_prefixes,
	.kind = INTERP_PYTHON,
	.label = "python",
	.detect = detect,
	.attach = attach,
	.threads = threads,
	.name = name,
};
