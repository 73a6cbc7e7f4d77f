// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <string.h>

#include "config/config.h"

static const char file[] =
	"docker_sd_configs:\n"
	"  - host: tcp://docker:2375\n"
	"    basic_auth: {username: u, password: hunter2}\n"
	"    http_headers: {X-Key: {secrets: [hunter2], values: [hunter2]}}\n"
	"relabel_configs:\n"
	"- source_labels: [__meta_docker_container_name]\n"
	"  regex: \"/(.*)\"\n"
	"  replacement: '$1: \"x\"'\n"
	"  target_label: service_name\n"
	"write:\n"
	"  external_labels: {env: prod, link: \"http://a:hunter2@b/?c@d\", zone: \"1\"}\n"
	"  endpoint:\n"
	"    - url: https://pyroscope:4040\n"
	"      authorization: {credentials: hunter2}\n"
	"      headers: {X-Token: hunter2}\n"
	"    - url: https://other:4040\n"
	"      oauth2:\n"
	"        client_id: me\n"
	"        client_secret: hunter2\n"
	"        token_url: https://idp/token\n"
	"        endpoint_params: {assertion: hunter2}\n"
	"ebpf: {collect_interval: 15s}\n";

static const char shown[] = "docker_sd_configs:\n"
			    "  - host: \"tcp://docker:2375\"\n"
			    "    basic_auth:\n"
			    "      username: u\n"
			    "      password: <secret>\n"
			    "    http_headers:\n"
			    "      X-Key:\n"
			    "        secrets:\n"
			    "          - <secret>\n"
			    "        values:\n"
			    "          - <secret>\n"
			    "relabel_configs:\n"
			    "  - source_labels:\n"
			    "      - __meta_docker_container_name\n"
			    "    regex: \"/(.*)\"\n"
			    "    replacement: \"$1: \\\"x\\\"\"\n"
			    "    target_label: service_name\n"
			    "write:\n"
			    "  external_labels:\n"
			    "    env: prod\n"
			    "    link: \"http://<secret>@b/?c@d\"\n"
			    "    zone: \"1\"\n"
			    "  endpoint:\n"
			    "    - url: \"https://pyroscope:4040\"\n"
			    "      authorization:\n"
			    "        credentials: <secret>\n"
			    "      headers:\n"
			    "        X-Token: <secret>\n"
			    "    - url: \"https://other:4040\"\n"
			    "      oauth2:\n"
			    "        client_id: me\n"
			    "        client_secret: <secret>\n"
			    "        token_url: \"https://idp/token\"\n"
			    "        endpoint_params:\n"
			    "          assertion: <secret>\n"
			    "ebpf:\n"
			    "  collect_interval: 15s\n";

static void parse(const char *text, struct config *ret)
{
	struct config_problems problems = {0};
	int r = config_parse("f", text, strlen(text), ret, &problems);

	ck_assert_msg(r == 0, "%s", problems.count ? problems.list[0].message : "");
}

START_TEST(a_file_is_shown_without_its_secrets)
{
	struct config c, again;

	parse(file, &c);
	ck_assert_str_eq(c.shown, shown);
	/* It is a file that can be read again, and shows itself. */
	parse(c.shown, &again);
	ck_assert_str_eq(again.shown, shown);
	config_release(&c);
	config_release(&again);
}
END_TEST

START_TEST(variables_stay_variables)
{
	struct config c;

	setenv("DOCKPROF_TEST_URL", "http://pyroscope:4040", 1);
	parse("write: {endpoint: [{url: \"${DOCKPROF_TEST_URL}\"}]}\n", &c);
	ck_assert_str_eq(c.shown, "write:\n  endpoint:\n    - url: \"${DOCKPROF_TEST_URL}\"\n");
	config_release(&c);
}
END_TEST

START_TEST(without_a_file_it_says_so)
{
	struct config c;

	setenv("PYROSCOPE_SERVER_ADDRESS", "http://pyroscope:4040", 1);
	ck_assert_int_eq(config_default(&c, NULL), 0);
	ck_assert_str_eq(c.shown, "# no file: the defaults\n");
	config_release(&c);
	parse("", &c);
	ck_assert_str_eq(c.shown, "");
	config_release(&c);
}
END_TEST

START_TEST(the_web_section)
{
	struct config c;

	parse("web: {enable_lifecycle: true, allowed_hosts: [a.example, b], history_max_bytes: 1MiB,"
	      " listen_address: \"unix:/run/s\"}\n",
		&c);
	ck_assert_str_eq(c.web.listen_address, "unix:/run/s");
	ck_assert(c.web.enable_lifecycle);
	ck_assert_uint_eq(c.web.allowed_host_count, 2);
	ck_assert_str_eq(c.web.allowed_hosts[1], "b");
	ck_assert_uint_eq(c.web.history_max_bytes, 1 << 20);
	config_release(&c);
	parse("", &c);
	ck_assert(!c.web.enable_lifecycle);
	ck_assert_uint_eq(c.web.history_max_bytes, 8 << 20);
	config_release(&c);
}
END_TEST

UNIT_MAIN("config_show", a_file_is_shown_without_its_secrets, variables_stay_variables,
	without_a_file_it_says_so, the_web_section)
