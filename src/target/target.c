// SPDX-License-Identifier: Apache-2.0
#include "target/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static uint32_t parse_pid(const char *text)
{
	char *end;

	if (*text < '0' || *text > '9')
		return 0;
	unsigned long n = strtoul(text, &end, 10);

	return *end || n > UINT32_MAX ? 0 : (uint32_t)n;
}

static const char *strip_runtime(const char *id)
{
	static const char *const runtimes[] = {"docker://", "containerd://", "cri-o://"};

	for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++)
		if (strncmp(id, runtimes[i], strlen(runtimes[i])) == 0 && id[strlen(runtimes[i])])
			return id + strlen(runtimes[i]);
	return NULL;
}

static const char *set_or_null(const struct labels *labels, const char *name)
{
	const char *value = labels_get(labels, name);

	return *value ? value : NULL;
}

struct target_selector target_selector_of(const struct labels *labels)
{
	struct target_selector s = {.pid = parse_pid(labels_get(labels, "__process_pid__"))};

	if (s.pid)
		return s;
	s.container_id = set_or_null(labels, "__container_id__");
	if (s.container_id)
		return s;
	const char *kubernetes = set_or_null(labels, "__meta_kubernetes_pod_container_id");

	if (kubernetes) {
		/* Another runtime's id hides the labels that follow, as in the original. */
		s.container_id = strip_runtime(kubernetes);
		return s;
	}
	s.container_id = set_or_null(labels, "__meta_docker_container_id");
	if (!s.container_id)
		s.container_id = set_or_null(labels, "__meta_dockerswarm_task_container_id");
	return s;
}

static char *kubernetes_name(const struct labels *l)
{
	const char *ns = labels_get(l, "__meta_kubernetes_namespace");
	const char *container = labels_get(l, "__meta_kubernetes_pod_container_name");

	return *ns && *container ? xasprintf("ebpf/%s/%s", ns, container) : NULL;
}

char *target_service_name(const struct labels *labels, const struct labels *discovered)
{
	static const char *const sources[] = {
		"__meta_docker_container_label_pyroscope_io_service_name",
		"__meta_docker_container_label_profiles_grafana_com_service_name",
		"__meta_docker_container_label_com_docker_compose_service",
		"__meta_docker_container_name",
		"__meta_kubernetes_pod_annotation_pyroscope_io_service_name",
		"__meta_dockerswarm_container_label_service_name",
		"__meta_dockerswarm_service_name",
	};
	const char *name = labels_get(labels, "service_name");

	if (*name)
		return xstrdup(name);
	name = labels_get(discovered, "service_name");
	for (size_t i = 0; !*name && i < ARRAY_SIZE(sources); i++) {
		name = labels_get(discovered, sources[i]);
		if (*name == '/')
			name++;
	}
	if (*name)
		return xstrdup(name);
	char *kubernetes = kubernetes_name(discovered);

	return kubernetes ? kubernetes : xstrdup("unspecified");
}

void target_quality_release(struct target_quality *q)
{
	for (size_t i = 0; i < q->module_count; i++)
		free(q->modules[i].path);
	free(q->modules);
	free(q->module_ids);
	*q = (struct target_quality){0};
}

static void add_module(struct target_quality *q, const char *path)
{
	size_t i = q->module_count++;

	q->modules = xreallocarray(q->modules, q->module_count, sizeof(q->modules[0]));
	q->modules[i] = (struct target_module){.path = xstrdup(path)};
	q->module_ids = xreallocarray(q->module_ids, q->module_count, sizeof(q->module_ids[0]));
}

struct target_module *target_quality_module(struct target_quality *q, uint32_t id, const char *path)
{
	size_t i = 0;

	for (; i < q->module_count; i++)
		if (q->module_ids[i] == id)
			return &q->modules[i];
	for (i = 0; i < q->module_count && strcmp(q->modules[i].path, path) != 0; i++)
		;
	if (i == TARGET_MODULES)
		return NULL;
	if (i == q->module_count)
		add_module(q, path);
	q->module_ids[i] = id;
	return &q->modules[i];
}
