// SPDX-License-Identifier: Apache-2.0
/*
 * What somebody writes to the control socket: it reaches the true server in two pieces and is answered from a true
 * table of states. The answer is framed well, and nothing of the request gets to a terminal as it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent_control.h"
#include "base/cleanup.h"
#include "first_look.h"

#define TURNS 20 /* of the loop for one answer; it takes three or four */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char targets[] =
	"targets:\n"
	"  - {service_name: api, __process_pid__: \"1\", team: \"shop\\e[31m\"}\n"
	"  - {service_name: \"we\\nb\", __process_pid__: \"4194303\"}\n"
	"  - {service_name: db, __container_id__: "
	"4f0c1234abcd4f0c1234abcd4f0c1234abcd4f0c1234abcd4f0c1234abcd4f0c}\n"
	"relabel_configs:\n"
	"  - {source_labels: [service_name], regex: db, action: drop}\n";

static struct loop *loop;
static struct discover *discover;
static struct status *status;
static struct writer *writer; /* none */
static struct interp *interp; /* none */
static struct agent_control server;
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void remove_socket(void)
{
	unlink(address.sun_path);
}

static void start(void)
{
	static struct first_look look;
	struct config_problems problems = {0};
	struct config config;
	struct http *http = NULL;

	require(loop_new(&loop) == 0 && http_new(loop, &http, NULL) == 0);
	require(discover_new(loop, http, &first_look_ops, &look, &discover) == 0);
	require(config_parse("fuzz.yml", targets, strlen(targets), &config, &problems) == 0);
	require(discover_apply(discover, &config, NULL) == 0);
	config_release(&config);
	status = status_new(discover, NULL, "/proc");
	server = (struct agent_control){
		.loop = loop,
		.status = status,
		.discover = discover,
		.writer = &writer,
		.interp = &interp,
	};
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/dockprof-fuzz-%d.sock",
		(int)getpid());
	agent_control_apply(&server, address.sun_path);
	require(server.control);
	atexit(remove_socket);
}

static void check_answer(const char *answer, size_t len)
{
	size_t body;
	int code, begin = 0;

	require(sscanf(answer, "dockprof %d %zu\n%n", &code, &body, &begin) == 2);
	require(code >= 0 && code <= 3 && body);
	const char *at = memchr(answer, '\n', len);

	require(at && (size_t)(answer + len - at - 1) == body);
	for (; at < answer + len; at++)
		require((unsigned char)*at >= 0x20 || *at == '\n');
}

static void turn(void)
{
	require(loop_turn(loop, 0) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf answer cleanup_strbuf = STRBUF_INIT;
	ssize_t n = -1;

	if (!loop)
		start();
	int fd cleanup_close = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	require(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	turn();
	for (size_t done = 0, half = size / 2; done < size; done += half, half = size - half) {
		if (send(fd, data + done, half, MSG_NOSIGNAL) != (ssize_t)half && half)
			break; /* it was too much, and the server has gone */
		turn();
	}
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < TURNS && n != 0; i++) {
		turn();
		strbuf_grow(&answer, 65536);
		n = recv(fd, answer.buf + answer.len, 65536, 0);
		if (n > 0)
			strbuf_set_len(&answer, answer.len + (size_t)n);
	}
	require(n <= 0);
	if (answer.len)
		check_answer(answer.buf, answer.len);
	return 0;
}
