/* SPDX-License-Identifier: BSD-2-Clause */
/* keys_simulation.c: the tables of the keys below `simulation`: links, cores, faults, workloads.
 * A key that has no effect unless another one says so names it: the loader refuses it where it has
 * none, and a configuration is printed without it. What else holds between keys is simulation.c's. */
#include "keys.h"
#include "miresga/tcp.h"

#define LINK(member, text) \
	{ \
		.name = #member, .kind = CONFIG_KIND_SECTION, FIELD(config_simulation, member##_link), \
		.section = &link_section, .help = text \
	}
#define CPU(member, text) \
	{ \
		.name = #member, .kind = CONFIG_KIND_SECTION, FIELD(config_simulation, member##_cpu), \
		.section = &member##_cpu_section, .help = text \
	}
/* A section of the file whose keys stand in the struct of the section around it. */
#define WITHIN(type) .width = sizeof(struct type)

static const char *const arrival_choices[] = { [ARRIVAL_CLOSED] = "closed", [ARRIVAL_POISSON] = "poisson", NULL };
static const char *const sizes_choices[] = {
	[SIZES_FIXED] = "fixed", [SIZES_TABLE] = "table", [SIZES_LOGNORMAL] = "lognormal", [SIZES_FILE] = "file", NULL
};
static const char *const fault_choices[] = {
#define X(name, key, text) [SIM_FAULT_##name] = key,
	SIM_FAULTS(X)
#undef X
		NULL
};

/* --- what has no effect alone ----------------------------------------------------------------- */

/* name(): whether the struct of that type lets a key have its effect. */
#define NEED(name, type, condition) \
	static bool name(const void *base) \
	{ \
		const struct type *c = base; \
\
		return condition; \
	}
#define NEEDS(...) \
	.needs = (const struct config_need[]) \
	{ \
		__VA_ARGS__, \
		{ \
			.text = NULL \
		} \
	}

NEED(has_rate, config_link, c->rate > 0)
NEED(reorders, config_link, c->reorder > 0)
NEED(has_reorder_by, config_link, c->reorder_ns > 0)
NEED(has_spikes, config_link, c->spike > 0)
NEED(has_spike_for, config_link, c->spike_ns > 0)
/* The switch's own stand first. */
NEED(concerns_one, config_fault, c->what >= SIM_FAULT_FRONTEND_KILL)
NEED(lasts, config_fault, c->what != SIM_FAULT_AGENT_RESTART)
NEED(has_factor, config_fault,
     c->what == SIM_FAULT_CONTROL_SLOW || c->what == SIM_FAULT_BACKEND_SLOW || c->what == SIM_FAULT_RING_FULL)
NEED(is_poisson, config_workload, c->arrival == ARRIVAL_POISSON)
NEED(has_size, config_workload, c->sizes == SIZES_FIXED || c->sizes == SIZES_LOGNORMAL)
NEED(is_lognormal, config_workload, c->sizes == SIZES_LOGNORMAL)
NEED(is_table, config_workload, c->sizes == SIZES_TABLE)
NEED(is_file, config_workload, c->sizes == SIZES_FILE)
NEED(not_all_chunked, config_workload, c->chunked < CHANCE_ALWAYS)
NEED(not_all_reset, config_workload, c->server_reset < CHANCE_ALWAYS)
NEED(not_all_until_close, config_workload, !workload_all_until_close(c))
NEED(has_uploads, config_workload, c->upload_chance > 0)
NEED(has_more_requests, config_workload, c->requests > 1)
NEED(has_waiting_requests, config_workload, c->requests > c->pipeline)
NEED(has_slow, config_workload, c->slow_reader > 0)

/* --- the keys --------------------------------------------------------------------------------- */

static const struct config_key link_keys[] = {
	{ .name = "rate",
	  .kind = CONFIG_KIND_BIT_RATE,
	  FIELD(config_link, rate),
	  .min = 1000,
	  .max = 1000 * UINT64_C(1000000000),
	  .help = "Bits per second; absent: no limit" },
	{ .name = "delay",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_link, delay_ns),
	  .min = 0,
	  .max = 60 * NS_PER_S,
	  .preset = "0ns",
	  .help = "Propagation, one way" },
	{ .name = "queue",
	  .kind = CONFIG_KIND_SIZE,
	  FIELD(config_link, queue),
	  .min = FRAME_MAX,
	  .max = UINT64_C(1) << 40,
	  .preset = "1MiB",
	  NEEDS({ has_rate, "a `rate`" }),
	  .help = "Bytes that may wait for a line with a `rate`; what comes then is dropped" },
	{ .name = "loss",
	  .kind = CONFIG_KIND_CHANCE,
	  FIELD(config_link, loss),
	  .min = 0,
	  .max = CHANCE_ALWAYS,
	  .preset = "0",
	  .help = "Packets that are lost" },
	{ .name = "duplicate",
	  .kind = CONFIG_KIND_CHANCE,
	  FIELD(config_link, duplicate),
	  .min = 0,
	  .max = CHANCE_ALWAYS,
	  .preset = "0",
	  .help = "Packets that arrive twice" },
	{ .name = "reorder",
	  .kind = CONFIG_KIND_CHANCE,
	  FIELD(config_link, reorder),
	  .min = 0,
	  .max = CHANCE_ALWAYS,
	  .preset = "0",
	  NEEDS({ has_reorder_by, "a `reorder_by` above 0" }),
	  .help = "Packets that arrive later, by up to `reorder_by`, so that others overtake them" },
	{ .name = "reorder_by",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_link, reorder_ns),
	  .min = 0,
	  .max = 60 * NS_PER_S,
	  .preset = "1ms",
	  NEEDS({ reorders, "`reorder`" }),
	  .help = "How much later at most" },
	{ .name = "spike",
	  .kind = CONFIG_KIND_CHANCE,
	  FIELD(config_link, spike),
	  .min = 0,
	  .max = CHANCE_ALWAYS,
	  .preset = "0",
	  NEEDS({ has_spike_for, "a `spike_for` above 0" }),
	  .help = "Packets at which the line stands still for `spike_for`" },
	{ .name = "spike_for",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_link, spike_ns),
	  .min = 0,
	  .max = 60 * NS_PER_S,
	  .preset = "10ms",
	  NEEDS({ has_spikes, "`spike`" }),
	  .help = "How long it does" },
	{ .name = "corrupt",
	  .kind = CONFIG_KIND_CHANCE,
	  FIELD(config_link, corrupt),
	  .min = 0,
	  .max = CHANCE_ALWAYS,
	  .preset = "0",
	  .help = "Packets of which one bit is flipped" },
};
static const struct config_section link_section = { .title = "a link", KEYS(link_keys) };

#define CORE_PACKET \
	{ \
		.name = "packet", .kind = CONFIG_KIND_DURATION, FIELD(config_cpu, packet_ns), .min = 0, \
		.max = NS_PER_S, .preset = "0ns", .help = "Service time of every packet" \
	}
#define CORE_KIB \
	{ \
		.name = "kib", .kind = CONFIG_KIND_DURATION, FIELD(config_cpu, kib_ns), .min = 0, .max = NS_PER_S, \
		.preset = "0ns", .help = "In addition for every KiB of it, in proportion" \
	}
#define CORE_QUEUE \
	{ \
		.name = "queue", .kind = CONFIG_KIND_INTEGER, FIELD(config_cpu, queue), .min = 1, .max = MI, \
		.preset = "4096", .help = "Packets that may wait for a busy core; what comes then is dropped" \
	}

/* A front-end sees packets. */
static const struct config_key frontend_cpu_keys[] = { CORE_PACKET, CORE_KIB, CORE_QUEUE };
static const struct config_section frontend_cpu_section = { .title = "a front-end's core", KEYS(frontend_cpu_keys) };

static const struct config_key server_cpu_keys[] = {
	CORE_PACKET,
	CORE_KIB,
	{ .name = "request",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_cpu, request_ns),
	  .min = 0,
	  .max = 60 * NS_PER_S,
	  .preset = "0ns",
	  .help = "In addition for every request" },
	CORE_QUEUE,
};
static const struct config_section server_cpu_section = { .title = "a server's core", KEYS(server_cpu_keys) };

static const struct config_key fault_keys[] = {
	{ .name = "what",
	  .kind = CONFIG_KIND_CHOICE,
	  .mandatory = true,
	  FIELD(config_fault, what),
	  .choices = fault_choices,
	  .help = "What goes wrong; `docs/simulation.md` explains each" },
	{ .name = "index",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_fault, index),
	  .min = 0,
	  .max = BACKENDS_MAX - 1,
	  .preset = "0",
	  NEEDS({ concerns_one, "a fault of a front-end or a backend" }),
	  .help = "Which front-end or backend, from 0, where it concerns one" },
	{ .name = "at",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_fault, at_ns),
	  .min = 0,
	  .max = 168 * HOUR,
	  .preset = "0ns",
	  .help = "When, from the start of the run" },
	{ .name = "for",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_fault, for_ns),
	  .min = 0,
	  .max = 168 * HOUR,
	  .preset = "0ns",
	  NEEDS({ lasts, "a fault that lasts; agent_restart happens at once" }),
	  .help = "How long; 0: to the end of the run" },
	{ .name = "factor",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_fault, factor),
	  .min = 1,
	  .max = 1000000,
	  .preset = "10",
	  NEEDS({ has_factor, "`what: control_slow`, `backend_slow` or `ring_full`" }),
	  .help = "How much slower, or how many packets the rings hold" },
};
static const struct config_section fault_section = { .title = "a fault", KEYS(fault_keys) };

static const struct config_key size_keys[] = {
	{ .name = "size",
	  .kind = CONFIG_KIND_SIZE,
	  .mandatory = true,
	  FIELD(config_size, bytes),
	  .min = 0,
	  .max = BODY_MAX,
	  .help = "Bytes of the body" },
	{ .name = "share",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_size, share),
	  .min = 1,
	  .max = 1000000,
	  .preset = "1",
	  .help = "How many of the sum of all shares are that large" },
};
static const struct config_section size_section = { .title = "a size", KEYS(size_keys) };

static const struct config_key response_keys[] = {
	{ .name = "sizes",
	  .kind = CONFIG_KIND_CHOICE,
	  FIELD(config_workload, sizes),
	  .preset = "fixed",
	  .choices = sizes_choices,
	  .help = "How the sizes of bodies are distributed" },
	{ .name = "size",
	  .kind = CONFIG_KIND_SIZE,
	  FIELD(config_workload, size),
	  .min = 0,
	  .max = BODY_MAX,
	  .preset = "16KiB",
	  NEEDS({ has_size, "`sizes: fixed` or `lognormal`" }),
	  .help = "`fixed`: the size; `lognormal`: the median" },
	{ .name = "sigma",
	  .kind = CONFIG_KIND_DECIMAL,
	  FIELD(config_workload, sigma_thousandths),
	  .min = 0,
	  .max = 4000,
	  .preset = "1",
	  NEEDS({ is_lognormal, "`sizes: lognormal`" }),
	  .help = "`lognormal`: standard deviation of the logarithm" },
	{ .name = "table",
	  .kind = CONFIG_KIND_LIST,
	  ELEMENTS(config_workload, table, size_count),
	  .section = &size_section,
	  NEEDS({ is_table, "`sizes: table`" }),
	  .help = "`table`: sizes and their shares" },
	{ .name = "file",
	  .kind = CONFIG_KIND_FILE,
	  FIELD(config_workload, size_file),
	  NEEDS({ is_file, "`sizes: file`" }),
	  .help = "`file`: a text file with a number of bytes on every line; drawn with equal chance" },
	{ .name = "chunked",
	  .kind = CONFIG_KIND_CHANCE,
	  FIELD(config_workload, chunked),
	  .min = 0,
	  .max = CHANCE_ALWAYS,
	  .preset = "0",
	  .help = "Responses in chunks, without a Content-Length" },
	{ .name = "until_close",
	  .kind = CONFIG_KIND_CHANCE,
	  FIELD(config_workload, until_close),
	  .min = 0,
	  .max = CHANCE_ALWAYS,
	  .preset = "0",
	  NEEDS({ not_all_chunked, "a `chunked` below 100%" }),
	  .help = "Responses that end with the connection" },
	{ .name = "reset",
	  .kind = CONFIG_KIND_CHANCE,
	  FIELD(config_workload, server_reset),
	  .min = 0,
	  .max = CHANCE_ALWAYS,
	  .preset = "0",
	  .help = "Responses that the server breaks off by a RST" },
	{ .name = "delay",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_workload, delay_ns),
	  .min = 0,
	  .max = HOUR,
	  .preset = "0ns",
	  .help = "How long the server waits before it answers, beside its core" },
};
static const struct config_section response_section = { .title = "responses", KEYS(response_keys) };

static const struct config_key upload_keys[] = {
	{ .name = "size",
	  .kind = CONFIG_KIND_SIZE,
	  FIELD(config_workload, upload),
	  .min = 0,
	  .max = BODY_MAX,
	  .preset = "0B",
	  NEEDS({ has_uploads, "a `chance` above 0" }),
	  .help = "Bytes of the body of a request that has one: POST instead of GET" },
	{ .name = "chance",
	  .kind = CONFIG_KIND_CHANCE,
	  FIELD(config_workload, upload_chance),
	  .min = 0,
	  .max = CHANCE_ALWAYS,
	  .preset = "0",
	  .help = "Requests that have one" },
	{ .name = "early",
	  .kind = CONFIG_KIND_CHANCE,
	  FIELD(config_workload, early),
	  .min = 0,
	  .max = CHANCE_ALWAYS,
	  .preset = "0",
	  NEEDS({ has_uploads, "a `chance` above 0" }, { not_all_reset, "a `reset` of responses below 100%" },
		{ not_all_until_close, "an `until_close` of responses below 100%" }),
	  .help = "Uploads that are answered before they have arrived" },
};
static const struct config_section upload_section = { .title = "uploads", KEYS(upload_keys) };

static const struct config_key client_keys[] = {
	{ .name = "think",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_workload, think_ns),
	  .min = 0,
	  .max = HOUR,
	  .preset = "0ns",
	  NEEDS({ has_waiting_requests, "`requests` above `pipeline`" },
		{ not_all_until_close, "an `until_close` of responses below 100%" }),
	  .help = "From a response to the next request" },
	{ .name = "timeout",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_workload, timeout_ns),
	  .min = NS_PER_MS,
	  .max = 24 * HOUR,
	  .preset = "5min",
	  .help = "Without a byte of a response that is due for so long, a client gives up" },
	{ .name = "abort",
	  .kind = CONFIG_KIND_CHANCE,
	  FIELD(config_workload, abort),
	  .min = 0,
	  .max = CHANCE_ALWAYS,
	  .preset = "0",
	  .help = "Connections that the client resets in the middle of a response" },
	{ .name = "half_close",
	  .kind = CONFIG_KIND_CHANCE,
	  FIELD(config_workload, half_close),
	  .min = 0,
	  .max = CHANCE_ALWAYS,
	  .preset = "0",
	  .help = "Connections of which the client closes its half after the last request" },
	{ .name = "plain",
	  .kind = CONFIG_KIND_CHANCE,
	  FIELD(config_workload, plain),
	  .min = 0,
	  .max = CHANCE_ALWAYS,
	  .preset = "0",
	  .help = "Clients whose TCP knows neither window scale nor SACK nor timestamps" },
	{ .name = "slow",
	  .kind = CONFIG_KIND_CHANCE,
	  FIELD(config_workload, slow_reader),
	  .min = 0,
	  .max = CHANCE_ALWAYS,
	  .preset = "0",
	  .help = "Clients that read at `read_rate`" },
	{ .name = "read_rate",
	  .kind = CONFIG_KIND_BIT_RATE,
	  FIELD(config_workload, read_rate),
	  .min = 8000,
	  .max = UINT64_C(1000000000000),
	  .preset = "1Mbit/s",
	  NEEDS({ has_slow, "`slow`" }),
	  .help = "How fast these read" },
};
static const struct config_section client_section = { .title = "clients", KEYS(client_keys) };

static const struct config_key workload_keys[] = {
	{ .name = "name",
	  .kind = CONFIG_KIND_NAME,
	  .mandatory = true,
	  FIELD(config_workload, name),
	  .help = "What reports call it; unique" },
	{ .name = "arrival",
	  .kind = CONFIG_KIND_CHOICE,
	  FIELD(config_workload, arrival),
	  .preset = "closed",
	  .choices = arrival_choices,
	  .help = "`closed`: a number of connections, each followed by the next; `poisson`: connections at a mean "
		  "rate, whatever becomes of them" },
	{ .name = "connections",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_workload, connections),
	  .min = 1,
	  .max = 1000000,
	  .preset = "10",
	  .help = "How many at once; `poisson`: at most, further ones are missed" },
	{ .name = "rate",
	  .kind = CONFIG_KIND_RATE,
	  FIELD(config_workload, rate),
	  .min = 1,
	  .max = 10000000,
	  NEEDS({ is_poisson, "`arrival: poisson`" }),
	  .help = "`poisson`: new connections; it must be given there" },
	{ .name = "requests",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_workload, requests),
	  .min = 1,
	  .max = 1000000,
	  .preset = "1",
	  .help = "On each connection" },
	{ .name = "pipeline",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_workload, pipeline),
	  .min = 1,
	  .max = 64,
	  .preset = "1",
	  NEEDS({ has_more_requests, "`requests` above 1" }),
	  .help = "Requests that may be sent before the first of them is answered" },
	{ .name = "hosts",
	  .kind = CONFIG_KIND_HOSTS,
	  ELEMENTS(config_workload, hosts, host_count),
	  .help = "A request draws one; absent: `localhost`" },
	{ .name = "path",
	  .kind = CONFIG_KIND_PATH,
	  FIELD(config_workload, path),
	  .preset = "/",
	  .help = "Path of the requests; their query says what is asked for" },
	{ .name = "responses",
	  .kind = CONFIG_KIND_SECTION,
	  WITHIN(config_workload),
	  .section = &response_section,
	  .help = "What is asked for" },
	{ .name = "uploads",
	  .kind = CONFIG_KIND_SECTION,
	  WITHIN(config_workload),
	  .section = &upload_section,
	  .help = "What requests bring along" },
	{ .name = "clients",
	  .kind = CONFIG_KIND_SECTION,
	  WITHIN(config_workload),
	  .section = &client_section,
	  .help = "How the clients behave" },
};
static const struct config_section workload_section = { .title = "a workload", KEYS(workload_keys) };

static const struct config_key links_keys[] = {
	LINK(client, "Between the clients and the switch"),
	LINK(frontend, "Between the switch and each front-end"),
	LINK(backend, "Between the switch and each backend"),
};
static const struct config_section links_section = { .title = "links", KEYS(links_keys) };

static const struct config_key cores_keys[] = {
	CPU(frontend, "The core of each front-end"),
	CPU(server, "The core of each backend's host"),
};
static const struct config_section cores_section = { .title = "cores", KEYS(cores_keys) };

static const struct config_key simulation_keys[] = {
	{ .name = "duration",
	  .kind = CONFIG_KIND_DURATION,
	  FIELD(config_simulation, duration_ns),
	  .min = NS_PER_US,
	  .max = 168 * HOUR,
	  .preset = "10s",
	  .help = "For so long the clients ask; what has begun by then may end" },
	{ .name = "clients",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_simulation, client_hosts),
	  .min = 1,
	  .max = 65536,
	  .preset = "16",
	  .help = "Addresses that the clients have, from 100.64.0.1 on" },
	{ .name = "ports",
	  .kind = CONFIG_KIND_INTEGER,
	  FIELD(config_simulation, client_ports),
	  .min = 1,
	  .max = TCP_PORTS_MAX,
	  .preset = "28232",
	  .help = "Ports that each of them uses, one after the other" },
	{ .name = "links",
	  .kind = CONFIG_KIND_SECTION,
	  WITHIN(config_simulation),
	  .section = &links_section,
	  .help = "The links; each direction by itself" },
	{ .name = "cores",
	  .kind = CONFIG_KIND_SECTION,
	  WITHIN(config_simulation),
	  .section = &cores_section,
	  .help = "How long work takes; one core each" },
	{ .name = "faults",
	  .kind = CONFIG_KIND_LIST,
	  ELEMENTS(config_simulation, faults, fault_count),
	  .section = &fault_section,
	  .help = "What goes wrong in the system itself" },
	{ .name = "workloads",
	  .kind = CONFIG_KIND_LIST,
	  ELEMENTS(config_simulation, workloads, workload_count),
	  .section = &workload_section,
	  .help = "The clients, and what they ask for; `miresga sim` needs one kind at least" },
};
const struct config_section config_simulation_section = { .title = "simulation", KEYS(simulation_keys) };
