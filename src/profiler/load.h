// SPDX-License-Identifier: Apache-2.0
/* From the BPF object in our binary to a program in the kernel. */
#ifndef PROFILER_LOAD_H
#define PROFILER_LOAD_H

#include "profiler/profiler.h"

struct bpf_program;
struct profile_bpf;

/*
 * Opens, sizes, configures and loads the object. The caller destroys it with profile_bpf__destroy().
 * 0 or -errno; err says what is missing.
 */
int load_program(const struct profiler_options *options, struct profile_bpf **ret,
	struct error *err);

/* The one of the object's programs that this kernel got. */
struct bpf_program *loaded_program(const struct profile_bpf *skel);

#endif
