// SPDX-License-Identifier: Apache-2.0
/* Good files and what becomes of them; no file at all; files of targets. */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/macros.h"
#include "base/strbuf.h"
#include "config/config.h"

static void parse_at(const char *path, const char *text, struct config *config)
{
	struct config_problems problems = {0};
	int r = config_parse(path, text, strlen(text), config, &problems);

	ck_assert_msg(r == 0, "%u:%u: %s", problems.list[0].line, problems.list[0].column,
		problems.list[0].message);
	config_problems_release(&problems);
}

static void parse(const char *text, struct config *config)
{
	parse_at("/etc/dockprof/dockprof.yml", text, config);
}

static void forget_environment(void)
{
	unsetenv("PYROSCOPE_AUTH_TOKEN");
	unsetenv("PYROSCOPE_HTTP_HEADERS");
	unsetenv("PYROSCOPE_LABELS");
	unsetenv("PYROSCOPE_SERVER_ADDRESS");
	unsetenv("PYROSCOPE_BASIC_AUTH_USER");
	unsetenv("PYROSCOPE_BASIC_AUTH_PASSWORD");
	unsetenv("PYROSCOPE_BASIC_AUTH_PASSWORD_FILE");
	unsetenv("PYROSCOPE_TENANT_ID");
}

START_TEST(an_empty_file_has_the_defaults)
{
	static const char all_blank[] = "docker_sd_configs:\ntargets:\nfile_sd_configs:\n"
					"relabel_configs:\nebpf:\nwrite:\nlog:\nweb:\n";
	static const char *const texts[] = {"", "# nothing\n", "---\n", "{}\n", all_blank};

	forget_environment();
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct config c;

		parse(texts[i], &c);
		ck_assert_str_eq(c.path, "/etc/dockprof/dockprof.yml");
		ck_assert_uint_eq(c.docker_count, 1);
		ck_assert_ptr_null(c.docker[0].host);
		ck_assert_int_eq(c.docker[0].refresh_interval_ns, 60 * NSEC_PER_SEC);
		ck_assert_uint_eq(c.docker[0].port, 80);
		ck_assert_str_eq(c.docker[0].host_networking_host, "localhost");
		ck_assert_uint_eq(c.target_count + c.file_sd_count, 0);
		ck_assert_ptr_nonnull(c.rules);
		ck_assert_uint_eq(relabel_rules_count(c.rules), 0);
		ck_assert_int_eq(c.ebpf.collect_interval_ns, 15 * NSEC_PER_SEC);
		ck_assert_uint_eq(c.ebpf.sample_rate, 97);
		ck_assert(c.ebpf.collect_user_profile && c.ebpf.collect_kernel_profile);
		ck_assert(c.ebpf.python_enabled && !c.ebpf.profile_self);
		ck_assert(!c.ebpf.python_full_file_path && !c.ebpf.python_internal_frames);
		ck_assert_int_eq(c.ebpf.comm, COMM_STACKFRAME);
		ck_assert_int_eq(c.ebpf.demangle, DEMANGLE_NONE);
		ck_assert_uint_eq(c.ebpf.symbols_max_bytes, 8 << 20);
		ck_assert(!c.ebpf.symbols_lines);
		ck_assert_uint_eq(c.ebpf.max_processes, 4096);
		ck_assert_uint_eq(c.write.endpoint_count, 0);
		ck_assert_str_eq(c.write.directory, "/var/lib/dockprof/profiles");
		ck_assert_uint_eq(c.write.directory_max_bytes, 64 << 20);
		ck_assert_int_eq(c.log.level, LOG_LEVEL_INFO);
		ck_assert(!c.log.level_set && !c.log.format_set);
		ck_assert_str_eq(c.web.listen_address, "127.0.0.1:4041");
		config_release(&c);
	}
}
END_TEST

START_TEST(docker_and_http_options_arrive)
{
	static const char text[] = "docker_sd_configs:\n"
				   "  - host: tcp://docker:2376\n"
				   "    refresh_interval: 1m30s\n"
				   "    port: 8080\n"
				   "    host_networking_host: node\n"
				   "    match_first_network: false\n"
				   "    filters:\n"
				   "      - {name: label, values: [a=b, c]}\n"
				   "      - name: status\n"
				   "        values:\n"
				   "          - running\n"
				   "    authorization: {type: Token, credentials: x}\n"
				   "    tls_config:\n"
				   "      ca_file: ca.pem\n"
				   "      cert_pem: CERT\n"
				   "      key_file: /abs/key.pem\n"
				   "      server_name: d\n"
				   "      insecure_skip_verify: TRUE\n"
				   "      min_version: TLS12\n"
				   "    proxy_url: http://proxy:3128\n"
				   "    no_proxy: a,b\n"
				   "    follow_redirects: false\n"
				   "    enable_http2: False\n"
				   "    http_headers:\n"
				   "      X-A: {values: [one, two]}\n"
				   "      X-B: {secrets: [three]}\n"
				   "  - basic_auth: {username: u, password: '', }\n"
				   "  - bearer_token_file: token\n";
	struct config c;

	parse(text, &c);
	ck_assert_uint_eq(c.docker_count, 3);
	const struct docker_sd_options *d = &c.docker[0];

	ck_assert_str_eq(d->host, "tcp://docker:2376");
	ck_assert_int_eq(d->refresh_interval_ns, 90 * NSEC_PER_SEC);
	ck_assert_uint_eq(d->port, 8080);
	ck_assert_str_eq(d->host_networking_host, "node");
	ck_assert(!d->match_first_network);
	ck_assert_uint_eq(d->filter_count, 2);
	ck_assert_str_eq(d->filters[0].name, "label");
	ck_assert_uint_eq(d->filters[0].value_count, 2);
	ck_assert_str_eq(d->filters[0].values[0], "a=b");
	ck_assert_str_eq(d->filters[0].values[1], "c");
	ck_assert_str_eq(d->filters[1].values[0], "running");
	ck_assert_str_eq(d->http.authorization.type, "Token");
	ck_assert_str_eq(d->http.authorization.credentials, "x");
	ck_assert_str_eq(d->http.tls.ca_file, "/etc/dockprof/ca.pem");
	ck_assert_str_eq(d->http.tls.cert, "CERT");
	ck_assert_str_eq(d->http.tls.key_file, "/abs/key.pem");
	ck_assert_str_eq(d->http.tls.server_name, "d");
	ck_assert(d->http.tls.insecure_skip_verify);
	ck_assert_str_eq(d->http.tls.min_version, "TLS12");
	ck_assert_str_eq(d->http.proxy.url, "http://proxy:3128");
	ck_assert_str_eq(d->http.proxy.no_proxy, "a,b");
	ck_assert(!d->http.follow_redirects && !d->http.enable_http2);
	ck_assert_uint_eq(d->http.header_count, 3);
	ck_assert_str_eq(d->http.headers[0].name, "X-A");
	ck_assert_str_eq(d->http.headers[0].value, "one");
	ck_assert_str_eq(d->http.headers[1].value, "two");
	ck_assert_str_eq(d->http.headers[2].name, "X-B");
	ck_assert_str_eq(d->http.headers[2].value, "three");
	ck_assert_str_eq(c.docker[1].http.basic_auth.username, "u");
	ck_assert_str_eq(c.docker[1].http.basic_auth.password, "");
	ck_assert_str_eq(c.docker[2].http.authorization.credentials_file, "/etc/dockprof/token");
	ck_assert_ptr_null(c.docker[2].http.authorization.type);
	config_release(&c);
}
END_TEST

START_TEST(oauth2_arrives)
{
	static const char text[] = "write:\n"
				   "  endpoint:\n"
				   "    - url: http://h\n"
				   "      oauth2:\n"
				   "        client_id: me\n"
				   "        client_secret_file: secret\n"
				   "        token_url: https://idp/token\n"
				   "        scopes: [a, b]\n"
				   "        endpoint_params: {audience: c}\n"
				   "        tls_config: {ca_file: ca.pem}\n"
				   "        proxy_url: http://proxy:3128\n";
	struct config c;

	parse(text, &c);
	const struct http_client_options *http = &c.write.endpoints[0].http;
	const struct http_oauth2_options *o = &http->oauth2;

	ck_assert_str_eq(o->client_id, "me");
	ck_assert_str_eq(o->client_secret_file, "/etc/dockprof/secret");
	ck_assert_str_eq(o->token_url, "https://idp/token");
	ck_assert_uint_eq(o->scope_count, 2);
	ck_assert_str_eq(o->scopes[1], "b");
	ck_assert_uint_eq(o->param_count, 1);
	ck_assert_str_eq(o->params[0].name, "audience");
	ck_assert_str_eq(o->params[0].value, "c");
	ck_assert_str_eq(o->tls.ca_file, "/etc/dockprof/ca.pem");
	ck_assert_str_eq(o->proxy.url, "http://proxy:3128");
	ck_assert_ptr_null(http->tls.ca_file);
	ck_assert_ptr_null(http->proxy.url);
	config_release(&c);
}
END_TEST

START_TEST(ebpf_log_and_web_options_arrive)
{
	/* A block as it stands in an Alloy configuration, in YAML's spelling. */
	static const char text[] = "ebpf:\n"
				   "  collect_interval: 1m\n"
				   "  sample_rate: 19\n"
				   "  collect_user_profile: false\n"
				   "  kernel_frames: false\n"
				   "  comm: none\n"
				   "  demangle: templates\n"
				   "  python_enabled: false\n"
				   "  python_full_file_path: true\n"
				   "  python_internal_frames: true\n"
				   "  profile_self: true\n"
				   "  symbols: {max_bytes: 32MiB}\n"
				   "  max_processes: 100\n"
				   "  pid_cache_size: 32\n"
				   "  build_id_cache_size: 64\n"
				   "  same_file_cache_size: 8\n"
				   "  container_id_cache_size: 1024\n"
				   "  cache_rounds: 3\n"
				   "  symbols_map_size: 2048\n"
				   "  pid_map_size: 16384\n"
				   "  go_table_fallback: true\n"
				   "  perl_enabled: true\n"
				   "  php_enabled: true\n"
				   "  hotspot_enabled: true\n"
				   "  ruby_enabled: true\n"
				   "  v8_enabled: true\n"
				   "  dotnet_enabled: true\n"
				   "  go_enabled: true\n"
				   "  off_cpu_threshold: 0.0\n"
				   "  bpf_fs_root: /sys/fs/bpf/\n"
				   "  load_probe: false\n"
				   "  probe_links: []\n"
				   "  verbose_mode: false\n"
				   "  lazy_mode: false\n"
				   "  targets_only: true\n"
				   "  pid_label: false\n"
				   "log: {level: debug, format: json}\n"
				   "web: {listen_address: ''}\n";
	struct config c;

	parse(text, &c);
	ck_assert_int_eq(c.ebpf.collect_interval_ns, 60 * NSEC_PER_SEC);
	ck_assert_uint_eq(c.ebpf.sample_rate, 19);
	ck_assert(!c.ebpf.collect_user_profile && !c.ebpf.collect_kernel_profile);
	ck_assert(!c.ebpf.python_enabled && c.ebpf.profile_self);
	ck_assert(c.ebpf.python_full_file_path && c.ebpf.python_internal_frames);
	ck_assert_int_eq(c.ebpf.comm, COMM_NONE);
	ck_assert_int_eq(c.ebpf.demangle, DEMANGLE_TEMPLATES);
	ck_assert_uint_eq(c.ebpf.symbols_max_bytes, 32 << 20);
	ck_assert_uint_eq(c.ebpf.max_processes, 100);
	ck_assert_int_eq(c.log.level, LOG_LEVEL_DEBUG);
	ck_assert_int_eq(c.log.format, LOG_FORMAT_JSON);
	ck_assert(c.log.level_set && c.log.format_set);
	ck_assert_str_eq(c.web.listen_address, "");
	config_release(&c);
	parse("ebpf: {comm: stackframe}\nlog: {format: logfmt}\n", &c);
	ck_assert_int_eq(c.ebpf.comm, COMM_STACKFRAME);
	ck_assert(!c.log.level_set && c.log.format_set);
	config_release(&c);
	parse("ebpf: {comm: ''}\n", &c);
	ck_assert_int_eq(c.ebpf.comm, COMM_NONE);
	config_release(&c);
}
END_TEST

START_TEST(write_options_arrive)
{
	static const char text[] =
		"write:\n"
		"  endpoint:\n"
		"    - url: http://pyroscope:4040\n"
		"      name: local\n"
		"      remote_timeout: 3s\n"
		"      min_backoff_period: 1s\n"
		"      max_backoff_period: 2m\n"
		"      max_backoff_retries: 0\n"
		"      retry_on_http_429: false\n"
		"      tenant_id: t1\n"
		"      headers: {X-A: 1, X-B: \"${DP_X}\"}\n"
		"      basic_auth: {username: \"${DP_X}\", password_file: pw}\n"
		"    - url: https://h/prefix\n"
		"      bearer_token: ${DP_X}\n"
		"  external_labels: {env: prod, gone: '', blank: , host.name: \"${DP_X}\"}\n"
		"  file: {directory: profiles, max_bytes: 1GiB, max_age: 7d}\n"
		"  spool: {path: spool, max_bytes: 1GiB, max_age: 2h, sync_period: 0}\n"
		"  max_pending_bytes: 8MB\n";
	struct config c;

	setenv("DP_X", "from env", 1);
	setenv("PYROSCOPE_SERVER_ADDRESS", "http://ignored", 1);
	parse(text, &c);
	ck_assert_uint_eq(c.write.endpoint_count, 2);
	const struct write_endpoint_options *e = &c.write.endpoints[0];

	ck_assert_str_eq(e->url, "http://pyroscope:4040");
	ck_assert_str_eq(e->name, "local");
	ck_assert_int_eq(e->remote_timeout_ns, 3 * NSEC_PER_SEC);
	ck_assert_int_eq(e->min_backoff_ns, NSEC_PER_SEC);
	ck_assert_int_eq(e->max_backoff_ns, 120 * NSEC_PER_SEC);
	ck_assert_uint_eq(e->max_backoff_retries, 0);
	ck_assert(!e->retry_on_http_429);
	ck_assert_str_eq(e->tenant_id, "t1");
	ck_assert_uint_eq(e->http.header_count, 2);
	ck_assert_str_eq(e->http.headers[0].value, "1");
	ck_assert_str_eq(e->http.headers[1].value, "from env");
	ck_assert_str_eq(e->http.basic_auth.username, "from env");
	ck_assert_str_eq(e->http.basic_auth.password_file, "/etc/dockprof/pw");
	ck_assert_str_eq(c.write.endpoints[1].http.authorization.credentials, "from env");
	ck_assert_int_eq(c.write.endpoints[1].remote_timeout_ns, 10 * NSEC_PER_SEC);
	ck_assert_uint_eq(c.write.external_labels.count, 2);
	ck_assert_str_eq(labels_get(&c.write.external_labels, "env"), "prod");
	ck_assert_str_eq(labels_get(&c.write.external_labels, "host.name"), "from env");
	ck_assert_uint_eq(c.write.external_label_removal_count, 2);
	ck_assert_str_eq(c.write.external_label_removals[0], "gone");
	ck_assert_str_eq(c.write.external_label_removals[1], "blank");
	ck_assert_str_eq(c.write.directory, "/etc/dockprof/profiles");
	ck_assert_uint_eq(c.write.directory_max_bytes, 1 << 30);
	ck_assert_int_eq(c.write.directory_max_age_ns, 7 * 24 * 3600 * NSEC_PER_SEC);
	ck_assert_uint_eq(c.write.max_pending_bytes, 8 << 20);
	ck_assert_str_eq(c.write.spool.path, "/etc/dockprof/spool");
	ck_assert_uint_eq(c.write.spool.max_bytes, 1 << 30);
	ck_assert_int_eq(c.write.spool.max_age_ns, 7200 * NSEC_PER_SEC);
	ck_assert_int_eq(c.write.spool.sync_ns, 0);
	config_release(&c);
}
END_TEST

START_TEST(targets_and_their_files_arrive)
{
	static const char text[] = "targets:\n"
				   "  - __process_pid__: 42\n"
				   "    service_name: ${DP_X}\n"
				   "    empty: ''\n"
				   "  - {__container_id__: abc, 'odd name': true}\n"
				   "file_sd_configs:\n"
				   "  - files: [a.json, /b/c*.yml]\n"
				   "    refresh_interval: 30s\n"
				   "  - files: [targets/*.YAML]\n";
	struct config c;

	setenv("DP_X", "cron", 1);
	parse_at("conf/d.yml", text, &c);
	ck_assert_uint_eq(c.docker_count, 0);
	ck_assert_uint_eq(c.target_count, 2);
	ck_assert_uint_eq(c.targets[0].count, 2);
	ck_assert_str_eq(labels_get(&c.targets[0], "__process_pid__"), "42");
	ck_assert_str_eq(labels_get(&c.targets[0], "service_name"), "cron");
	ck_assert_str_eq(labels_get(&c.targets[1], "__container_id__"), "abc");
	ck_assert_str_eq(labels_get(&c.targets[1], "odd name"), "true");
	ck_assert_uint_eq(c.file_sd_count, 2);
	ck_assert_uint_eq(c.files[0].file_count, 2);
	ck_assert_str_eq(c.files[0].files[0], "conf/a.json");
	ck_assert_str_eq(c.files[0].files[1], "/b/c*.yml");
	ck_assert_int_eq(c.files[0].refresh_interval_ns, 30 * NSEC_PER_SEC);
	ck_assert_int_eq(c.files[1].refresh_interval_ns, 300 * NSEC_PER_SEC);
	config_release(&c);
	parse_at("d.yml", "file_sd_configs: [{files: [a.yml]}]\n", &c);
	ck_assert_str_eq(c.files[0].files[0], "a.yml");
	config_release(&c);
	parse_at("/d.yml", "file_sd_configs: [{files: [a.yml]}]\n", &c);
	ck_assert_str_eq(c.files[0].files[0], "/a.yml");
	config_release(&c);
}
END_TEST

START_TEST(without_a_destination_the_environment_names_it)
{
	struct error err = {0};
	struct config c;

	forget_environment();
	ck_assert_int_eq(config_default(&c, &err), 0);
	ck_assert_ptr_null(c.path);
	ck_assert_uint_eq(c.docker_count, 1);
	ck_assert_str_eq(c.write.directory, "/var/lib/dockprof/profiles");
	config_release(&c);

	setenv("PYROSCOPE_SERVER_ADDRESS", "http://p:4040", 1);
	setenv("PYROSCOPE_TENANT_ID", "t", 1);
	setenv("PYROSCOPE_BASIC_AUTH_USER", "u", 1);
	setenv("PYROSCOPE_BASIC_AUTH_PASSWORD", "pw", 1);
	ck_assert_int_eq(config_default(&c, &err), 0);
	ck_assert_ptr_null(c.write.directory);
	ck_assert_uint_eq(c.write.endpoint_count, 1);
	ck_assert_str_eq(c.write.endpoints[0].url, "http://p:4040");
	ck_assert_str_eq(c.write.endpoints[0].tenant_id, "t");
	ck_assert_str_eq(c.write.endpoints[0].http.basic_auth.username, "u");
	ck_assert_str_eq(c.write.endpoints[0].http.basic_auth.password, "pw");
	ck_assert(c.write.endpoints[0].retry_on_http_429);
	config_release(&c);

	/* A file that says where to write nothing is the same. */
	parse("write: {external_labels: {a: b}}\n", &c);
	ck_assert_str_eq(c.write.endpoints[0].url, "http://p:4040");
	ck_assert_str_eq(labels_get(&c.write.external_labels, "a"), "b");
	config_release(&c);
	parse("write: {file: {directory: /x}}\n", &c);
	ck_assert_uint_eq(c.write.endpoint_count, 0);
	ck_assert_str_eq(c.write.directory, "/x");
	config_release(&c);
}
END_TEST

START_TEST(the_environment_has_a_token_and_headers)
{
	struct error err = {0};
	struct config c;

	forget_environment();
	setenv("PYROSCOPE_SERVER_ADDRESS", "http://p:4040", 1);
	setenv("PYROSCOPE_AUTH_TOKEN", "tok", 1);
	setenv("PYROSCOPE_HTTP_HEADERS", "{\"X-A\": \"one\", \"X-B\": \"two\"}", 1);
	ck_assert_msg(config_default(&c, &err) == 0, "%s", err.message);
	const struct http_client_options *o = &c.write.endpoints[0].http;

	ck_assert_str_eq(o->authorization.credentials, "tok");
	ck_assert_ptr_null(o->authorization.type);
	ck_assert_uint_eq(o->header_count, 2);
	ck_assert_str_eq(o->headers[1].name, "X-B");
	ck_assert_str_eq(o->headers[1].value, "two");
	config_release(&c);

	/* Of a server that the file names, only the file tells. */
	parse("write: {endpoint: [{url: http://q}]}\n", &c);
	ck_assert_uint_eq(c.write.endpoint_count, 1);
	ck_assert_str_eq(c.write.endpoints[0].url, "http://q");
	ck_assert_ptr_null(c.write.endpoints[0].http.authorization.credentials);
	ck_assert_uint_eq(c.write.endpoints[0].http.header_count, 0);
	config_release(&c);
	forget_environment();
}
END_TEST

START_TEST(labels_of_the_environment_stand_behind_those_of_the_file)
{
	struct config c;

	forget_environment();
	setenv("PYROSCOPE_LABELS", "env=prod,team:intake,zone=a=b,,gone=x,empty=", 1);
	parse("write: {external_labels: {env: test, gone: ''}, file: {directory: /x}}\n", &c);
	const struct labels *l = &c.write.external_labels;

	ck_assert_uint_eq(l->count, 3);
	ck_assert_str_eq(labels_get(l, "env"), "test");
	ck_assert_str_eq(labels_get(l, "team"), "intake");
	ck_assert_str_eq(labels_get(l, "zone"), "a=b");
	ck_assert_uint_eq(c.write.external_label_removal_count, 1);
	config_release(&c);
	forget_environment();
}
END_TEST

static const struct {
	const char *name, *value, *want;
} bad_variables[] = {
	{"PYROSCOPE_LABELS", "env", "PYROSCOPE_LABELS: not NAME=VALUE,NAME=VALUE: \"env\""},
	{"PYROSCOPE_LABELS", "a=b,__c=d",
		"PYROSCOPE_LABELS: \"__c\": labels that begin with __ stay inside; choose another "
		"name"},
	{"PYROSCOPE_HTTP_HEADERS", "X-A: b",
		"PYROSCOPE_HTTP_HEADERS: not a JSON object of header names and values"},
	{"PYROSCOPE_HTTP_HEADERS", "\"hunter2\"",
		"PYROSCOPE_HTTP_HEADERS: not a JSON object of header names and values"},
	{"PYROSCOPE_HTTP_HEADERS", "{\"X-A\": {\"b\": \"c\"}}",
		"PYROSCOPE_HTTP_HEADERS: not a JSON object of header names and values"},
	{"PYROSCOPE_HTTP_HEADERS", "{\"X-A\": \"hunter2\\n\"}",
		"PYROSCOPE_HTTP_HEADERS: a value has a line end or control character"},
	{"PYROSCOPE_HTTP_HEADERS", "{\"Host\": \"x\"}",
		"PYROSCOPE_HTTP_HEADERS: this header is set by dockprof; remove it"},
	{"PYROSCOPE_AUTH_TOKEN", "hunter2",
		"PYROSCOPE_AUTH_TOKEN and PYROSCOPE_BASIC_AUTH_USER are both set; unset one"},
};

START_TEST(an_unusable_variable_is_named)
{
	forget_environment();
	setenv("PYROSCOPE_SERVER_ADDRESS", "http://p:4040", 1);
	setenv("PYROSCOPE_BASIC_AUTH_USER", "u", 1);
	for (size_t i = 0; i < ARRAY_SIZE(bad_variables); i++) {
		struct error err = {0};
		struct config c;

		setenv(bad_variables[i].name, bad_variables[i].value, 1);
		ck_assert_int_eq(config_default(&c, &err), -EINVAL);
		ck_assert_str_eq(err.message, bad_variables[i].want);
		unsetenv(bad_variables[i].name);
	}
	forget_environment();
}
END_TEST

START_TEST(an_unusable_environment_is_an_error)
{
	struct error err = {0};
	struct config c;

	forget_environment();
	setenv("PYROSCOPE_SERVER_ADDRESS", "http://u:hunter2@p", 1);
	ck_assert_int_eq(config_default(&c, &err), -EINVAL);
	ck_assert_str_eq(err.message,
		"PYROSCOPE_SERVER_ADDRESS holds a user or password, which would "
		"show up in logs; set PYROSCOPE_BASIC_AUTH_USER and "
		"PYROSCOPE_BASIC_AUTH_PASSWORD");
	setenv("PYROSCOPE_SERVER_ADDRESS", "p:4040", 1);
	ck_assert_int_eq(config_default(&c, &err), -EINVAL);
	ck_assert_str_eq(err.message,
		"PYROSCOPE_SERVER_ADDRESS: a URL starts with http:// or https://");
	setenv("PYROSCOPE_SERVER_ADDRESS", "http://p", 1);
	setenv("PYROSCOPE_BASIC_AUTH_PASSWORD_FILE", "/f", 1);
	ck_assert_int_eq(config_default(&c, &err), -EINVAL);
	ck_assert_str_eq(err.message,
		"PYROSCOPE_BASIC_AUTH_USER is not set, but a password is; set it too");
	setenv("PYROSCOPE_BASIC_AUTH_USER", "u", 1);
	setenv("PYROSCOPE_BASIC_AUTH_PASSWORD", "hunter2", 1);
	ck_assert_int_eq(config_default(&c, &err), -EINVAL);
	ck_assert_str_eq(err.message,
		"PYROSCOPE_BASIC_AUTH_PASSWORD and "
		"PYROSCOPE_BASIC_AUTH_PASSWORD_FILE are both set; unset one");

	struct config_problems problems = {0};

	ck_assert_int_eq(config_parse("f", "", 0, &c, &problems), -EINVAL);
	ck_assert_uint_eq(problems.count, 1);
	ck_assert_uint_eq(problems.list[0].line, 0);
	ck_assert_str_eq(problems.list[0].message, err.message);
	config_problems_release(&problems);
	forget_environment();
}
END_TEST

START_TEST(a_file_is_loaded_or_not)
{
	char path[64];
	struct config_problems problems = {0};
	struct error err = {0};
	struct config c;

	snprintf(path, sizeof(path), "/tmp/dockprof-test-config-%d.yml", (int)getpid());
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(file_write_all(fd, "log: {level: warn}\n", 19), 0);
	ck_assert_int_eq(config_load(path, &c, &problems, &err), 0);
	ck_assert_int_eq(c.log.level, LOG_LEVEL_WARN);
	ck_assert_str_eq(c.path, path);
	config_release(&c);

	ck_assert_int_eq(file_write_all(fd, "nope: 1\n", 8), 0);
	ck_assert_int_eq(config_load(path, &c, &problems, &err), -EINVAL);
	ck_assert_uint_eq(problems.count, 1);
	ck_assert_uint_eq(problems.list[0].line, 2);
	config_problems_release(&problems);

	ck_assert_int_eq(ftruncate(fd, (1 << 20) + 1), 0);
	ck_assert_int_eq(config_load(path, &c, &problems, &err), -EFBIG);
	ck_assert_ptr_nonnull(
		strstr(err.message, " is larger than 1048576 bytes: not a configuration"));
	close(fd);
	unlink(path);
	ck_assert_int_eq(config_load(path, &c, &problems, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.message, "No such file or directory"));
	ck_assert_int_eq(config_load("/tmp", &c, &problems, &err), -EISDIR);
	ck_assert_uint_eq(problems.count, 0);
}
END_TEST

/* The labels after the rules, as a=b,c=d; "dropped". */
static void check_rules(const char *rules, const char *name, const char *value, const char *wanted)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct strbuf got cleanup_strbuf = STRBUF_INIT;
	struct labels labels cleanup_labels = {0};
	struct config c;

	strbuf_addf(&text, "relabel_configs:\n%s", rules);
	parse(text.buf, &c);
	labels_set(&labels, name, value);
	if (!relabel_apply(c.rules, &labels, NULL, NULL).keep)
		strbuf_add_str(&got, "dropped");
	else
		for (size_t i = 0; i < labels.count; i++)
			strbuf_addf(&got, "%s%s=%s", i ? "," : "", labels.list[i].name,
				labels.list[i].value);
	ck_assert_msg(strcmp(got.buf, wanted) == 0, "%s\nwant: %s\ngot: %s", rules, wanted,
		got.buf);
	config_release(&c);
}

START_TEST(rules_arrive_as_prometheus_reads_them)
{
	setenv("DP_X", "from env", 1);
	check_rules("- {source_labels: [a], target_label: b}\n", "a", "1", "a=1,b=1");
	check_rules("- source_labels: [a]\n  regex: (.)(.)\n  target_label: b\n"
		    "  replacement: ${2}-$1\n",
		"a", "xy", "a=xy,b=y-x");
	/* The environment is not looked at: this names a group that is not there. */
	check_rules("- {target_label: b, replacement: \"x${DP_X}\"}\n", "a", "1", "a=1,b=x");
	/* A blank value is the empty text: no label, a regex that matches nothing but "". */
	check_rules("- target_label: a\n  replacement:\n", "a", "1", "");
	check_rules("- source_labels: [a]\n  regex:\n  action: drop\n", "a", "1", "a=1");
	check_rules("- source_labels: [b]\n  regex:\n  action: drop\n", "a", "1", "dropped");
	check_rules("- source_labels: [a, a]\n  separator:\n  target_label: b\n", "a", "1",
		"a=1,b=11");
	check_rules("- source_labels: [a, a]\n  separator: ~\n  target_label: b\n", "a", "1",
		"a=1,b=11");
	check_rules("- source_labels:\n  target_label: b\n  replacement: x\n", "a", "1", "a=1,b=x");
	/* What looks like another type is its text. */
	check_rules("- {source_labels: [a], regex: true, action: drop}\n", "a", "true", "dropped");
	check_rules("- {source_labels: [a], regex: 1.0, action: drop}\n", "a", "1.0", "dropped");
	check_rules("- {source_labels: [a], modulus: \"7\", target_label: b, action: HashMod}\n",
		"a", "", "b=1");
	check_rules("- {action: DROP, regex: \"\"}\n- {target_label: b, replacement: x}\n", "a",
		"1", "dropped");
}
END_TEST

START_TEST(a_rule_knows_where_it_stands)
{
	struct config c;

	parse("relabel_configs:\n  - {action: keep}\n  -\n    action: drop\n", &c);
	ck_assert_uint_eq(relabel_rules_count(c.rules), 2);
	ck_assert_str_eq(relabel_rule_where(c.rules, 0), "/etc/dockprof/dockprof.yml:2");
	ck_assert_str_eq(relabel_rule_where(c.rules, 1), "/etc/dockprof/dockprof.yml:4");
	config_release(&c);
}
END_TEST

START_TEST(every_example_is_good)
{
	glob_t found = {0};

	setenv("HOSTNAME", "h", 1);
	ck_assert_int_eq(glob("packaging/*.yml", 0, NULL, &found), 0);
	glob("compose/dockprof*.yml", GLOB_APPEND, NULL, &found);
	glob("compose/relabel-examples/*.yml", GLOB_APPEND, NULL, &found);
	ck_assert_uint_ge(found.gl_pathc, 1);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct config_problems problems = {0};
		struct error err = {0};
		struct config c;
		int r = config_load(found.gl_pathv[i], &c, &problems, &err);

		ck_assert_msg(r == 0, "%s: %u: %s%s", found.gl_pathv[i],
			problems.count ? problems.list[0].line : 0, err.message,
			problems.count ? problems.list[0].message : "");
		config_release(&c);
	}
	globfree(&found);
}
END_TEST

UNIT_MAIN("config_values", an_empty_file_has_the_defaults, docker_and_http_options_arrive,
	oauth2_arrives, ebpf_log_and_web_options_arrive, write_options_arrive,
	targets_and_their_files_arrive, without_a_destination_the_environment_names_it,
	the_environment_has_a_token_and_headers,
	labels_of_the_environment_stand_behind_those_of_the_file, an_unusable_variable_is_named,
	an_unusable_environment_is_an_error, a_file_is_loaded_or_not,
	rules_arrive_as_prometheus_reads_them, a_rule_knows_where_it_stands, every_example_is_good)
