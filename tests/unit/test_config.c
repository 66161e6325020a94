/* SPDX-License-Identifier: BSD-2-Clause */
/* test_config.c: the configuration: what is accepted and where it lands, every error with its
 * exact place, the ready files in configs/, the reference in docs/configuration.md, and files
 * that are damaged in every way that fits into one byte or one cut. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "miresga/config.h"
#include "miresga/config_keys.h"
#include "miresga/nearest.h"
#include "miresga/switch.h"

Suite *config_suite(void);

/* The errors of a load, a line each: "LINE:COLUMN: MESSAGE". */
struct log {
	char text[8192];
	size_t len;
	unsigned count;
	char file[64];
};

static void log_error(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	struct log *log = ctx;

	log->count++;
	snprintf(log->file, sizeof(log->file), "%s", file);
	if (log->len < sizeof(log->text))
		log->len += (size_t)snprintf(log->text + log->len, sizeof(log->text) - log->len, "%u:%u: %s\n", line,
					     column, message);
}

static int load_bytes(struct config *c, struct log *log, const void *data, size_t len)
{
	*log = (struct log){ 0 };
	return config_load_memory(c, "test.yaml", data, len, log_error, log);
}

static int load_text(struct config *c, struct log *log, const char *text)
{
	int errors = load_bytes(c, log, text, strlen(text));

	ck_assert_uint_eq((unsigned)errors, log->count);
	return errors;
}

/* Lines 1 to 4 of most files here; what is tested stands from line 5 on. */
#define HEAD \
	"vip: 10.0.1.10:80\n" \
	"backends: [{name: web1, address: 198.18.0.1:80}, {name: web2, address: 198.18.0.2:80}]\n" \
	"pools: [{name: web, backends: [web1, web2]}]\n" \
	"rules: [{pool: web}]\n"

/* Behind HEAD: a world in which time passes; its workloads follow on line 6. */
#define WORLD "simulation: {links: {client: {delay: 1ms}},\n workloads: "

static struct config config;
static struct log errors;

START_TEST(defaults)
{
	struct capacity capacity;
	struct config *c = &config;

	ck_assert_msg(load_text(c, &errors, HEAD) == 0, "%s", errors.text);
	ck_assert_uint_eq(c->backends[1].weight, 1);
	ck_assert_uint_eq(c->pools[0].balance, BALANCE_ROUND_ROBIN);
	ck_assert_uint_eq(c->rules[0].offload, OFFLOAD_AUTO);
	ck_assert_uint_eq(c->frontends.count, 2);
	ck_assert_uint_eq(c->frontends.flows_max, 65536);
	ck_assert_uint_eq(c->frontends.buffers, 1024);
	ck_assert_uint_eq(c->frontends.buffer_size, 256 * 1024);
	ck_assert_uint_eq(c->http.strictness, STRICTNESS_STRICT);
	ck_assert_uint_eq(c->http.head_max, 64 * 1024);
	ck_assert_uint_eq(c->offload_threshold, 64 * 1024);
	ck_assert_int_eq(capacity_compute(&c->sw.geometry, &capacity), 0);
	ck_assert_uint_eq(capacity.connections, 65536);
	ck_assert_uint_eq(c->sw.isn, ISN_COOKIE);
	ck_assert_uint_eq(c->sw.wscale, 7);
	ck_assert_uint_eq(c->sw.mss, 1460);
	ck_assert_uint_eq(c->sw.window, 65535);
	ck_assert(!c->sw.timestamps && !c->sw.ecn);
	ck_assert_uint_eq(c->sw.insertion_rate, 200000);
	ck_assert_uint_eq(c->sw.insertion_latency_ns, NS_PER_MS);
	ck_assert_uint_eq(c->sw.control_queue, 65536);
	ck_assert_uint_eq(c->sw.batch, 32);
	ck_assert_uint_eq(c->agent.entries_max, 102400);
	ck_assert_uint_eq(c->timeouts.request_ns, 600 * NS_PER_S);
	ck_assert_uint_eq(c->timeouts.established_ns, (2 * 60 + 4) * 60 * NS_PER_S);
	ck_assert_uint_eq(c->timeouts.closing_ns, 240 * NS_PER_S);
	ck_assert_uint_eq(c->timeouts.linger_ns, 10 * NS_PER_S);
	ck_assert_uint_eq(c->timeouts.rto_ns, NS_PER_S);
	ck_assert_uint_eq(c->timeouts.retries, 5);
	ck_assert_uint_eq(c->quirks, 0);
	ck_assert_uint_eq(c->seed, 1);
	ck_assert(!c->has_secret);
}
END_TEST

static const char everything[] =
	"vip: 10.9.8.7:8080\n"
	"backends:\n"
	"  - name: static-1\n"
	"    address: 192.0.2.1:81\n"
	"    weight: 256\n"
	"  - {name: \"app.1\", address: '192.0.2.2:82', weight: 2}\n"
	"pools:\n"
	"  - {name: both, balance: round_robin, backends: [app.1, static-1]}\n"
	"  - name: static\n"
	"    backends:\n"
	"      - static-1\n"
	"rules:\n"
	"  - {host: \"*.Example.ORG.\", path_prefix: /images/, pool: static, offload: always}\n"
	"  - {host: www.example.com, path: /a%20b, pool: both, offload: never}\n"
	"  - {host: \"[2001:DB8::1]\", pool: both, offload: auto}\n"
	"frontends: {count: 256, flows: 16777216, buffers: 65536, buffer_size: 1MiB}\n"
	"http: {strictness: lenient, max_head: 256B}\n"
	"offload: {threshold: 1.5 MB}\n"
	"switch:\n"
	"  table:\n"
	"    stages: 20\n"
	"    blocks: 80\n"
	"    word_blocks: 4\n"
	"    ghost_bits: 0\n"
	"    version_bits: 0\n"
	"    entry_compression: false\n"
	"    backend_agent: false\n"
	"    table_arrangement: false\n"
	"  isn: crc32\n"
	"  wscale: 0\n"
	"  mss: 536\n"
	"  window: 1\n"
	"  timestamps: true\n"
	"  ecn: true\n"
	"  insertion_rate: 1.5k/s\n"
	"  insertion_latency: 0ns\n"
	"  control_queue: 1\n"
	"  batch: 256\n"
	"agent: {entries: 1}\n"
	"timeouts:\n"
	"  request: 1ms\n"
	"  established: 168h\n"
	"  closing: 1.5min\n"
	"  linger: 2500us\n"
	"  retransmission: 200000000 ns\n"
	"  retries: 0\n"
	"quirks: [f5, A1]\n"
	"seed: 18446744073709551615\n"
	"secret: 000102030405060708090A0b0c0d0e0f\n";

START_TEST(every_key_lands)
{
	struct config *c = &config;
	char text[ENDPOINT_TEXT_MAX];

	ck_assert_msg(load_text(c, &errors, everything) == 0, "%s", errors.text);
	ck_assert_str_eq(c->file, "test.yaml");
	ck_assert_str_eq(endpoint_format(c->vip, text), "10.9.8.7:8080");
	ck_assert_uint_eq(c->backend_count, 2);
	ck_assert_str_eq(c->backends[0].name, "static-1");
	ck_assert_uint_eq(c->backends[0].weight, 256);
	ck_assert_str_eq(c->backends[1].name, "app.1");
	ck_assert_str_eq(endpoint_format(c->backends[1].address, text), "192.0.2.2:82");
	ck_assert_uint_eq(c->pool_count, 2);
	ck_assert_uint_eq(c->pools[0].member_count, 2);
	ck_assert_uint_eq(c->pools[0].members[0], 1);
	ck_assert_uint_eq(c->pools[0].members[1], 0);
	ck_assert_uint_eq(c->pools[1].member_count, 1);
	ck_assert_uint_eq(c->pools[1].members[0], 0);
	ck_assert_uint_eq(c->rule_count, 3);
	ck_assert_str_eq(c->rules[0].host, "*.example.org");
	ck_assert_str_eq(c->rules[0].path, "/images/");
	ck_assert(c->rules[0].path_is_prefix && !c->rules[1].path_is_prefix);
	ck_assert_uint_eq(c->rules[0].pool, 1);
	ck_assert_uint_eq(c->rules[0].offload, OFFLOAD_ALWAYS);
	ck_assert_str_eq(c->rules[1].path, "/a%20b");
	ck_assert_uint_eq(c->rules[1].offload, OFFLOAD_NEVER);
	ck_assert_str_eq(c->rules[2].host, "[2001:db8::1]");
	ck_assert_str_eq(c->rules[2].path, "");
	ck_assert_uint_eq(c->frontends.count, 256);
	ck_assert_uint_eq(c->frontends.flows_max, 16777216);
	ck_assert_uint_eq(c->frontends.buffers, 65536);
	ck_assert_uint_eq(c->frontends.buffer_size, 1048576);
	ck_assert_uint_eq(c->http.strictness, STRICTNESS_LENIENT);
	ck_assert_uint_eq(c->http.head_max, 256);
	ck_assert_uint_eq(c->offload_threshold, 1500000);
}
END_TEST

START_TEST(every_number_lands)
{
	struct config *c = &config;

	ck_assert_msg(load_text(c, &errors, everything) == 0, "%s", errors.text);
	ck_assert_uint_eq(c->sw.geometry.stages, 20);
	ck_assert_uint_eq(c->sw.geometry.blocks, 80);
	ck_assert_uint_eq(c->sw.geometry.word_blocks, 4);
	ck_assert_uint_eq(c->sw.geometry.ghost_bits, 0);
	ck_assert_uint_eq(c->sw.geometry.version_bits, 0);
	ck_assert(!c->sw.geometry.entry_compression);
	ck_assert(!c->sw.geometry.backend_agent);
	ck_assert(!c->sw.geometry.table_arrangement);
	ck_assert_uint_eq(c->sw.isn, ISN_CRC32);
	ck_assert_uint_eq(c->sw.wscale, 0);
	ck_assert_uint_eq(c->sw.mss, 536);
	ck_assert_uint_eq(c->sw.window, 1);
	ck_assert(c->sw.timestamps && c->sw.ecn);
	ck_assert_uint_eq(c->sw.insertion_rate, 1500);
	ck_assert_uint_eq(c->sw.insertion_latency_ns, 0);
	ck_assert_uint_eq(c->sw.control_queue, 1);
	ck_assert_uint_eq(c->sw.batch, 256);
	ck_assert_uint_eq(c->agent.entries_max, 1);
	ck_assert_uint_eq(c->timeouts.request_ns, NS_PER_MS);
	ck_assert_uint_eq(c->timeouts.established_ns, 168 * 3600 * NS_PER_S);
	ck_assert_uint_eq(c->timeouts.closing_ns, 90 * NS_PER_S);
	ck_assert_uint_eq(c->timeouts.linger_ns, 2500 * NS_PER_US);
	ck_assert_uint_eq(c->timeouts.rto_ns, 200 * NS_PER_MS);
	ck_assert_uint_eq(c->timeouts.retries, 0);
	ck_assert_uint_eq(c->quirks, QUIRK_BIT(QUIRK_F5) | QUIRK_BIT(QUIRK_A1) | QUIRK_BIT(QUIRK_P3));
	ck_assert_uint_eq(c->seed, UINT64_MAX);
	ck_assert(c->has_secret);
	ck_assert_uint_eq(c->secret.k0, UINT64_C(0x0706050403020100));
	ck_assert_uint_eq(c->secret.k1, UINT64_C(0x0f0e0d0c0b0a0908));
}
END_TEST

/* Everything that is wrong, with its place. */
static const struct {
	const char *yaml;
	const char *expected;
} wrong[] = {
	/* keys */
	{ HEAD "frontens: {count: 1}\n", "5:1: unknown key \"frontens\"; did you mean \"frontends\"?\n" },
	{ HEAD "switch: {tabel: {}}\n", "5:10: unknown key \"tabel\"; did you mean \"table\"?\n" },
	{ HEAD "threshold: 1B\n", "5:1: unknown key \"threshold\" here; did you mean offload.threshold?\n" },
	{ HEAD "http: {xyzzy: 1}\n", "5:8: unknown key \"xyzzy\"; http has strictness, max_head\n" },
	{ HEAD "seed: 1\nhttp: {}\nseed: 2\n", "7:1: duplicate key \"seed\"; the first is on line 5\n" },
	{ HEAD "[a, b]: 1\n", "5:1: a key is a word, found a list\n" },
	{ HEAD "http: {\"\\e[31m\\xe9\": 1}\n",
	  "5:8: unknown key \"\\x1b[31m\\xc3\\xa9\"; http has strictness, max_head\n" },
	/* missing */
	{ "seed: 1\n", "1:1: missing key \"vip\": a configuration needs it\n"
		       "1:1: missing key \"backends\": a configuration needs it\n"
		       "1:1: missing key \"pools\": a configuration needs it\n"
		       "1:1: missing key \"rules\": a configuration needs it\n" },
	{ "vip: 10.0.0.1:80\nbackends: [{}]\npools: [{}]\nrules:\n  - {}\n",
	  "2:12: missing key \"name\": a backend needs it\n"
	  "2:12: missing key \"address\": a backend needs it\n"
	  "3:9: missing key \"name\": a pool needs it\n"
	  "3:9: missing key \"backends\": a pool needs it\n"
	  "5:5: missing key \"pool\": a rule needs it\n" },
	{ "", "1:1: the file is empty; a configuration has vip, backends, pools and rules\n" },
	{ "# a comment\n---\n", "1:1: the file is empty; a configuration has vip, backends, pools and rules\n" },
	{ "vip: 10.0.0.1:80\nbackends: []\npools: [{name: p, backends: []}]\nrules: []\n",
	  "2:11: backends: the list is empty\n"
	  "3:29: backends: the list is empty\n"
	  "4:8: rules: the list is empty\n" },
	/* types */
	{ "just text\n", "1:1: a configuration is a mapping of keys to values, found \"just text\"\n" },
	{ "- a\n", "1:1: a configuration is a mapping of keys to values, found a list\n" },
	{ HEAD "http: strict\n", "5:7: http: expected a mapping, found \"strict\"\n" },
	{ HEAD "http:\n", "5:6: http: expected a mapping, found nothing\n" },
	{ HEAD "seed:\n  a: 1\n", "6:3: seed: expected an integer, found a mapping\n" },
	{ HEAD "seed: \"1\"\n", "5:7: seed: expected a number without quotes, found \"1\"\n" },
	{ HEAD "seed: 0x10\n", "5:7: seed: expected an integer, found \"0x10\"\n" },
	{ HEAD "seed: 1.5\n", "5:7: seed: expected an integer, found \"1.5\"\n" },
	{ HEAD "seed: 010\n", "5:7: seed: expected an integer, found \"010\"\n" },
	{ HEAD "seed:\n", "5:6: seed: expected an integer, found nothing\n" },
	{ HEAD "switch: {ecn: yes}\n", "5:15: ecn: expected true or false, found \"yes\"\n" },
	{ HEAD "switch: {ecn: \"true\"}\n", "5:15: ecn: expected true or false without quotes, found \"true\"\n" },
	{ HEAD "switch: {isn: random}\n", "5:15: isn: expected cookie or crc32, found \"random\"\n" },
	{ HEAD "offload: {threshold: big}\n",
	  "5:22: threshold: expected a size, found \"big\" (sizes end in B, KiB, MiB, GiB, kB, MB or GB)\n" },
	{ "vip: 10.0.0.1:80\nbackends: {name: a}\npools: web\nrules:\n",
	  "2:11: backends: expected a list of mappings, found a mapping\n"
	  "3:8: pools: expected a list of mappings, found \"web\"\n"
	  "4:7: rules: expected a list of mappings, found nothing\n" },
	{ "vip: 10.0.0.1:80\nbackends: [web1]\npools: [{name: p, backends: web1}]\nrules: [{pool: [p]}]\n",
	  "2:12: a backend is a mapping, found \"web1\"\n"
	  "3:29: backends: expected a list of backends' names, found \"web1\"\n"
	  "4:16: pool: expected the name of a pool, found a list\n" },
	{ HEAD "quirks: F5\n", "5:9: quirks: expected a list of ids, or all, found \"F5\"\n" },
	{ HEAD "quirks: [F5, Z9, [A1]]\n", "5:14: unknown quirk \"Z9\"; there are P2, P3, F5, F8, F10, A1, A3, A7, C3\n"
					   "5:18: quirks: expected an id, found a list\n" },
	/* numbers */
	{ HEAD "frontends: {count: 0, flows: 16777217, buffers: -1}\n",
	  "5:20: count: \"0\" is out of range (1 to 256)\n"
	  "5:30: flows: \"16777217\" is out of range (1 to 16777216)\n"
	  "5:49: buffers: \"-1\" is out of range (1 to 65536)\n" },
	{ HEAD "seed: 18446744073709551616\n",
	  "5:7: seed: \"18446744073709551616\" is out of range (0 to 18446744073709551615)\n" },
	{ HEAD "seed: 99999999999999999999999999999999999999999999999999\n",
	  "5:7: seed: \"99999999999999999999999999999999999999999999999999\" is out of range "
	  "(0 to 18446744073709551615)\n" },
	{ HEAD "offload: {threshold: 64}\n",
	  "5:22: threshold: missing unit in \"64\": sizes end in B, KiB, MiB, GiB, kB, MB or GB\n" },
	{ HEAD "offload: {threshold: 64KB}\n",
	  "5:22: threshold: unknown unit \"KB\": sizes end in B, KiB, MiB, GiB, kB, MB or GB\n" },
	{ HEAD "offload: {threshold: 0.3B}\n", "5:22: threshold: \"0.3B\" is not a whole number of bytes\n" },
	{ HEAD "offload: {threshold: 2000GiB}\n", "5:22: threshold: \"2000GiB\" is out of range (0B to 1024GiB)\n" },
	{ HEAD "timeouts: {linger: 10, request: 5m, closing: 0s}\n",
	  "5:20: linger: missing unit in \"10\": durations end in ns, us, ms, s, min or h\n"
	  "5:33: request: unknown unit \"m\": durations end in ns, us, ms, s, min or h\n"
	  "5:46: closing: \"0s\" is out of range (1ms to 168h)\n" },
	{ HEAD "switch: {insertion_rate: 200000}\n",
	  "5:26: insertion_rate: missing unit in \"200000\": rates end in /s, k/s or M/s\n" },
	{ HEAD "switch: {insertion_rate: 0/s, insertion_latency: 99999999999999999999h}\n",
	  "5:26: insertion_rate: \"0/s\" is out of range (1/s to 1000M/s)\n"
	  "5:50: insertion_latency: \"99999999999999999999h\" is out of range (0ns to 10s)\n" },
	{ HEAD "secret: 0123\n", "5:9: secret: expected 32 hex digits, found 4\n" },
	{ HEAD "secret: 0123456789abcdefg\n",
	  "5:9: secret: expected 32 hex digits, found another character at position 17\n" },
	/* conflicts */
	{ HEAD "frontends: {buffer_size: 1KiB}\n", "5:26: buffer_size: \"1KiB\" is out of range (64KiB to 1MiB)\n" },
	{ HEAD "switch:\n  table: {stages: 2, table_arrangement: false}\n",
	  "6:10: switch.table: this geometry holds not one entry (2 stages, two of them lost without "
	  "table_arrangement, 8 blocks of which a word takes 1)\n" },
	{ HEAD "switch: {isn: cookie}\nquirks: all\n", "5:15: isn: cookie contradicts quirk P3, which is crc32\n" },
	/* YAML itself */
	{ HEAD "a: &x 1\n", "5:1: unknown key \"a\"; a configuration has vip, backends, pools, rules, frontends, http, "
			    "offload, switch, agent, timeouts, simulation, live, quirks, seed, secret\n"
			    "5:4: anchors (&name) are not supported; write the value out\n" },
	{ HEAD "seed: *x\n",
	  "5:7: aliases (*name) are not supported; write the value out (quoted, if it begins with *)\n" },
	{ HEAD "seed: !!int 1\n", "5:7: tags (!name) are not supported\n" },
	{ HEAD "---\nseed: 1\n", "5:1: a second document; a configuration is one document\n" },
	{ HEAD "http:\n\tmax_head: 1KiB\n", "6:1: tab character: YAML indents with spaces only\n" },
	{ HEAD "x:\n  - *.example.org\n",
	  "5:1: unknown key \"x\"; a configuration has vip, backends, pools, rules, frontends, http, offload, switch, "
	  "agent, timeouts, simulation, live, quirks, seed, secret\n"
	  "6:6: a value that begins with * needs quotes, as \"*.example.org\"\n" },
	{ HEAD "seed: @x\n", "5:7: a value that begins with @, ` or % needs quotes\n" },
	{ HEAD "secret: \"a\\0b\"\n", "5:9: a NUL character in a string\n" },
	{ HEAD "http: {max_head: 1KiB\nseed: 1\n",
	  "5:18: a value without quotes goes on in the next line; is a bracket, a colon or a dash missing?\n"
	  "6:5: YAML: did not find expected ',' or '}' while parsing a flow mapping that starts on line 5\n" },
	{ "vip: 10.0.0.1:80\nsede: 1\nrules: [{pool: nowhere}]\nhttp: {\n",
	  "2:1: unknown key \"sede\"; did you mean \"seed\"?\n"
	  "5:1: YAML: did not find expected node content while parsing a flow node\n" },
	{ HEAD "x: [[[[[[[[[[[[[[[[[\n",
	  "5:1: unknown key \"x\"; a configuration has vip, backends, pools, rules, frontends, http, offload, switch, "
	  "agent, timeouts, simulation, live, quirks, seed, secret\n"
	  "5:19: nested more than 16 levels deep\n" },
	{ HEAD "# \xc3\xa9 \xff\n", "5:5: not UTF-8 text: invalid leading UTF-8 octet (0xff)\n" },
	{ HEAD "seed: \x01\n", "5:7: not UTF-8 text: control characters are not allowed (0x01)\n" },
	{ "\xff\xfe"
	  "v",
	  "1:1: not UTF-8 text: invalid leading UTF-8 octet (0xff)\n" },
	/* worlds that cannot be */
	{ HEAD "simulation: {workloads: []}\n", "5:25: workloads: the list is empty\n" },
	{ HEAD "simulation: {workloads: [{name: a, think: 1ms}]}\n",
	  "5:36: unknown key \"think\" here; did you mean simulation.workloads[].clients.think?\n" },
	{ HEAD WORLD "[{name: a}, {name: a}]}\n", "6:32: duplicate name \"a\"; line 6 has a workload of that name\n" },
	{ HEAD "simulation: {workloads: [{name: a}]}\n",
	  "5:26: arrival: a closed loop needs something that takes "
	  "time: a link with a delay or a rate, a core, a think time between requests\n" },
	{ HEAD WORLD "[{name: a, arrival: poisson}]}\n", "6:33: arrival: poisson needs a rate\n" },
	{ HEAD WORLD "[{name: a, arrival: poisson, rate: 0/s}]}\n",
	  "6:48: rate: \"0/s\" is out of range (1/s to 10M/s)\n" },
	{ HEAD WORLD "[{name: a, rate: 5/s}]}\n", "6:30: rate: has no effect without `arrival: poisson`\n" },
	{ HEAD WORLD "[{name: a, uploads: {chance: 2%}}]}\n",
	  "6:42: chance: uploads of 0 bytes are none; set size too\n" },
	{ HEAD WORLD "[{name: a, hosts: [a.org, \"*.b.org\"]}]}\n",
	  "6:39: hosts: a request names one host, without a wildcard\n" },
	{ HEAD WORLD "[{name: a, responses: {sizes: table}}]}\n",
	  "6:43: sizes: table needs a list of sizes in `table`\n" },
	{ HEAD WORLD "[{name: a, responses: {sizes: table, table: [{size: 1B, share: 0}]}}]}\n",
	  "6:76: share: \"0\" is out of range (1 to 1000000)\n" },
	{ HEAD WORLD "[{name: a, responses: {sizes: lognormal, size: 0B}}]}\n",
	  "6:60: size: the median of a lognormal is not 0\n" },
	{ HEAD WORLD "[{name: a, responses: {size: 65GiB}}]}\n",
	  "6:42: size: \"65GiB\" is out of range (0B to 64GiB)\n" },
	{ HEAD WORLD "[{name: a, responses: {sizes: file}}]}\n",
	  "6:43: sizes: file needs the name of one in `file`\n" },
	{ HEAD WORLD "[{name: a, responses: {sizes: file, file: /nonexistent}}]}\n",
	  "6:55: file: /nonexistent: No such file or directory\n" },
	{ HEAD WORLD "[{name: a, connections: 1000000}]}\n",
	  "5:13: clients: 1000000 connections at once need more addresses: 28232 fit on each\n" },
	{ HEAD "simulation: {links: {client: {rate: 0bit/s, loss: 101%}}}\n",
	  "5:37: rate: \"0bit/s\" is out of range (1kbit/s to 1000Gbit/s)\n"
	  "5:51: loss: \"101%\" is out of range (0 to 100%)\n" },
	{ HEAD "simulation: {links: {client: {loss: 0.00000001%}}}\n",
	  "5:37: loss: \"0.00000001%\" is not a whole number of parts per billion\n" },
	{ HEAD "simulation: {faults: [{what: backend_dead, index: 2}, {what: frontend_kill, index: 2}, "
	       "{what: table_full, index: 1}]}\n",
	  "5:51: index: there is no backend 2; they count from 0 to 1\n"
	  "5:84: index: there is no front-end 2; they count from 0 to 1\n"
	  "5:114: index: has no effect without a fault of a front-end or a backend\n" },
	/* costs that round to nothing, and think times that nobody has */
	{ HEAD "simulation: {cores: {frontend: {kib: 18ns}},\n workloads: [{name: a}]}\n",
	  "5:38: kib: takes no time for a packet of 54 bytes, the shortest: less than 1ns\n"
	  "6:14: arrival: a closed loop needs something that takes time: a link with a delay or a rate, a core, a "
	  "think time between requests\n" },
	{ HEAD "simulation:\n workloads: [{name: a, requests: 2,\n"
	       "  responses: {until_close: 1}, clients: {think: 1ms}}]\n",
	  "6:14: arrival: a closed loop needs something that takes time: a link with a delay or a rate, a core, a "
	  "think time between requests\n" },
	/* keys that stand there for nothing */
	{ HEAD "simulation:\n"
	       " links: {client: {queue: 1MiB, reorder_by: 1ms, spike: 1%, spike_for: 0ns, delay: 1ms},\n"
	       "  backend: {reorder: 1%, reorder_by: 0ns, spike_for: 0ns}}\n"
	       " faults: [{what: agent_restart, index: 0, for: 1s, factor: 3}, {what: control_stall, index: 0}]\n"
	       " workloads:\n"
	       "  - {name: a, requests: 2, pipeline: 2, clients: {think: 1ms}}\n"
	       "  - {name: b, responses: {sizes: table, size: 1B, table: [{size: 1B}], until_close: 1, chunked: 1}}\n"
	       "  - {name: c, requests: 2, uploads: {size: 1B, early: 1}}\n"
	       "  - {name: d, requests: 2, responses: {until_close: 1}, clients: {think: 1s}, uploads: {size: 1B, "
	       "chance: 1, early: 1}}\n"
	       "  - {name: e, responses: {reset: 1}, uploads: {size: 1B, chance: 1, early: 1}}\n",
	  "6:26: queue: has no effect without a `rate`\n"
	  "6:44: reorder_by: has no effect without `reorder`\n"
	  "6:56: spike: has no effect without a `spike_for` above 0\n"
	  "7:22: reorder: has no effect without a `reorder_by` above 0\n"
	  "7:54: spike_for: has no effect without `spike`\n"
	  "8:48: for: has no effect without a fault that lasts; agent_restart happens at once\n"
	  "8:60: factor: has no effect without `what: control_slow`, `backend_slow` or `ring_full`\n"
	  "8:93: index: has no effect without a fault of a front-end or a backend\n"
	  "10:58: think: has no effect without `requests` above `pipeline`\n"
	  "11:47: size: has no effect without `sizes: fixed` or `lognormal`\n"
	  "11:85: until_close: has no effect without a `chunked` below 100%\n"
	  "12:44: size: has no effect without a `chance` above 0\n"
	  "12:55: early: has no effect without a `chance` above 0\n"
	  "13:74: think: has no effect without an `until_close` of responses below 100%\n"
	  "13:117: early: has no effect without an `until_close` of responses below 100%\n"
	  "14:76: early: has no effect without a `reset` of responses below 100%\n" },
	{ HEAD WORLD
	  "[{name: a, responses: {table: [{size: 1B}], file: x, sigma: 1}, clients: {read_rate: 1Mbit/s}}]}\n",
	  "6:43: table: has no effect without `sizes: table`\n"
	  "6:63: file: has no effect without `sizes: file`\n"
	  "6:73: sigma: has no effect without `sizes: lognormal`\n"
	  "6:98: read_rate: has no effect without `slow`\n" },
	{ HEAD WORLD "[{name: a, responses: {sizes: tabel, table: [{size: 1B}]}}, {name: b, pipeline: 2}]}\n",
	  "6:43: sizes: expected fixed, table, lognormal or file, found \"tabel\"\n"
	  "6:93: pipeline: has no effect without `requests` above 1\n" },
	{ HEAD "simulation: {cores: {frontend: {request: 1us}}}\n",
	  "5:33: unknown key \"request\" here; did you mean timeouts.request or simulation.cores.server.request?\n" },
};

START_TEST(wrong_file)
{
	load_text(&config, &errors, wrong[_i].yaml);
	ck_assert_str_eq(errors.text, wrong[_i].expected);
	ck_assert_str_eq(errors.file, "test.yaml");
}
END_TEST

/* Wrong backends, pools and rules: a whole file each, since they refer to one another. */
#define VIP "vip: 10.0.1.10:80\n"
#define ONE VIP "backends: [{name: web1, address: 198.18.0.1:80}]\npools: [{name: web, backends: [web1]}]\n"
#define N66 "a23456789a23456789a23456789a23456789a23456789a23456789a23456789a23"
#define LABEL63 "a23456789b23456789c23456789d23456789e23456789f23456789g23456789"

static const struct {
	const char *yaml;
	const char *expected;
} wrong_reference[] = {
	{ VIP "backends: [{name: web1, address: 198.18.0.1:80}]\npools:\n  - {name: static, backends: [web1, web3]}\n"
	      "rules:\n  - {pool: statik}\n  - {pool: zzz}\n",
	  "4:37: there is no backend \"web3\"; did you mean \"web1\"?\n"
	  "6:12: there is no pool \"statik\"; did you mean \"static\"?\n"
	  "7:12: there is no pool \"zzz\"\n" },
	{ VIP
	  "backends:\n  - {name: a, address: 198.18.0.1:80}\n  - {name: a, address: 198.18.0.1:80}\n"
	  "  - {name: c, address: 10.0.1.10:80}\npools: [{name: p, backends: [a, c, a]}, {name: p, backends: [a]}]\n"
	  "rules: [{pool: p}]\n",
	  "4:12: duplicate name \"a\"; line 3 has a backend of that name\n"
	  "4:24: the backend on line 3 has this address already\n"
	  "5:24: a backend cannot have the VIP's address\n"
	  "6:36: backend \"a\" is in this pool already, on line 6\n"
	  "6:48: duplicate name \"p\"; line 6 has a pool of that name\n" },
	/* a refused name is still the name that others mean */
	{ VIP "backends: [{name: \"a b\", address: 198.18.0.1:80}]\npools: [{name: p, backends: [\"a b\"]}]\n"
	      "rules: [{pool: p}]\n",
	  "2:19: name: \"a b\" is not a name: letters, digits, '.', '_' and '-' make one\n" },
	{ VIP "backends: [{name: " N66 ", address: 198.18.0.1:80}, {name: \"\", address: 198.18.0.2:80}]\n"
	      "pools: [{name: p, backends: [" N66 "]}]\nrules: [{pool: p}]\n",
	  "2:19: name: longer than 63 characters\n"
	  "2:119: name: a name must not be empty\n" },
	/* a missing list is one error, not one for each reference */
	{ VIP "pools: [{name: p, backends: [a]}]\nrules: [{pool: p}]\n",
	  "1:1: missing key \"backends\": a configuration needs it\n" },
	/* addresses */
	{ "vip: 10.0.1.10\nbackends: [{name: a, address: 300.1.1.1:80}, {name: b, address: 1.2.3.4:0},\n"
	  "  {name: c, address: 224.0.0.1:80}, {name: d, address: 0.0.0.0:80}, {name: e, address: \"[::1]:80\"}]\n"
	  "pools: [{name: p, backends: [a]}]\nrules: [{pool: p}]\n",
	  "1:6: vip: missing port in \"10.0.1.10\": an address is written as 10.0.1.10:80\n"
	  "2:31: address: \"300.1.1.1:80\" is not an IPv4 address and port, as 10.0.1.10:80\n"
	  "2:65: address: \"1.2.3.4:0\" is not an IPv4 address and port, as 10.0.1.10:80\n"
	  "3:22: address: \"224.0.0.1:80\" is not a unicast address\n"
	  "3:56: address: \"0.0.0.0:80\" is not a unicast address\n"
	  "3:88: address: \"[::1]:80\" is not an IPv4 address and port, as 10.0.1.10:80\n" },
	/* hosts */
	{ ONE
	  "rules:\n  - {pool: web, host: \"*\"}\n  - {pool: web, host: a.*.org}\n  - {pool: web, host: \"*a.org\"}\n"
	  "  - {pool: web, host: \"a.org:80\"}\n  - {pool: web, host: a..org}\n  - {pool: web, host: \"*.\"}\n"
	  "  - {pool: web, host: \"\"}\n  - {pool: web, host: a b}\n  - {pool: web, host: " N66 ".org}\n",
	  "5:23: host: a rule for every host has no host key\n"
	  "6:23: host: \"a.*.org\": a wildcard is the whole first label, as in *.example.org\n"
	  "7:23: host: \"*a.org\": a wildcard is the whole first label, as in *.example.org\n"
	  "8:23: host: \"a.org:80\": a host is compared without its port\n"
	  "9:23: host: \"a..org\" is not a host name: it has an empty label\n"
	  "10:23: host: \"*.\" is not a host name\n"
	  "11:23: host: \"\" is not a host name\n"
	  "12:23: host: \"a b\" is not a host name\n"
	  "13:23: host: \"" N66 ".org\" is not a host name: a label has more than 63 characters\n" },
	{ ONE "rules: [{pool: web, host: " LABEL63 "." LABEL63 "." LABEL63 "." LABEL63 ".org}]\n",
	  "4:27: host: longer than 255 characters\n" },
	/* paths */
	{ ONE "rules:\n  - {pool: web, path: images}\n  - {pool: web, path_prefix: \"/a?b\"}\n"
	      "  - {pool: web, path: /a b}\n  - {pool: web, path: /a, path_prefix: /a}\n"
	      "  - {pool: web, path_prefix: \"\"}\n",
	  "5:23: path: \"images\": a path begins with '/'\n"
	  "6:30: path_prefix: \"/a?b\": a path is compared without its query; '?' never matches\n"
	  "7:23: path: \"/a b\": a path holds printable ASCII only; encode the rest as %XX\n"
	  "8:40: a rule has path or path_prefix, not both\n"
	  "9:30: path_prefix: \"\": a path begins with '/'\n" },
};

START_TEST(wrong_reference_file)
{
	load_text(&config, &errors, wrong_reference[_i].yaml);
	ck_assert_str_eq(errors.text, wrong_reference[_i].expected);
}
END_TEST

/* Lists have as many places as the arrays, and no more. */
START_TEST(long_lists)
{
	static char text[65536];
	size_t at;

	for (unsigned extra = 0; extra < 2; extra++) {
		at = (size_t)snprintf(text, sizeof(text), "%s", VIP "backends:\n");
		for (unsigned i = 0; i < BACKENDS_MAX + extra; i++)
			at += (size_t)snprintf(text + at, sizeof(text) - at,
					       "- {name: b%u, address: 198.18.%u.%u:80}\n", i, i / 200, i % 200 + 1);
		at += (size_t)snprintf(text + at, sizeof(text) - at, "pools:\n- {name: p, backends: [b255");
		for (unsigned i = 0; i < BACKENDS_MAX - 1; i++)
			at += (size_t)snprintf(text + at, sizeof(text) - at, ", b%u", i);
		at += (size_t)snprintf(text + at, sizeof(text) - at, "]}\nrules:\n");
		for (unsigned i = 0; i < RULES_MAX + extra; i++)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "- {pool: p}\n");
		ck_assert_uint_lt(at, sizeof(text));
		load_text(&config, &errors, text);
		ck_assert_str_eq(errors.text, extra ? "259:3: backends: more than 256 elements\n"
						      "519:3: rules: more than 256 elements\n"
						    : "");
		ck_assert_uint_eq(config.backend_count, BACKENDS_MAX);
		ck_assert_uint_eq(config.pools[0].member_count, BACKENDS_MAX);
		ck_assert_uint_eq(config.pools[0].members[0], 255);
		ck_assert_uint_eq(config.rule_count, RULES_MAX);
	}
}
END_TEST

/* Many values, many errors, many bytes: all bounded. */
START_TEST(huge_files)
{
	size_t size = CONFIG_FILE_SIZE_MAX + 1;
	char *text = malloc(size);

	ck_assert_ptr_nonnull(text);
	memset(text, '#', size);
	load_bytes(&config, &errors, text, size);
	ck_assert_str_eq(errors.text, "0:0: larger than 4 MiB: not a configuration\n");
	load_bytes(&config, &errors, text, size - 1);
	ck_assert_uint_eq(errors.count, 1);
	for (size_t i = 0; i + 2 < size; i += 2)
		memcpy(text + i, "-\n", 2);
	load_bytes(&config, &errors, text, size - 1);
	ck_assert_str_eq(errors.text, "1:1: a configuration is a mapping of keys to values, found a list\n"
				      "65535:2: more than 65535 values in one file\n");
	for (size_t i = 0; i + 5 < size; i += 5)
		memcpy(text + i, "b: 1\n", 5);
	load_bytes(&config, &errors, text, 50000);
	ck_assert_uint_eq(errors.count, 1001);
	/* libyaml alone would need quadratic time for this. */
	memset(text, '[', size);
	load_bytes(&config, &errors, text, size - 1);
	ck_assert_str_eq(errors.text, "1:1: a configuration is a mapping of keys to values, found a list\n"
				      "1:17: nested more than 16 levels deep\n");
	free(text);
}
END_TEST

START_TEST(byte_order_mark)
{
	ck_assert_int_eq(load_text(&config, &errors, "\xef\xbb\xbf" HEAD), 0);
	load_text(&config, &errors, "\xef\xbb\xbfxx: 1\n" HEAD);
	ck_assert_str_eq(errors.text,
			 "1:1: unknown key \"xx\"; a configuration has vip, backends, pools, rules, "
			 "frontends, http, offload, switch, agent, timeouts, simulation, live, quirks, seed, "
			 "secret\n");
}
END_TEST

/* ------------------------------------------------------------------------- files */

static void load_file(const char *name)
{
	errors = (struct log){ 0 };
	config_load(&config, name, log_error, &errors);
}

START_TEST(unreadable_file)
{
	load_file("/nonexistent/x.yaml");
	ck_assert_str_eq(errors.text, "0:0: No such file or directory\n");
	ck_assert_str_eq(errors.file, "/nonexistent/x.yaml");
	load_file("/");
	ck_assert_str_eq(errors.text, "0:0: Is a directory\n");
	load_file("/dev/null");
	ck_assert_uint_eq(errors.count, 1);
	load_file("/dev/zero");
	ck_assert_str_eq(errors.text, "0:0: larger than 4 MiB: not a configuration\n");
}
END_TEST

START_TEST(standard_input)
{
	char name[] = "/tmp/miresga-config-XXXXXX";
	int fd = mkstemp(name);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((int)write(fd, HEAD "x: 1\n", strlen(HEAD "x: 1\n")), (int)strlen(HEAD "x: 1\n"));
	close(fd);
	ck_assert_ptr_nonnull(freopen(name, "rb", stdin));
	unlink(name);
	load_file("-");
	ck_assert_uint_eq(errors.count, 1);
	ck_assert_str_eq(errors.file, "<stdin>");
	ck_assert_uint_eq(config.backend_count, 2);
}
END_TEST

static const struct {
	const char *file;
	unsigned rules, connections;
	uint32_t quirks;
	uint8_t strictness, isn;
} ready[] = {
	{ "configs/minimal.yaml", 1, 65536, 0, STRICTNESS_LENIENT, ISN_COOKIE },
	{ "configs/paper.yaml", 2, 1433600, 0, STRICTNESS_STRICT, ISN_COOKIE },
	{ "configs/traffic1.yaml", 2, 65536, 0, STRICTNESS_STRICT, ISN_COOKIE },
	{ "configs/traffic2.yaml", 2, 65536, 0, STRICTNESS_STRICT, ISN_COOKIE },
	{ "configs/traffic3.yaml", 2, 65536, 0, STRICTNESS_STRICT, ISN_COOKIE },
	{ "configs/as-published.yaml", 1, 143360, QUIRKS_ALL, STRICTNESS_LENIENT, ISN_CRC32 },
};

START_TEST(ready_file)
{
	struct capacity capacity;

	load_file(ready[_i].file);
	ck_assert_msg(errors.count == 0, "%s: %s", ready[_i].file, errors.text);
	ck_assert_uint_eq(config.backend_count, 2);
	ck_assert_uint_eq(config.rule_count, ready[_i].rules);
	ck_assert_uint_eq(config.frontends.count, 2);
	ck_assert_uint_eq(config.offload_threshold, 65536);
	ck_assert_uint_eq(config.quirks, ready[_i].quirks);
	ck_assert_uint_eq(config.http.strictness, ready[_i].strictness);
	ck_assert_uint_eq(config.sw.isn, ready[_i].isn);
	ck_assert_int_eq(capacity_compute(&config.sw.geometry, &capacity), 0);
	ck_assert_uint_eq(capacity.connections, ready[_i].connections);
}
END_TEST

static size_t read_text(const char *name, char *buf, size_t size)
{
	FILE *f = fopen(name, "rb");
	size_t len;

	ck_assert_msg(f != NULL, "%s: cannot be read", name);
	len = fread(buf, 1, size - 1, f);
	fclose(f);
	ck_assert_uint_lt(len, size - 1);
	buf[len] = '\0';
	return len;
}

/* minimal.yaml without its comments: they would only repeat the same damage. */
static size_t minimal_without_comments(char *buf, size_t size)
{
	size_t len = read_text("configs/minimal.yaml", buf, size), out = 0;
	bool comment = false;

	for (size_t i = 0; i < len; i++) {
		if (buf[i] == '#')
			comment = true;
		if (buf[i] == '\n')
			comment = false;
		if (!comment)
			buf[out++] = buf[i];
	}
	return out;
}

/* A load ends, and reports something if and only if it counts something. */
static void load_damaged(const char *text, size_t len)
{
	int found = load_bytes(&config, &errors, text, len);

	ck_assert_int_eq(found, (int)errors.count);
	if (found == 0)
		ck_assert_uint_lt(config.rules[0].pool, config.pool_count);
}

START_TEST(every_prefix)
{
	static char text[4096];
	size_t len = read_text("configs/minimal.yaml", text, sizeof(text));

	for (size_t n = 0; n <= len; n++) {
		/* An exact copy, so that a read past the end is seen. */
		char *copy = malloc(n + 1);

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, text, n);
		load_damaged(copy, n);
		free(copy);
	}
	ck_assert_int_eq((int)errors.count, 0);
}
END_TEST

/* Sixteen of the 256 byte values a test, at every place. */
START_TEST(every_corruption)
{
	static char text[4096];
	size_t len = minimal_without_comments(text, sizeof(text));

	ck_assert_uint_gt(len, 100);
	for (size_t at = 0; at < len; at++) {
		char before = text[at];

		for (int value = _i * 16; value < _i * 16 + 16; value++) {
			text[at] = (char)value;
			load_damaged(text, len);
		}
		text[at] = before;
	}
}
END_TEST

/* ------------------------------------------------------------------------- the reference */

/* The row that docs/configuration.md must have for a key. */
static void reference_row(const char *path, const struct config_key *key, char *row, size_t size)
{
	char range[512] = "", preset[64] = "";
	size_t at = 0;

	if (key->choices) {
		for (unsigned i = 0; key->choices[i]; i++)
			at += (size_t)snprintf(range + at, sizeof(range) - at, "%s`%s`", i ? ", " : "",
					       key->choices[i]);
	} else {
		config_key_range(key, range);
	}
	if (key->preset)
		snprintf(preset, sizeof(preset), "`%s`", key->preset);
	else if (key->mandatory)
		snprintf(preset, sizeof(preset), "must be given");
	snprintf(row, size, "| `%s` | %s | %s | %s | %s |\n", path, config_kind_text(key->kind), range, preset,
		 key->help);
}

struct reference {
	const char *text;
	char missing[3072]; /* libcheck's messages are bounded */
	size_t len;
	unsigned rows;
};

static void reference_visit(void *ctx, const char *path, const struct config_key *key)
{
	struct reference *r = ctx;
	char row[1024];

	reference_row(path, key, row, sizeof(row));
	r->rows++;
	if (!strstr(r->text, row) && r->len < sizeof(r->missing))
		r->len += (size_t)snprintf(r->missing + r->len, sizeof(r->missing) - r->len, "%s", row);
}

START_TEST(reference_is_complete)
{
	static char text[65536];
	static struct reference reference;
	unsigned rows = 0;

	read_text("docs/configuration.md", text, sizeof(text));
	reference = (struct reference){ .text = text };
	config_keys_walk(reference_visit, &reference);
	ck_assert_msg(reference.len == 0, "docs/configuration.md lacks these rows:\n%s", reference.missing);
	for (const char *s = text; (s = strstr(s, "\n| `")) != NULL; s++)
		rows++;
	ck_assert_msg(rows == reference.rows, "docs/configuration.md has %u rows for %u keys", rows, reference.rows);
}
END_TEST

static void key_is_sound(void *ctx, const char *path, const struct config_key *key)
{
	unsigned *count = ctx;

	(*count)++;
	ck_assert_msg(key->help && *key->help, "%s has no help", path);
	ck_assert_msg((key->section != NULL) == (key->kind == CONFIG_KIND_SECTION || key->kind == CONFIG_KIND_LIST),
		      "%s: section and kind disagree", path);
	ck_assert_msg((key->choices != NULL) == (key->kind == CONFIG_KIND_CHOICE), "%s: choices and kind disagree",
		      path);
	ck_assert_msg(!key->mandatory || !key->preset, "%s has a default that can never be used", path);
	if (key->kind == CONFIG_KIND_INTEGER && key->width < 8)
		ck_assert_msg(key->max >> (8 * key->width) == 0, "%s: its range does not fit its field", path);
}

START_TEST(tables_are_sound)
{
	unsigned count = 0;

	config_keys_walk(key_is_sound, &count);
	ck_assert_uint_gt(count, 50);
}
END_TEST

/* ------------------------------------------------------------------------- without a file */

static bool same_key(struct siphash_key a, struct siphash_key b)
{
	return a.k0 == b.k0 && a.k1 == b.k1;
}

START_TEST(derived_keys)
{
	static struct config other;

	config_defaults(&config);
	config_defaults(&other);
	ck_assert(same_key(config.cookie_key, other.cookie_key) && same_key(config.tag_key, other.tag_key));
	ck_assert(!same_key(config.cookie_key, config.tag_key));
	other.seed = 2;
	config_derive_keys(&other);
	ck_assert(!same_key(config.cookie_key, other.cookie_key));
	ck_assert(!same_key(config.tag_key, other.tag_key));
	/* With a secret the seed has no part in the keys. */
	load_text(&config, &errors, HEAD "seed: 1\nsecret: 000102030405060708090a0b0c0d0e0f\n");
	load_text(&other, &errors, HEAD "secret: 000102030405060708090a0b0c0d0e0f\nseed: 2\n");
	ck_assert(same_key(config.cookie_key, other.cookie_key) && same_key(config.tag_key, other.tag_key));
	ck_assert(!same_key(config.cookie_key, config.tag_key));
	load_text(&other, &errors, HEAD "secret: 010102030405060708090a0b0c0d0e0f\n");
	ck_assert(!same_key(config.cookie_key, other.cookie_key));
}
END_TEST

START_TEST(longest_timeout)
{
	struct config_timeouts *t = &config.timeouts;
	uint64_t ladder, longest;

	config_defaults(&config);
	ladder = (1 + 2 + 4 + 8 + 16 + 32) * NS_PER_S;
	longest = config_longest_timeout(&config);
	ck_assert_uint_ge(longest, t->established_ns + t->closing_ns + t->linger_ns);
	ck_assert_uint_ge(longest, t->request_ns + ladder + t->linger_ns);
	ck_assert_uint_lt(longest, 6 * 3600 * NS_PER_S);
	/* The largest of everything still fits, on top of a time of day. */
	*t = (struct config_timeouts){ .request_ns = 168 * 3600 * NS_PER_S,
				       .established_ns = 168 * 3600 * NS_PER_S,
				       .closing_ns = 168 * 3600 * NS_PER_S,
				       .linger_ns = 168 * 3600 * NS_PER_S,
				       .rto_ns = 60 * NS_PER_S,
				       .retries = 15 };
	config.sw.control_queue = 16 << 20;
	config.sw.insertion_rate = 1;
	config.sw.insertion_latency_ns = 10 * NS_PER_S;
	longest = config_longest_timeout(&config);
	ck_assert_uint_ge(longest, 2 * 60 * NS_PER_S * 65535 + 6 * 168 * 3600 * NS_PER_S + (NS_PER_S << 24));
	ck_assert_uint_lt(longest, UINT64_C(1) << 60);
}
END_TEST

static const struct {
	const char *list;
	uint32_t quirks;
	uint8_t isn;
	const char *error;
} quirk_lists[] = {
	{ "F5", QUIRK_BIT(QUIRK_F5), ISN_COOKIE, NULL },
	{ "f5,a1", QUIRK_BIT(QUIRK_F5) | QUIRK_BIT(QUIRK_A1), ISN_COOKIE, NULL },
	{ "P3", QUIRK_BIT(QUIRK_P3), ISN_CRC32, NULL },
	{ "all", QUIRKS_ALL, ISN_CRC32, NULL },
	{ "", 0, ISN_COOKIE, "unknown quirk \"\"; there are P2, P3, F5, F8, F10, A1, A3, A7, C3, and all" },
	{ "F5,", 0, ISN_COOKIE, "unknown quirk \"\"; there are P2, P3, F5, F8, F10, A1, A3, A7, C3, and all" },
	{ "P3,F6", 0, ISN_COOKIE, "unknown quirk \"F6\"; there are P2, P3, F5, F8, F10, A1, A3, A7, C3, and all" },
};

START_TEST(add_quirks)
{
	char error[256] = "";

	config_defaults(&config);
	ck_assert_int_eq(config_add_quirks(&config, quirk_lists[_i].list, error, sizeof(error)),
			 quirk_lists[_i].error ? -1 : 0);
	ck_assert_str_eq(error, quirk_lists[_i].error ? quirk_lists[_i].error : "");
	ck_assert_uint_eq(config.quirks, quirk_lists[_i].quirks);
	ck_assert_uint_eq(config.sw.isn, quirk_lists[_i].isn);
}
END_TEST

static const struct {
	const char *path, *value, *error;
} settings[] = {
	{ "switch.table.stages", "7", NULL },
	{ "seed", "7", NULL },
	{ "offload.threshold", "1MiB", NULL },
	{ "switch.table.stages", "21", "switch.table.stages: \"21\" is out of range (1 to 20)" },
	{ "switch.table.word_blocks", "9", "switch.table.word_blocks: \"9\" is out of range (1 to 4)" },
	{ "frontends.buffer_size", "1KiB", "frontends.buffer_size: \"1KiB\" is out of range (64KiB to 1MiB)" },
	{ "stages", "7", "unknown key \"stages\"; did you mean \"switch.table.stages\"?" },
	{ "switch.tabel.stages", "7", "unknown key \"switch.tabel.stages\"; did you mean \"switch.table.stages\"?" },
	{ "nothing", "7", "unknown key \"nothing\"" },
	{ "backends", "7", "backends is a list of mappings; only the file can set it" },
	{ "backends.name", "7", "unknown key \"backends.name\"; did you mean \"backends[].name\"?" },
	{ "switch.", "7", "unknown key \"switch.\"; did you mean \"switch\"?" },
	{ "", "7", "unknown key \"\"" },
};

START_TEST(set_key)
{
	static struct config before;
	char error[256] = "";
	int rc;

	config_defaults(&config);
	before = config;
	rc = config_set(&config, settings[_i].path, settings[_i].value, error, sizeof(error));
	ck_assert_str_eq(error, settings[_i].error ? settings[_i].error : "");
	ck_assert_int_eq(rc, settings[_i].error ? -1 : 0);
	ck_assert((memcmp(&before, &config, sizeof(config)) != 0) == (rc == 0));
}
END_TEST

START_TEST(set_isn)
{
	char error[256];

	config_defaults(&config);
	ck_assert_int_eq(config_set(&config, "switch.isn", "crc32", error, sizeof(error)), 0);
	ck_assert(config_has_quirk(&config, QUIRK_P3));
	ck_assert_int_eq(config_set(&config, "switch.isn", "cookie", error, sizeof(error)), 0);
	ck_assert(!config_has_quirk(&config, QUIRK_P3));
	ck_assert_int_eq(config_set(&config, "secret", "000102030405060708090a0b0c0d0e0f", error, sizeof(error)), 0);
	ck_assert(config.has_secret);
}
END_TEST

static const struct {
	const char *word, *answer; /* among vip, pools, rules, backends, timeouts */
} nearests[] = {
	{ "vip", "vip" },
	{ "VIP", "vip" },
	{ "vpi", "vip" },
	{ "vp", "vip" },
	{ "rulse", "rules" },
	{ "backend", "backends" },
	{ "timout", "timeouts" },
	{ "bakcedns", "backends" },
	{ "x", NULL },
	{ "", NULL },
	{ "seed", NULL },
	{ "frontends", NULL },
	{ "p", NULL },
	{ "poolspools", NULL },
};

START_TEST(nearest_word)
{
	static const char *const known[] = { "vip", "pools", "rules", "backends", "timeouts" };
	struct nearest n;

	nearest_init(&n, nearests[_i].word);
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		nearest_offer(&n, known[i]);
	if (nearests[_i].answer)
		ck_assert_pstr_eq(n.best, nearests[_i].answer);
	else
		ck_assert_ptr_null(n.best);
}
END_TEST

Suite *config_suite(void)
{
	Suite *s = suite_create("config");
	TCase *load = tcase_create("load"), *files = tcase_create("files"), *damage = tcase_create("damage");
	TCase *use = tcase_create("use");

	tcase_add_test(load, defaults);
	tcase_add_test(load, every_key_lands);
	tcase_add_test(load, every_number_lands);
	tcase_add_loop_test(load, wrong_file, 0, ARRAY_LEN(wrong));
	tcase_add_loop_test(load, wrong_reference_file, 0, ARRAY_LEN(wrong_reference));
	tcase_add_test(load, long_lists);
	tcase_add_test(load, byte_order_mark);
	suite_add_tcase(s, load);

	tcase_add_test(files, unreadable_file);
	tcase_add_test(files, standard_input);
	tcase_add_loop_test(files, ready_file, 0, ARRAY_LEN(ready));
	tcase_add_test(files, reference_is_complete);
	tcase_add_test(files, tables_are_sound);
	suite_add_tcase(s, files);

	/* Slow under sanitizers and valgrind; never because of a wait. */
	tcase_set_timeout(damage, 300);
	tcase_add_test(damage, huge_files);
	tcase_add_test(damage, every_prefix);
	tcase_add_loop_test(damage, every_corruption, 0, 16);
	suite_add_tcase(s, damage);

	tcase_add_test(use, derived_keys);
	tcase_add_test(use, longest_timeout);
	tcase_add_loop_test(use, add_quirks, 0, ARRAY_LEN(quirk_lists));
	tcase_add_loop_test(use, set_key, 0, ARRAY_LEN(settings));
	tcase_add_test(use, set_isn);
	tcase_add_loop_test(use, nearest_word, 0, ARRAY_LEN(nearests));
	suite_add_tcase(s, use);
	return s;
}
