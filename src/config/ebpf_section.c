// SPDX-License-Identifier: Apache-2.0
/*
 * ebpf: the argument names of pyroscope.ebpf, of the Grafana Agent and of Alloy, so that a block
 * can be carried over as it is. What sizes caches that are organised otherwise here is accepted and
 * has no effect; what would promise something that does not happen is an error.
 */
#include <string.h>

#include "base/clock.h"
#include "config/config.h"
#include "config/scalar.h"
#include "config/sections.h"

#define AT(field) offsetof(struct ebpf_options, field)
#define MIB       (1024 * 1024)

static const char *const demangle_modes[] = {
	[DEMANGLE_NONE] = "none",
	[DEMANGLE_SIMPLIFIED] = "simplified",
	[DEMANGLE_TEMPLATES] = "templates",
	[DEMANGLE_FULL] = "full",
	NULL,
};
static const char *const comm_modes[] = {
	[COMM_NONE] = "none",
	[COMM_STACKFRAME] = "stackframe",
	NULL,
};

static void read_comm(struct config_reader *r, const struct config_key *key,
	const struct node *value, void *object);

#define NO_EFFECT(name_, type_)                                                                    \
	{                                                                                          \
		.name = name_, .type = type_, .offset = KEY_NOWHERE,                               \
		.help = "Accepted, no effect."                                                     \
	}
#define CACHE_SIZE(name_)                                                                          \
	{                                                                                          \
		.name = name_, .type = KEY_UINT, .offset = KEY_NOWHERE,                            \
		.help = "Accepted, no effect: see `symbols`, a budget in bytes."                   \
	}
#define RUNTIME(name_)                                                                             \
	{                                                                                          \
		.name = name_, .type = KEY_BOOL, .offset = KEY_NOWHERE,                            \
		.help = "Accepted, no effect yet: its frames are named as native code."            \
	}

static const struct config_key symbols_keys[] = {
	{.name = "lines",
		.type = KEY_BOOL,
		.offset = AT(symbols_lines),
		.def = "false",
		.help = "Whether frames have a source file and a line, where a program or its debug "
			"file has `.debug_line`. Reading it takes time and, while frames are named, "
			"up to 16 MiB."},
	{.name = "max_bytes",
		.type = KEY_SIZE,
		.offset = AT(symbols_max_bytes),
		.min = MIB,
		.max = (int64_t)4096 * MIB,
		.def = "8MiB",
		.help = "Memory for all symbol tables together; the least recently used ones go "
			"first."},
	{0},
};

static const struct config_key unwind_keys[] = {
	{.name = "max_bytes",
		.type = KEY_SIZE,
		.offset = AT(unwind_max_bytes),
		.min = 2 * MIB,
		.max = 128 * MIB,
		.def = "16MiB",
		.help = "Memory in the kernel for unwind tables, of the code that is in use only; the "
			"least recently used goes first."},
	{0},
};

static const struct config_key ebpf_keys[] = {
	{.name = "collect_interval",
		.type = KEY_DURATION,
		.offset = AT(collect_interval_ns),
		.min = NSEC_PER_SEC,
		.max = 3600 * NSEC_PER_SEC,
		.def = "15s",
		.help = "One profile per target and interval."},
	{.name = "sample_rate",
		.type = KEY_UINT,
		.offset = AT(sample_rate),
		.min = 1,
		.max = 10000,
		.def = "97",
		.help = "Samples per second and CPU."},
	{.name = "collect_user_profile",
		.type = KEY_BOOL,
		.offset = AT(collect_user_profile),
		.def = "true",
		.help = "Stacks of programs."},
	{.name = "collect_kernel_profile",
		.type = KEY_BOOL,
		.offset = AT(collect_kernel_profile),
		.def = "true",
		.help = "Stacks of the kernel on their behalf."},
	{.name = "kernel_frames",
		.type = KEY_BOOL,
		.flags = KEY_ALIAS,
		.offset = AT(collect_kernel_profile),
		.help = "Another name of `collect_kernel_profile`."},
	{.name = "comm",
		.type = KEY_CUSTOM,
		.read = read_comm,
		.type_text = "none or stackframe",
		.offset = AT(comm),
		.def = "stackframe",
		.help = "Whether the process name is the root frame of its stacks."},
	{.name = "demangle",
		.type = KEY_CHOICE,
		.choices = demangle_modes,
		.offset = AT(demangle),
		.def = "none",
		.help = "How C++ and Rust names are shown: as the compiler wrote them, or readable "
			"without template arguments and parameters (`simplified`), without "
			"parameters (`templates`), or with both (`full`)."},
	{.name = "python_enabled",
		.type = KEY_BOOL,
		.offset = AT(python_enabled),
		.def = "true",
		.help = "Frames of Python functions."},
	{.name = "python_full_file_path",
		.type = KEY_BOOL,
		.offset = AT(python_full_file_path),
		.def = "false",
		.help = "Python functions are shown with the whole path of their file, not only its last part."},
	{.name = "python_internal_frames",
		.type = KEY_BOOL,
		.offset = AT(python_internal_frames),
		.def = "false",
		.help = "Native frames of the loop that executes Python are shown as well."},
	{.name = "profile_self",
		.type = KEY_BOOL,
		.offset = AT(profile_self),
		.def = "false",
		.help = "Whether dockprof's own container is a target as well."},
	{.name = "symbols",
		.type = KEY_SECTION,
		.section = &ebpf_symbols_section,
		.help = "What naming frames may cost."},
	{.name = "unwind",
		.type = KEY_SECTION,
		.section = &ebpf_unwind_section,
		.help = "What walking stacks may cost."},
	{.name = "max_processes",
		.type = KEY_COUNT,
		.offset = AT(max_processes),
		.min = 16,
		.max = 65536,
		.def = "4096",
		.help = "Processes whose mappings are held at a time."},
	CACHE_SIZE("pid_cache_size"),
	CACHE_SIZE("build_id_cache_size"),
	CACHE_SIZE("same_file_cache_size"),
	CACHE_SIZE("container_id_cache_size"),
	CACHE_SIZE("symbols_map_size"),
	CACHE_SIZE("pid_map_size"),
	CACHE_SIZE("cache_rounds"),
	CACHE_SIZE("symb_cache_size"),
	NO_EFFECT("symb_cache_path", KEY_STRING),
	NO_EFFECT("bpf_fs_root", KEY_STRING),
	NO_EFFECT("no_kernel_version_check", KEY_BOOL),
	NO_EFFECT("obi_process_context_enabled", KEY_BOOL),
	NO_EFFECT("reporter_unsymbolized_stubs", KEY_BOOL),
	NO_EFFECT("go_table_fallback", KEY_BOOL),
	RUNTIME("go_enabled"),
	RUNTIME("perl_enabled"),
	RUNTIME("php_enabled"),
	RUNTIME("hotspot_enabled"),
	RUNTIME("ruby_enabled"),
	RUNTIME("v8_enabled"),
	RUNTIME("dotnet_enabled"),
	{.name = "off_cpu_threshold",
		.type = KEY_NUMBER,
		.offset = KEY_NOWHERE,
		.def = "0",
		.only = "0",
		.why = "there are no off-CPU profiles; remove it or write 0",
		.help = "Accepted where it is 0."},
	{.name = "load_probe",
		.type = KEY_BOOL,
		.offset = KEY_NOWHERE,
		.def = "false",
		.only = "false",
		.why = "dockprof places no probes; remove it or write false",
		.help = "Accepted where it is false."},
	{.name = "probe_links",
		.type = KEY_STRINGS,
		.offset = KEY_NOWHERE,
		.only = "[]",
		.why = "dockprof places no probes; remove it",
		.help = "Accepted where it is empty."},
	{.name = "u_probe_links",
		.type = KEY_STRINGS,
		.offset = KEY_NOWHERE,
		.only = "[]",
		.why = "dockprof places no probes; remove it",
		.help = "Accepted where it is empty."},
	{.name = "verbose_mode",
		.type = KEY_BOOL,
		.offset = KEY_NOWHERE,
		.def = "false",
		.only = "false",
		.why = "remove it and write `level: debug` in `log`",
		.help = "Accepted where it is false."},
	{.name = "lazy_mode",
		.type = KEY_BOOL,
		.offset = KEY_NOWHERE,
		.def = "false",
		.only = "false",
		.why = "sampling starts at once; remove it or write false",
		.help = "Accepted where it is false."},
	{.name = "pid_label",
		.type = KEY_BOOL,
		.offset = KEY_NOWHERE,
		.def = "false",
		.only = "false",
		.why = "samples carry no labels of their own; remove it or write false",
		.help = "Accepted where it is false."},
	{.name = "targets_only",
		.type = KEY_BOOL,
		.offset = KEY_NOWHERE,
		.def = "true",
		.only = "true",
		.why = "only targets are profiled; remove it or write true",
		.help = "Accepted where it is true."},
	{.name = "targets",
		.type = KEY_REFUSED,
		.help = "`targets` is a section of its own; move it to the left margin"},
	{.name = "forward_to",
		.type = KEY_REFUSED,
		.help = "profiles go where `write` says; remove it"},
	{.name = "debug_info",
		.type = KEY_REFUSED,
		.help = "debug files are not uploaded, frames are named here; remove it"},
	{0},
};

static void read_comm(struct config_reader *r, const struct config_key *key,
	const struct node *value, void *object)
{
	static const struct config_key choice = {
		.name = "comm",
		.type = KEY_CHOICE,
		.choices = comm_modes,
		.offset = AT(comm),
	};
	struct ebpf_options *o = object;
	bool text = value->kind == NODE_SCALAR;

	(void)key;
	if (text && !*value->text)
		o->comm = COMM_NONE; /* as in Alloy */
	else if (text && (strcmp(value->text, "label") == 0 || strcmp(value->text, "both") == 0))
		reader_problem(r, value,
			"`comm: %s` is not supported: samples carry no labels of their own; write "
			"none or stackframe",
			value->text);
	else
		scalar_read(r, &choice, value, object);
}

static void check_kernel(struct config_reader *r, const struct node *map, void *object)
{
	const struct node *second = node_get_key(map, "kernel_frames");

	(void)object;
	if (second && node_get(map, "collect_kernel_profile"))
		reader_problem(r, second,
			"`kernel_frames` is another name of `collect_kernel_profile`; keep one");
}

const struct config_section ebpf_symbols_section = {
	.name = "`symbols`",
	.help = "Budgets of the symbol tables, which all targets share.",
	.keys = symbols_keys,
};
const struct config_section ebpf_unwind_section = {
	.name = "`unwind`",
	.help = "Budgets of the unwind tables, which all targets share.",
	.keys = unwind_keys,
};
const struct config_section ebpf_section = {
	.name = "`ebpf`",
	.help = "How to sample: the argument names of `pyroscope.ebpf`.",
	.keys = ebpf_keys,
	.check = check_kernel,
};

void ebpf_options_init(struct ebpf_options *o)
{
	*o = (struct ebpf_options){
		.collect_interval_ns = 15 * NSEC_PER_SEC,
		.sample_rate = 97,
		.collect_user_profile = true,
		.collect_kernel_profile = true,
		.comm = COMM_STACKFRAME,
		.demangle = DEMANGLE_NONE,
		.python_enabled = true,
		.symbols_max_bytes = 8 * MIB,
		.unwind_max_bytes = 16 * MIB,
		.max_processes = 4096,
	};
}
