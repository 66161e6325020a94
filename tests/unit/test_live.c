/* SPDX-License-Identifier: BSD-2-Clause */
/* test_live.c: what `miresga live` says when it cannot begin, what it reports, and that the kernel takes the largest
 * filter there can be. Where namespaces cannot be made the tests say why, and pass. How it serves is the lab's
 * (test_lab.c). */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miresga/live_guard.h"
#include "miresga/report_live.h"

Suite *live_suite(void);

#define OUTPUT_MAX 8192

static const char *binary(void)
{
	const char *path = getenv("MIRESGA_BINARY");

	return path ? path : "build/miresga";
}

/* Runs a shell command; its exit status, and in `output` what it said on both streams. */
static int run(const char *command, char output[OUTPUT_MAX])
{
	FILE *f = popen(command, "r");
	size_t len;
	int status;

	ck_assert_ptr_nonnull(f);
	len = fread(output, 1, OUTPUT_MAX - 1, f);
	output[len] = '\0';
	while (fgetc(f) != EOF) {
		/* so that it need not die of a closed pipe */
	}
	status = pclose(f);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* False, and why on stdout, where there is no way to have namespaces. */
static bool can_unshare(const char *what)
{
	char output[OUTPUT_MAX];

	if (run("unshare --net --mount --pid --fork true 2>&1", output) == 0)
		return true;
	printf("live: %s skipped: %s", what, output[0] ? output : "no namespaces\n");
	return false;
}

#define ETHERNET "ip link add eth9 type veth peer name eth8; ip addr add 192.0.2.1/24 dev eth9; "
#define UP "ip link set eth8 up; ip link set eth9 up; "

static const struct refused_start {
	const char *live, *backend, *setup, *prefix, *says;
} refusals[] = {
	{ "", "192.0.2.9:80", ETHERNET UP, "", "live.interface is missing" },
	{ "live: {interface: nosuch0}", "192.0.2.9:80", ETHERNET UP, "",
	  "interface nosuch0: there is no such interface here; `ip link` lists them" },
	{ "live: {interface: eth8}", "192.0.2.9:80", ETHERNET UP "ip link set eth8 down; ", "",
	  "interface eth8: is down; `ip link set IFACE up` brings it up" },
	{ "live: {interface: lo}", "192.0.2.9:80", ETHERNET UP "ip link set lo up; ", "",
	  "is not an Ethernet interface" },
	{ "live: {interface: eth9}", "198.51.100.1:80", ETHERNET UP, "", "backend web: no route to 198.51.100.1:80" },
	{ "live: {interface: eth9}", "192.0.2.1:80", ETHERNET UP "ip link set lo up; ", "",
	  "backend web: 192.0.2.1:80 is an address of this host" },
	{ "live: {interface: eth9}", "192.0.2.9:80, interface: nosuch1", ETHERNET UP, "",
	  "backend web: there is no interface nosuch1 here" },
	{ "live: {interface: eth9}", "192.0.2.9:80", ETHERNET UP, "setpriv --bounding-set=-all --inh-caps=-all ",
	  "no permission for packet sockets; run as root, or with CAP_NET_RAW and CAP_NET_ADMIN" },
};

START_TEST(refused)
{
	const struct refused_start *r = &refusals[_i];
	char command[2048], output[OUTPUT_MAX];
	int status;

	if (!can_unshare(r->says))
		return;
	snprintf(command, sizeof(command),
		 "unshare --net sh -c '%s %s timeout 20 \"%s\" live -f - 2>&1' <<'END'\n"
		 "vip: 192.0.2.80:80\n"
		 "backends: [{name: web, address: %s}]\n"
		 "pools: [{name: web, backends: [web]}]\n"
		 "rules: [{pool: web}]\n"
		 "%s\nEND\n",
		 r->setup, r->prefix, binary(), r->backend, r->live);
	status = run(command, output);
	ck_assert_int_eq(status, 1);
	ck_assert_msg(strstr(output, r->says) != NULL, "%s", output);
}
END_TEST

static const char *const misuses[] = { "live", "live -f x.yaml operand", "-j live -f x.yaml -w -" };

START_TEST(misused)
{
	char command[512], output[OUTPUT_MAX];

	snprintf(command, sizeof(command), "'%s' %s 2>&1", binary(), misuses[_i]);
	ck_assert_int_eq(run(command, output), 2);
}
END_TEST

/* The verifier sees every instruction that can be written. */
START_TEST(largest_filter)
{
	static const unsigned backends[] = { 0, 1, BACKENDS_MAX };
	struct live_guard g = { .vip = endpoint_make(be32_from(0x0a000001), be16_from(80)),
				.clients = _i & 1,
				.backend_count = backends[_i / 2],
				.local_count = backends[_i / 2] ? LIVE_GUARD_LOCALS_MAX : 0 };
	const struct live_lengths lengths = { 100, 200 };
	int filter;

	for (unsigned i = 0; i < g.backend_count; i++)
		g.backends[i] = endpoint_make(be32_from(0xc6120000 + i), be16_from((uint16_t)(8000 + i)));
	for (unsigned i = 0; i < g.local_count; i++)
		g.locals[i] = be32_from(0x0a000100 + i);
	filter = live_guard_filter(&g, &lengths);
	if (filter == -EPERM || filter == -ENOSYS) {
		printf("live: filter skipped: %s\n", strerror(-filter));
		return;
	}
	ck_assert_int_ge(filter, 0);
	close(filter);
}
END_TEST

/* What is zero stays out of the summary, unless it says something; the document has it all. */
START_TEST(reported)
{
	struct live_result *r = calloc(1, sizeof(*r));
	struct config *c = calloc(1, sizeof(*c));
	struct report_style style = { .quiet = false };
	char *text = NULL, *json = NULL;
	size_t len;
	FILE *out;

	ck_assert(r && c);
	config_defaults(c);
	c->backend_count = 1;
	snprintf(c->backends[0].name, sizeof(c->backends[0].name), "web1");
	r->port_count = 1;
	snprintf(r->ports[0].interface, sizeof(r->ports[0].interface), "eth7");
	r->ports[0].stats = (struct live_port_stats){ .rx_packets = 1234567, .rx_lost = 3 };
	r->ran_ns = 2 * NS_PER_S;
	r->frontends.requests = r->frontends.requests_by_backend[0] = 17;
	r->sw.drops[DROP_FRAGMENT] = 2;
	r->frontends.refused[REFUSAL_END_UNKNOWN] = 5;
	style.out = open_memstream(&text, &len);
	report_live(&style, c, r);
	fclose(style.out);
	ck_assert_ptr_nonnull(strstr(text, "eth7                1,234,567"));
	ck_assert_ptr_nonnull(strstr(text, "lost: the ring was full"));
	ck_assert_ptr_nonnull(strstr(text, "web1                             17   requests"));
	ck_assert_ptr_nonnull(strstr(text, "Refused requests\n"));
	ck_assert_ptr_nonnull(strstr(text, "end_unknown                       5   request for another backend"));
	ck_assert_ptr_null(strstr(text, "no_rule"));
	ck_assert_ptr_nonnull(strstr(text, "fragment"));
	ck_assert_ptr_nonnull(strstr(text, "Ended after 2.00 s, 17 requests.\n"));
	ck_assert_ptr_null(strstr(text, "no MAC address"));
	out = open_memstream(&json, &len);
	ck_assert_int_eq(report_live_json(out, c, r), 0);
	fclose(out);
	ck_assert_ptr_nonnull(strstr(json, "\"schema\": \"miresga.live/1\""));
	ck_assert_ptr_nonnull(strstr(json, "\"rx_lost\": 3"));
	ck_assert_ptr_nonnull(strstr(json, "\"no_neighbour\": 0"));
	ck_assert_ptr_nonnull(strstr(json, "\"web1\": 17"));
	ck_assert_ptr_nonnull(strstr(json, "\"end_unknown\": 5"));
	ck_assert_ptr_nonnull(strstr(json, "\"no_rule\": 0"));
	ck_assert_ptr_nonnull(strstr(json, "\"fragment\": 2"));
	free(text);
	free(json);
	free(c);
	free(r);
}
END_TEST

Suite *live_suite(void)
{
	Suite *s = suite_create("live");
	TCase *t = tcase_create("live");

	tcase_add_loop_test(t, refused, 0, ARRAY_LEN(refusals));
	tcase_add_loop_test(t, misused, 0, ARRAY_LEN(misuses));
	tcase_add_loop_test(t, largest_filter, 1, 6); /* 0 would be for nobody */
	tcase_add_test(t, reported);
	suite_add_tcase(s, t);
	return s;
}
