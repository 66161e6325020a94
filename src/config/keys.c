/* SPDX-License-Identifier: BSD-2-Clause */
/* keys.c: the tables of every key of a configuration file. A new key is one row here and one in
 * docs/configuration.md (a test compares the two). Ranges are in base units: bytes, nanoseconds,
 * operations per second; defaults are written as in a file and read by the same code. */
#include "keys.h"

#include <stdio.h>
#include <string.h>

static const char *const balance_choices[] = { [BALANCE_ROUND_ROBIN] = "round_robin", NULL };
static const char *const offload_choices[] = {
	[OFFLOAD_AUTO] = "auto", [OFFLOAD_ALWAYS] = "always", [OFFLOAD_NEVER] = "never", NULL
};
static const char *const strictness_choices[] = {
	[STRICTNESS_STRICT] = "strict", [STRICTNESS_LENIENT] = "lenient", NULL
};
static const char *const isn_choices[] = { [ISN_COOKIE] = "cookie", [ISN_CRC32] = "crc32", NULL };

static const struct config_key backend_keys[] = {
	{ .name = "name",
	  .kind = CONFIG_KIND_NAME,
	  .mandatory = true,
	  FIELD(config_backend, name),
	  .help = "What pools and reports call it; unique" },
	{ .name = "address",
	  .kind = CONFIG_KIND_ADDRESS,
	  .mandatory = true,
	  FIELD(config_backend, address),
	  .help = "Where the server listens; unique, and not the VIP" },
	{ .name = "weight",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_backend, weight),
	  .min = 1,
	  .max = 256,
	  .preset = "1",
	  .help = "Share of new connections, relative to the other backends of a pool" },
	{ .name = "interface",
	  .kind = CONFIG_KIND_NAME,
	  FIELD(config_backend, interface),
	  .help = "`miresga live`: the network interface that leads there; absent: the one that the kernel's routes "
		  "name" },
};
static const struct config_section backend_section = { .title = "a backend", KEYS(backend_keys) };

static const struct config_key pool_keys[] = {
	{ .name = "name",
	  .kind = CONFIG_KIND_NAME,
	  .mandatory = true,
	  FIELD(config_pool, name),
	  .help = "What rules call it; unique" },
	{ .name = "balance",
	  .kind = CONFIG_KIND_CHOICE,
	  FIELD(config_pool, balance),
	  .choices = balance_choices,
	  .preset = "round_robin",
	  .help = "How a backend is chosen: smooth weighted round robin, one draw per connection and pool" },
	{ .name = "backends",
	  .kind = CONFIG_KIND_MEMBERS,
	  .mandatory = true,
	  ELEMENTS(config_pool, members, member_count),
	  .help = "Its members; a backend may be in several pools" },
};
static const struct config_section pool_section = { .title = "a pool", KEYS(pool_keys) };

static const struct config_key rule_keys[] = {
	{ .name = "host",
	  .kind = CONFIG_KIND_HOST,
	  FIELD(config_rule, host),
	  .help = "Host of the request without its port: exact, or `*.example.org` for any name below it; absent: "
		  "any" },
	{ .name = "path",
	  .kind = CONFIG_KIND_PATH,
	  FIELD(config_rule, path),
	  .help = "Path of the request without its query: exactly this; absent: any" },
	{ .name = "path_prefix",
	  .kind = CONFIG_KIND_PATH_PREFIX,
	  FIELD(config_rule, path),
	  .help = "Instead of `path`: any path that begins so" },
	{ .name = "pool",
	  .kind = CONFIG_KIND_POOL,
	  .mandatory = true,
	  FIELD(config_rule, pool),
	  .help = "Where matching requests go" },
	{ .name = "offload",
	  .kind = CONFIG_KIND_CHOICE,
	  FIELD(config_rule, offload),
	  .choices = offload_choices,
	  .preset = "auto",
	  .help = "`auto`: the switch takes the flow over when a response's Content-Length reaches "
		  "`offload.threshold`; "
		  "`always`: as soon as the backend is connected; `never`: the front-end keeps it" },
};
static const struct config_section rule_section = { .title = "a rule", KEYS(rule_keys) };

static const struct config_key frontends_keys[] = {
	{ .name = "count",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_frontends, count),
	  .min = 1,
	  .max = FRONTENDS_MAX,
	  .preset = "2",
	  .help = "Front-end servers; CRC-8 over the client's address and port chooses one" },
	{ .name = "flows",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_frontends, flows_max),
	  .min = 1,
	  .max = 16 * MI,
	  .preset = "65536",
	  .help = "Places in the Full Connection Table of each front-end" },
	{ .name = "buffers",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_frontends, buffers),
	  .min = 1,
	  .max = 65536,
	  .preset = "1024",
	  .help = "Reassembly buffers of each front-end: one for each request that is incomplete or not yet "
		  "acknowledged" },
	{ .name = "buffer_size",
	  .kind = CONFIG_KIND_SIZE,
	  FIELD(config_frontends, buffer_size),
	  .min = 65536,
	  .max = MI,
	  .preset = "256KiB",
	  .help = "Bytes of each reassembly buffer: what one packet can bring at most fits, and so does "
		  "`http.max_head`" },
};
static const struct config_section frontends_section = { .title = "frontends", KEYS(frontends_keys) };

static const struct config_key http_keys[] = {
	{ .name = "strictness",
	  .kind = CONFIG_KIND_CHOICE,
	  FIELD(config_http, strictness),
	  .choices = strictness_choices,
	  .preset = "strict",
	  .help = "`strict`: RFC 9112 to the letter; `lenient`: odd but unambiguous requests pass too. "
		  "Framing that two parsers could read differently never passes" },
	{ .name = "max_head",
	  .kind = CONFIG_KIND_SIZE,
	  FIELD(config_http, head_max),
	  .min = 256,
	  .max = 65536,
	  .preset = "64KiB",
	  .help = "Longest request head; a longer one is answered with 431" },
};
static const struct config_section http_section = { .title = "http", KEYS(http_keys) };

static const struct config_key offload_keys[] = {
	{ .name = "threshold",
	  .kind = CONFIG_KIND_SIZE,
	  FIELD(config, offload_threshold),
	  .min = 0,
	  .max = UINT64_C(1) << 40,
	  .preset = "64KiB",
	  .help = "Content-Length from which on a response is an elephant, for rules with `offload: auto`" },
};
static const struct config_section offload_section = { .title = "offload", KEYS(offload_keys) };

static const struct config_key table_keys[] = {
	{ .name = "stages",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_geometry, stages),
	  .min = 1,
	  .max = 20,
	  .preset = "4",
	  .help = "Match-action stages that the Offloaded Connection Table spans" },
	{ .name = "blocks",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_geometry, blocks),
	  .min = 1,
	  .max = 80,
	  .preset = "8",
	  .help = "SRAM blocks of 1,024 × 128 bits that it has in each stage" },
	{ .name = "word_blocks",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_geometry, word_blocks),
	  .min = 1,
	  .max = 4,
	  .preset = "1",
	  .help = "Blocks side by side in one match word: 2 makes words of 256 bits" },
	{ .name = "ghost_bits",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_geometry, ghost_bits),
	  .min = 0,
	  .max = 10,
	  .preset = "10",
	  .help = "Bits of the key that the hash address stands for, so that they are not stored" },
	{ .name = "version_bits",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_geometry, version_bits),
	  .min = 0,
	  .max = 4,
	  .preset = "4",
	  .help = "Bits of each entry by which the chip updates it atomically" },
	{ .name = "entry_compression",
	  .kind = CONFIG_KIND_BOOLEAN,
	  FIELD(config_geometry, entry_compression),
	  .preset = "true",
	  .help = "One entry for both directions of a flow (row a of the paper's Table 1)" },
	{ .name = "backend_agent",
	  .kind = CONFIG_KIND_BOOLEAN,
	  FIELD(config_geometry, backend_agent),
	  .preset = "true",
	  .help = "The agents shift sequence numbers, so that no entry holds a Δ of 32 bits (row c)" },
	{ .name = "table_arrangement",
	  .kind = CONFIG_KIND_BOOLEAN,
	  FIELD(config_geometry, table_arrangement),
	  .preset = "true",
	  .help = "The small tables share stages; without it they cost two of `stages` (row b)" },
};
static const struct config_section table_section = { .title = "table", KEYS(table_keys) };

static const struct config_key switch_keys[] = {
	{ .name = "table",
	  .kind = CONFIG_KIND_SECTION,
	  FIELD(config_switch, geometry),
	  .section = &table_section,
	  .help = "The Offloaded Connection Table's place in SRAM; `miresga capacity` says what fits" },
	{ .name = "isn",
	  .kind = CONFIG_KIND_CHOICE,
	  FIELD(config_switch, isn),
	  .choices = isn_choices,
	  .preset = "cookie",
	  .help = "Initial sequence number of the switch's SYN-ACK: a keyed, timed cookie, or the published "
		  "CRC-32 of client address and port (the same as quirk P3)" },
	{ .name = "wscale",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_switch, wscale),
	  .min = 0,
	  .max = 14,
	  .preset = "7",
	  .help = "Window scale that the SYN-ACK announces to clients that offered one" },
	{ .name = "mss",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_switch, mss),
	  .min = 536,
	  .max = 65495,
	  .preset = "1460",
	  .help = "Maximum segment size that the SYN-ACK announces, in bytes" },
	{ .name = "window",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_switch, window),
	  .min = 1,
	  .max = 65535,
	  .preset = "65535",
	  .help = "Window of the SYN-ACK in bytes, never scaled (RFC 7323 §2.2)" },
	{ .name = "timestamps",
	  .kind = CONFIG_KIND_BOOLEAN,
	  FIELD(config_switch, timestamps),
	  .preset = "false",
	  .help = "Answer the timestamps option of clients that offer it; the agents shift both values" },
	{ .name = "ecn",
	  .kind = CONFIG_KIND_BOOLEAN,
	  FIELD(config_switch, ecn),
	  .preset = "false",
	  .help = "Accept ECN from clients that ask for it" },
	{ .name = "insertion_rate",
	  .kind = CONFIG_KIND_RATE,
	  FIELD(config_switch, insertion_rate),
	  .min = 1,
	  .max = 1000000000,
	  .preset = "200k/s",
	  .help = "Table operations, adds and deletes, that the control plane carries out" },
	{ .name = "insertion_latency",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_switch, insertion_latency_ns),
	  .min = 0,
	  .max = 10 * NS_PER_S,
	  .preset = "1ms",
	  .help = "From asking for an operation until it takes effect, on an idle control plane" },
	{ .name = "control_queue",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_switch, control_queue),
	  .min = 1,
	  .max = 16 * MI,
	  .preset = "65536",
	  .help = "Operations that may wait; when it is full a flow stays on the slow path" },
	{ .name = "batch",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_switch, batch),
	  .min = 1,
	  .max = BATCH_MAX,
	  .preset = "32",
	  .help = "Packets that a stage sees at once. Never changes results; 1 is for stepping in a debugger" },
};
static const struct config_section switch_section = { .title = "switch", KEYS(switch_keys) };

static const struct config_key agent_keys[] = {
	{ .name = "entries",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_agent, entries_max),
	  .min = 1,
	  .max = 16 * MI,
	  .preset = "102400",
	  .help = "Flows in the seq map and in the diff map of each backend's agent" },
	{ .name = "ports",
	  .kind = CONFIG_KIND_PORTS,
	  ELEMENTS(config_agent, ports, port_count),
	  .help = "Local ports that `miresga agent` acts on; absent: those of the backends" },
	{ .name = "secret_file",
	  .kind = CONFIG_KIND_FILE,
	  FIELD(config_agent, secret_file),
	  .help = "File with the 32 hex digits of `secret`, for hosts that share it; nobody else may read the file" },
};
static const struct config_section agent_section = { .title = "agent", KEYS(agent_keys) };

static const struct config_key timeouts_keys[] = {
	{ .name = "request",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_timeouts, request_ns),
	  .min = NS_PER_MS,
	  .max = 168 * HOUR,
	  .preset = "10min",
	  .help = "From the handshake, or the first byte of a later one, to a complete request head; then 408" },
	{ .name = "established",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_timeouts, established_ns),
	  .min = NS_PER_MS,
	  .max = 168 * HOUR,
	  .preset = "7440s",
	  .help = "Idle flow with a backend (2 h 4 min: RFC 5382 REQ-5)" },
	{ .name = "closing",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_timeouts, closing_ns),
	  .min = NS_PER_MS,
	  .max = 168 * HOUR,
	  .preset = "240s",
	  .help = "Idle flow after the first FIN (4 min: RFC 5382 REQ-5)" },
	{ .name = "linger",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_timeouts, linger_ns),
	  .min = NS_PER_MS,
	  .max = 168 * HOUR,
	  .preset = "10s",
	  .help = "How long an ended flow is kept for stray retransmissions" },
	{ .name = "retransmission",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_timeouts, rto_ns),
	  .min = NS_PER_MS,
	  .max = 60 * NS_PER_S,
	  .preset = "1s",
	  .help = "The front-end's first retransmission of a special SYN or request (RFC 6298 §2); each further one "
		  "waits twice as long" },
	{ .name = "retries",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_timeouts, retries),
	  .min = 0,
	  .max = 15,
	  .preset = "5",
	  .help = "Retransmissions before the front-end gives up" },
};
static const struct config_section timeouts_section = { .title = "timeouts", KEYS(timeouts_keys) };

static const struct config_key live_keys[] = {
	{ .name = "interface",
	  .kind = CONFIG_KIND_NAME,
	  FIELD(config_live, interface),
	  .help = "The network interface towards the clients; `miresga live` wants it" },
	{ .name = "ring",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_live, ring),
	  .min = 16,
	  .max = 8192,
	  .preset = "128",
	  .help = "Super-packets (longer than an MTU of 1,900) that may wait on an interface, 64 KiB of memory "
		  "each; 1,024 other frames may, besides" },
	{ .name = "busy_poll",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_live, busy_poll_ns),
	  .min = 0,
	  .max = NS_PER_S,
	  .preset = "50us",
	  .help = "How long it goes on looking for frames after the last one, before it sleeps" },
	{ .name = "silence",
	  .kind = CONFIG_KIND_BOOLEAN,
	  FIELD(config_live, silence),
	  .preset = "true",
	  .help = "Keep the packets that are the switch's from the host's own TCP/IP, which would answer or forward "
		  "them" },
};
static const struct config_section live_section = { .title = "live", KEYS(live_keys) };

static const struct config_key root_keys[] = {
	{ .name = "vip",
	  .kind = CONFIG_KIND_ADDRESS,
	  .mandatory = true,
	  FIELD(config, vip),
	  .help = "Virtual IP and port: what clients connect to" },
	{ .name = "backends",
	  .kind = CONFIG_KIND_LIST,
	  .mandatory = true,
	  ELEMENTS(config, backends, backend_count),
	  .section = &backend_section,
	  .help = "The servers; the place in this list is the D index" },
	{ .name = "pools",
	  .kind = CONFIG_KIND_LIST,
	  .mandatory = true,
	  ELEMENTS(config, pools, pool_count),
	  .section = &pool_section,
	  .help = "Groups of servers that hold the same content" },
	{ .name = "rules",
	  .kind = CONFIG_KIND_LIST,
	  .mandatory = true,
	  ELEMENTS(config, rules, rule_count),
	  .section = &rule_section,
	  .help = "Which requests go to which pool; the first that matches wins, no match is answered with 404" },
	{ .name = "frontends",
	  .kind = CONFIG_KIND_SECTION,
	  FIELD(config, frontends),
	  .section = &frontends_section,
	  .help = "The front-end servers" },
	{ .name = "http",
	  .kind = CONFIG_KIND_SECTION,
	  FIELD(config, http),
	  .section = &http_section,
	  .help = "How requests are read" },
	{ .name = "offload",
	  .kind = CONFIG_KIND_SECTION,
	  .width = sizeof(struct config), /* its one key stands in struct config itself */
	  .section = &offload_section,
	  .help = "When the switch takes a flow over" },
	{ .name = "switch",
	  .kind = CONFIG_KIND_SECTION,
	  FIELD(config, sw),
	  .section = &switch_section,
	  .help = "The programmable switch" },
	{ .name = "agent",
	  .kind = CONFIG_KIND_SECTION,
	  FIELD(config, agent),
	  .section = &agent_section,
	  .help = "The agents on the backends" },
	{ .name = "timeouts",
	  .kind = CONFIG_KIND_SECTION,
	  FIELD(config, timeouts),
	  .section = &timeouts_section,
	  .help = "When state goes" },
	{ .name = "simulation",
	  .kind = CONFIG_KIND_SECTION,
	  FIELD(config, simulation),
	  .section = &config_simulation_section,
	  .help = "The world of `miresga sim`" },
	{ .name = "live",
	  .kind = CONFIG_KIND_SECTION,
	  FIELD(config, live),
	  .section = &live_section,
	  .help = "The network interfaces of `miresga live`" },
	{ .name = "quirks",
	  .kind = CONFIG_KIND_QUIRKS,
	  FIELD(config, quirks),
	  .help = "Behaviours of the published code to bring back, by id, or `all`" },
	{ .name = "seed",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config, seed),
	  .min = 0,
	  .max = UINT64_MAX,
	  .preset = "1",
	  .help = "Where all chance comes from: same input and same seed, same output" },
	{ .name = "secret",
	  .kind = CONFIG_KIND_SECRET,
	  FIELD(config, secret),
	  .help = "Key of the ISN cookie and of the special SYN's tag; absent: derived from `seed`" },
};
const struct config_section config_root = { .title = "a configuration", KEYS(root_keys) };

const char *config_kind_text(enum config_kind k)
{
	static const char *const text[] = {
#define X(name, t) [CONFIG_KIND_##name] = t,
		CONFIG_KINDS(X)
#undef X
	};

	return text[k];
}

const struct config_key *config_key_find(const struct config_section *section, const char *name)
{
	for (unsigned i = 0; i < section->key_count; i++)
		if (strcmp(section->keys[i].name, name) == 0)
			return &section->keys[i];
	return NULL;
}

/* As deep as the tables nest, which is no input's choice. */
static void walk(const struct config_section *section, const char *prefix, config_visit_fn *visit, void *ctx)
{
	char path[CONFIG_KEY_PATH_MAX], inner[CONFIG_KEY_PATH_MAX];

	for (unsigned i = 0; i < section->key_count; i++) {
		const struct config_key *key = &section->keys[i];
		int len = snprintf(path, sizeof(path), "%s%s", prefix, key->name);

		MUST(len > 0 && (size_t)len < sizeof(path));
		visit(ctx, path, key);
		if (!key->section)
			continue;
		len = snprintf(inner, sizeof(inner), "%s%s.", path, key->kind == CONFIG_KIND_LIST ? "[]" : "");
		MUST(len > 0 && (size_t)len < sizeof(inner));
		walk(key->section, inner, visit, ctx);
	}
}

void config_keys_walk(config_visit_fn *visit, void *ctx)
{
	walk(&config_root, "", visit, ctx);
}
