// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/macros.h"
#include "docker/host.h"
#include "docker/version.h"

static const struct {
	const char *host; /* the option */
	const char *base_url, *unix_socket, *shown;
} good[] = {
	{NULL, "http://docker", "/var/run/docker.sock", "unix:///var/run/docker.sock"},
	{"unix:///run/x.sock", "http://docker", "/run/x.sock", "unix:///run/x.sock"},
	{"tcp://h:1", "http://h:1", NULL, "http://h:1"},
	{"tcp://h", "http://h:2375", NULL, "http://h:2375"},
	{"tcp://[::1]", "http://[::1]:2375", NULL, "http://[::1]:2375"},
	{"tcp://[::1]:7/base/", "http://[::1]:7/base", NULL, "http://[::1]:7/base"},
	{"tcp://h/base", "http://h:2375/base", NULL, "http://h:2375/base"},
	{"http://h:1/p", "http://h:1/p", NULL, "http://h:1/p"},
	{"https://u:secret@h:1/", "https://u:secret@h:1", NULL, "https://h:1"},
};

START_TEST(a_host_becomes_a_url_or_a_socket)
{
	struct docker_host h;
	struct http_client_options http;
	struct error err = {0};

	unsetenv("DOCKER_HOST");
	http_client_options_init(&http);
	ck_assert_msg(docker_host_init(&h, good[_i].host, &http, &err) == 0, "%s", err.message);
	ck_assert_str_eq(h.base_url, good[_i].base_url);
	ck_assert_str_eq(h.shown, good[_i].shown);
	ck_assert_pstr_eq(http.unix_socket, good[_i].unix_socket);
	ck_assert_ptr_null(h.pinned_api);
	docker_host_release(&h);
	http_client_options_release(&http);
}
END_TEST

static const char *const bad[] = {"", "unix://", "unix://relative", "/var/run/docker.sock", "h:1",
	"ssh://me@h", "npipe:////./pipe/docker", "tcp://", "tcp:///x", "tcp://:1", "http://h/?q=1",
	"http://h/#f", "http://a b/"};

START_TEST(other_hosts_are_refused_without_showing_secrets)
{
	struct docker_host h;
	struct http_client_options http;
	struct error err = {0};

	http_client_options_init(&http);
	ck_assert_int_eq(docker_host_init(&h, bad[_i], &http, &err), -EINVAL);
	ck_assert_ptr_null(h.base_url);
	ck_assert_int_eq(docker_host_init(&h, "me:secret@host", &http, &err), -EINVAL);
	ck_assert_ptr_null(strstr(err.message, "secret"));
	http_client_options_release(&http);
}
END_TEST

START_TEST(the_environment_gives_host_version_and_tls)
{
	char dir[40], path[64];
	const char *const files[] = {"ca.pem", "cert.pem", "key.pem"};
	struct docker_host h;
	struct http_client_options http;
	struct error err = {0};

	snprintf(dir, sizeof(dir), "/tmp/dockprof-test-%d", (int)getpid());
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	setenv("DOCKER_HOST", "tcp://h", 1);
	setenv("DOCKER_API_VERSION", "1.40", 1);
	setenv("DOCKER_CERT_PATH", dir, 1);
	setenv("DOCKER_TLS_VERIFY", "1", 1);
	http_client_options_init(&http);
	ck_assert_int_eq(docker_host_init(&h, NULL, &http, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "ca.pem"));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		ck_assert_int_eq(file_replace(path, "x", 1), 0);
	}
	ck_assert_int_eq(docker_host_init(&h, NULL, &http, &err), 0);
	ck_assert_str_eq(h.base_url, "https://h:2376");
	ck_assert_str_eq(h.pinned_api, "1.40");
	ck_assert(!http.tls.insecure_skip_verify);
	ck_assert_ptr_nonnull(strstr(http.tls.key_file, "key.pem"));
	docker_host_release(&h);
	http_client_options_release(&http);

	/* A host that was configured is not the one the environment speaks of. */
	ck_assert_int_eq(docker_host_init(&h, "tcp://other", &http, &err), 0);
	ck_assert_str_eq(h.base_url, "http://other:2375");
	docker_host_release(&h);
	setenv("DOCKER_API_VERSION", "new", 1);
	ck_assert_int_eq(docker_host_init(&h, "tcp://other", &http, &err), -EINVAL);
	http_client_options_release(&http);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}
END_TEST

static const struct {
	const char *text;
	unsigned version; /* 0: none */
} versions[] = {
	{"1.24", 1024},
	{"1.51", 1051},
	{"2.0", 2000},
	{"1.4", 1004},
	{"1", 0},
	{"1.", 0},
	{"", 0},
	{".1", 0},
	{"1.41 ", 0},
	{"v1.41", 0},
	{"1.1000", 0},
	{"0.9", 0},
	{"-1.2", 0},
	{"99999999999.1", 0},
};

START_TEST(versions_compare_as_numbers)
{
	unsigned v = 0;
	char text[16];

	ck_assert_int_eq(docker_version_parse(versions[_i].text, &v), versions[_i].version != 0);
	if (!versions[_i].version)
		return;
	ck_assert_uint_eq(v, versions[_i].version);
	docker_version_format(v, text, sizeof(text));
	ck_assert_str_eq(text, versions[_i].text);
}
END_TEST

START_TEST(a_refusal_tells_the_version_that_is_wanted)
{
	unsigned v = 0;

	ck_assert(docker_version_wanted(
		"client version 1.51 is too new. Maximum supported API version is 1.41", &v));
	ck_assert_uint_eq(v, 1041);
	ck_assert(docker_version_wanted("client version 1.24 is too old. Minimum supported API "
					"version is 1.44, please upgrade your client",
		&v));
	ck_assert_uint_eq(v, 1044);
	ck_assert(!docker_version_wanted("Minimum supported API version is 1.44", &v));
	ck_assert(!docker_version_wanted("too old. supported API version is x", &v));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("docker_host");
	TCase *tcase = tcase_create("docker_host");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tcase, a_host_becomes_a_url_or_a_socket, 0, (int)ARRAY_SIZE(good));
	tcase_add_loop_test(tcase, other_hosts_are_refused_without_showing_secrets, 0,
		(int)ARRAY_SIZE(bad));
	tcase_add_test(tcase, the_environment_gives_host_version_and_tls);
	tcase_add_loop_test(tcase, versions_compare_as_numbers, 0, (int)ARRAY_SIZE(versions));
	tcase_add_test(tcase, a_refusal_tells_the_version_that_is_wanted);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
