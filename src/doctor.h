// SPDX-License-Identifier: Apache-2.0
/*
 * Is everything here that dockprof needs? Checks from the kernel up to the server, each passed, warned
 * of, failed with what mends it, or left out because of one that failed before: what follows from a
 * cause is not told beside it.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "base/strbuf.h"
#include "config/config.h"

enum outcome { CHECK_PASS, CHECK_WARN, CHECK_FAIL, CHECK_SKIP };

struct finding {
	const char *id; /* stable, for machines: "cap_bpf" */
	enum outcome outcome;
	bool environment; /* it is about this machine or container (exit code 3) */
	char *text; /* one line */
	const char *fix; /* "" where there is nothing to mend */
};

/* Zero-initialised. */
struct doctor {
	struct finding *list;
	size_t count;
	bool environment; /* of the findings that are added now */
};

void doctor_release(struct doctor *d);
/* fix: a constant; "" for none. */
void doctor_add(struct doctor *d, const char *id, enum outcome outcome, const char *fix,
	const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Whether the check (NULL: any) has failed. */
bool doctor_failed(const struct doctor *d, const char *id);
/* EXIT_OK, EXIT_ENVIRONMENT where one of the environment failed, else EXIT_FAILED. */
int doctor_exit_code(const struct doctor *d);

/* The checks, in this order. */

/* Kernel, privileges, namespaces, limits. proc, sys: "/proc", "/sys". */
void doctor_check_host(struct doctor *d, const char *proc, const char *sys, unsigned hz);
/* A second of sampling of this very process. */
void doctor_check_sampling(struct doctor *d, unsigned hz);
/* Engines, what they let us ask, and what the rules make of the containers. Takes from *config as
 * discover_apply() does. */
void doctor_check_docker(struct doctor *d, struct config *config);
/* Where profiles go. Takes the endpoints' HTTP options out of *config. */
void doctor_check_delivery(struct doctor *d, struct config *config);
/* Whether an agent answers at its socket. */
void doctor_check_agent(struct doctor *d, const char *socket);

/* For a person, with ANSI colours or without; for machines. */
void doctor_add_text(struct strbuf *out, const struct doctor *d, bool color);
void doctor_add_json(struct strbuf *out, const struct doctor *d);

#endif
