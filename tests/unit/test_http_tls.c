// SPDX-License-Identifier: Apache-2.0
/* https against a server of the openssl program, with a certificate made for the occasion. */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "http/http.h"
#include "lib/forked_server.h"

struct fixture {
	struct loop *loop;
	struct http *http;
	struct http_client *client;
	struct http_client_options options;
	char dir[64], ca[96], key[96];
	pid_t server;
	int port;
	bool done;
	int code;
	long status;
	char message[256];
};

static struct fixture f;

static int free_port(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	close(fd);
	return ntohs(addr.sin_port);
}

static void make_certificate(void)
{
	char command[512];

	snprintf(f.dir, sizeof(f.dir), "/tmp/dockprof-test-%d", (int)getpid());
	snprintf(f.ca, sizeof(f.ca), "%s/ca.pem", f.dir);
	snprintf(f.key, sizeof(f.key), "%s/key.pem", f.dir);
	ck_assert_int_eq(mkdir(f.dir, 0700), 0);
	snprintf(command, sizeof(command),
		"openssl req -x509 -newkey rsa:2048 -nodes -keyout %s -out %s -days 2 "
		"-subj /CN=test -addext subjectAltName=DNS:docker.example 2>/dev/null",
		f.key, f.ca);
	ck_assert_int_eq(system(command), 0);
}

static void start_server(const char *option)
{
	char port[16];

	f.port = free_port();
	snprintf(port, sizeof(port), "%d", f.port);
	f.server = fork();
	if (f.server == 0) {
		int null = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execlp("openssl", "openssl", "s_server", "-www", "-accept", port, "-cert", f.ca,
			"-key", f.key, option, (char *)NULL);
		_exit(127);
	}
}

static void begin(void)
{
	struct error err = {0};

	f = (struct fixture){0};
	make_certificate();
	start_server("-quiet");
	ck_assert_int_eq(loop_new(&f.loop), 0);
	ck_assert_int_eq(http_new(f.loop, &f.http, &err), 0);
	http_client_options_init(&f.options);
}

static void end(void)
{
	kill(f.server, SIGKILL);
	waitpid(f.server, NULL, 0);
	http_free(f.http);
	loop_free(f.loop);
	unlink(f.ca);
	unlink(f.key);
	rmdir(f.dir);
}

static void on_done(void *ctx, const struct http_result *r)
{
	(void)ctx;
	f.done = true;
	f.code = r->code;
	f.status = r->status;
	snprintf(f.message, sizeof(f.message), "%s", r->message);
}

static void ask_once(void)
{
	char url[64];
	struct error err = {0};
	struct http_request_options o = {.url = url,
		.on_done = on_done,
		.timeout_ns = 10 * NSEC_PER_SEC};

	snprintf(url, sizeof(url), "https://127.0.0.1:%d/", f.port);
	f.done = false;
	ck_assert_msg(http_request_start(f.client, &o, NULL, &err) == 0, "%s", err.message);
	while (!f.done)
		ck_assert_int_eq(loop_turn(f.loop, NSEC_PER_SEC), 0);
}

/* With a client made from f.options; the server may still be on its way up. */
static void ask(void)
{
	struct error err = {0};

	ck_assert_msg(http_client_new(f.http, &f.options, &f.client, &err) == 0, "%s", err.message);
	for (int i = 0; i < 100; i++) {
		ask_once();
		if (f.code != -ECONNREFUSED)
			break;
		usleep(50000);
	}
	http_client_free(f.client);
}

static char *contents(const char *path)
{
	struct strbuf text = STRBUF_INIT;

	ck_assert_int_eq(file_read_at(AT_FDCWD, path, 65536, &text), 0);
	return strbuf_detach(&text);
}

START_TEST(a_certificate_is_verified)
{
	begin();
	ask();
	ck_assert_msg(f.code == -EPROTO, "%d %s", f.code, f.message);
	ck_assert_ptr_nonnull(strstr(f.message, "certificate"));

	f.options.tls.ca_file = xstrdup(f.ca);
	ask(); /* trusted, but its name is not that of the URL */
	ck_assert_int_eq(f.code, -EPROTO);

	f.options.tls.insecure_skip_verify = true;
	ask();
	ck_assert_msg(f.code == 0 && f.status == 200, "%d %s", f.code, f.message);
	end();
}
END_TEST

START_TEST(server_name_takes_the_place_of_the_host)
{
	begin();
	f.options.tls.ca_file = xstrdup(f.ca);
	f.options.tls.server_name = xstrdup("docker.example");
	ask();
	ck_assert_msg(f.code == 0 && f.status == 200, "%d %s", f.code, f.message);

	f.options.tls.ca_file = xstrdup(f.ca);
	f.options.tls.server_name = xstrdup("other.example");
	ask();
	ck_assert_int_eq(f.code, -EPROTO);
	end();
}
END_TEST

START_TEST(certificates_can_be_given_as_text)
{
	begin();
	f.options.tls.ca = contents(f.ca);
	f.options.tls.cert = contents(f.ca);
	f.options.tls.key = contents(f.key);
	f.options.tls.server_name = xstrdup("docker.example");
	f.options.tls.min_version = xstrdup("TLS13");
	ask();
	ck_assert_msg(f.code == 0 && f.status == 200, "%d %s", f.code, f.message);
	end();
}
END_TEST

START_TEST(a_server_that_speaks_no_common_version_is_a_protocol_error)
{
	begin();
	f.options.tls.ca_file = xstrdup(f.ca);
	f.options.tls.server_name = xstrdup("docker.example");
	f.options.tls.min_version = xstrdup("TLS13");
	kill(f.server, SIGKILL);
	waitpid(f.server, NULL, 0);
	start_server("-no_tls1_3");
	ask();
	ck_assert_int_eq(f.code, -EPROTO);
	ck_assert_msg(!strncmp(f.message, "TLS: ", 5), "%s", f.message);
	end();
}
END_TEST

START_TEST(a_missing_certificate_file_is_named)
{
	begin();
	f.options.tls.ca_file = xstrdup("/nowhere/ca.pem");
	ask();
	ck_assert_int_eq(f.code, -EPROTO);
	ck_assert_ptr_nonnull(strstr(f.message, "/nowhere/ca.pem"));
	end();
}
END_TEST

UNIT_MAIN("http_tls", a_certificate_is_verified, server_name_takes_the_place_of_the_host,
	certificates_can_be_given_as_text,
	a_server_that_speaks_no_common_version_is_a_protocol_error,
	a_missing_certificate_file_is_named)
