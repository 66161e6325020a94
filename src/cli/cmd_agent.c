/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_agent.c: `miresga agent attach|detach|status|dump`: the agent of this host, for whoever operates a backend
 * (docs/agent.md). What it does is agent_attach.h's; here it is told, to people and as JSON. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_cli.h"
#include "cli.h"
#include "miresga/agent_attach.h"
#include "miresga/text.h"

#define VERBS "attach|detach|status|dump"
#define INTERFACES_MAX 64

struct agent_cli_options {
	const char *config_file, *bpffs;
	int xdp, tc, connections;
};

enum xdp_choice {
	XDP_AUTO,
	XDP_GENERIC
};
enum tc_choice {
	TC_AUTO,
	TC_CLSACT
};

enum connections_choice {
	CONNECTIONS_END,
	CONNECTIONS_KEEP
};

static const struct cli_option options[] = {
	CLI_OPTION_CONFIG(struct agent_cli_options),
	{ .name = "xdp",
	  .kind = OPTION_CHOICE,
	  .at = offsetof(struct agent_cli_options, xdp),
	  .choices = "auto|generic",
	  .help = "attach: native XDP where the driver can, or generic at once" },
	{ .name = "tc",
	  .kind = OPTION_CHOICE,
	  .at = offsetof(struct agent_cli_options, tc),
	  .choices = "auto|clsact",
	  .help = "attach: TCX where the kernel has it, or a clsact filter at once" },
	{ .name = "connections",
	  .kind = OPTION_CHOICE,
	  .at = offsetof(struct agent_cli_options, connections),
	  .choices = "end|keep",
	  .help = "first attach: end connections of the ports that are there already, or keep them" },
	{ .name = "bpffs",
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct agent_cli_options, bpffs),
	  .argument = "DIR",
	  .help = "where the BPF file system is (default " AGENT_BPFFS ")" },
};

/* A call of the command. */
struct work {
	const struct cli *cli;
	const struct agent_cli_options *options;
	struct agent_host host;
	char error[AGENT_ATTACH_ERROR_MAX];
};

static const char *const ingress_names[] = {
	[AGENT_INGRESS_NONE] = "none",
	[AGENT_INGRESS_NATIVE] = "native",
	[AGENT_INGRESS_GENERIC] = "generic",
};
static const char *const egress_names[] = {
	[AGENT_EGRESS_NONE] = "none",
	[AGENT_EGRESS_TCX] = "tcx",
	[AGENT_EGRESS_CLSACT] = "clsact",
};

static const char *beside(bool dispatched)
{
	return dispatched ? ", in libxdp's dispatcher" : "";
}

static void note(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "miresga: agent: note: %s\n", text);
}

static int failure(const struct work *w)
{
	return cli_failure(w->cli, "%s", w->error);
}

static int print_json(const struct work *w, json_t *document)
{
	if (!document)
		return cli_failure(w->cli, "out of memory");
	json_dumpf(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(document);
	return EXIT_SUCCESS;
}

static int attach(struct work *w, const char *interface)
{
	struct agent_attach_options o = {
		.interface = interface,
		.generic = w->options->xdp == XDP_GENERIC,
		.clsact = w->options->tc == TC_CLSACT,
		.keep_connections = w->options->connections == CONNECTIONS_KEEP,
	};
	struct agent_attached done;
	struct config *config = NULL;
	int rc = cli_load_config(w->cli, w->options->config_file, &config);

	if (rc != EXIT_SUCCESS)
		return rc;
	o.config = config;
	if (config_read_secret(config, w->error, sizeof(w->error))) {
		rc = failure(w);
	} else {
		if (!config->has_secret)
			note(NULL, "the key of special SYNs comes from `seed`, which anybody can guess; a real "
				   "installation has agent.secret_file");
		rc = agent_attach(&w->host, &o, &done, w->error) ? failure(w) : EXIT_SUCCESS;
	}
	free(config);
	if (rc != EXIT_SUCCESS)
		return rc;
	if (w->cli->globals.json)
		return print_json(w, json_pack("{s:s, s:s, s:b, s:s, s:b, s:s, s:I}", "schema", "miresga.agent/1",
					       "interface", interface, "upgraded", done.upgraded, "xdp",
					       ingress_names[done.ingress], "dispatcher", done.dispatched, "tc",
					       egress_names[done.egress], "connections_ended", (json_int_t)done.ended));
	if (!w->cli->globals.quiet)
		printf("%s: agent %s (XDP %s%s, TC %s)\n", interface,
		       done.upgraded ? "upgraded, flows kept" : "attached", ingress_names[done.ingress],
		       beside(done.dispatched), egress_names[done.egress]);
	return EXIT_SUCCESS;
}

static int detach(struct work *w, const char *interface)
{
	if (agent_detach(&w->host, interface, w->error))
		return failure(w);
	if (w->cli->globals.json)
		return print_json(w, json_pack("{s:s, s:s}", "schema", "miresga.agent/1", "interface", interface));
	if (!w->cli->globals.quiet)
		printf("%s: agent detached\n", interface);
	return EXIT_SUCCESS;
}

const struct agent_counter agent_counters[] = {
#define STAT(member, text, help) \
	{ \
#member, text, help, offsetof(struct agent_status, stats.member) \
	}
	STAT(ingress_packets, "packets in", "All that came in by the interface."),
	STAT(egress_packets, "packets out", "All that went out by it."),
	STAT(translated_in, "  translated in", "Of announced flows: numbers shifted."),
	STAT(translated_out, "  translated out", "The same on the way out."),
	STAT(special_syns, "announced flows", "Special SYNs with a right tag, repetitions included."),
	STAT(renewed, "  that renewed a pair", "Of these, those whose pair of addresses and ports had a flow before."),
	STAT(bad_tags, "SYNs with a wrong tag",
	     "They pass as they are. Many: the secret of front-ends and agent differ, or somebody guesses."),
	STAT(refused_full, "refused SYNs (map full)",
	     "Answered with a RST, and the front-end's flow fails: `agent.entries` is too small."),
	{ "refused_failed", "refused SYNs (kernel)",
	  "There was room, but the kernel did not make the pair. It should stay at 0.",
	  offsetof(struct agent_status, refused_failed) },
	{ "gave_way", "  ended pairs removed for new ones",
	  "The map was full, but ended pairs could go early: no harm yet, `agent.entries` is near its end.",
	  offsetof(struct agent_status, gave_way) },
	STAT(removed_fin, "ended by FIN", "Both FINs were acknowledged."),
	STAT(removed_rst, "ended by RST", "By one that its receiver accepts."),
	STAT(removed_idle, "removed when idle", "Silent for `timeouts.established`."),
	STAT(challenge_acks, "challenge ACKs of the server",
	     "Bare ACKs that answer a RST or an acknowledgement that does not fit (RFC 5961), or that come where a "
	     "SYN-ACK was due. A few are normal when ports are used again; many tell of a wrong translation."),
#undef STAT
};
const size_t agent_counter_count = ARRAY_LEN(agent_counters);

static uint64_t counter_of(const struct agent_status *s, const struct agent_counter *c)
{
	uint64_t value;

	memcpy(&value, (const char *)s + c->at, sizeof(value));
	return value;
}

static void print_program(const char *what, const struct agent_program *p, bool dispatched)
{
	char per[TEXT_NUMBER_MAX], runs[TEXT_NUMBER_MAX];

	if (p->runs)
		printf("  %-34s%s, over %s packets\n", what, text_duration(p->run_ns / p->runs, per),
		       text_count(p->runs, runs));
	else
		printf("  %-34snot counted (%s)\n", what,
		       dispatched ? "the kernel counts the dispatcher as a whole"
				  : "sysctl kernel.bpf_stats_enabled=1");
}

static void print_status(const struct work *w, const struct agent_status *s)
{
	char n[TEXT_NUMBER_MAX], max[TEXT_NUMBER_MAX], share[TEXT_NUMBER_MAX];

	if (s->gone) {
		printf("%s: the interface that the agent was attached to has gone; 'miresga agent detach %s' removes "
		       "what is left\n",
		       s->interface, s->interface);
		return;
	}
	printf("%s: XDP %s%s, TC %s, port%s", s->interface, ingress_names[s->ingress], beside(s->dispatched),
	       egress_names[s->egress], s->port_count == 1 ? "" : "s");
	for (unsigned i = 0; i < s->port_count; i++)
		printf("%s %u", i ? "," : "", s->ports[i]);
	printf("\n  %-34s%s of %s (%s), %u of them ended\n", "pairs", text_count(s->stats.entries, n),
	       text_count(s->entries_max, max), text_share(s->stats.entries, s->entries_max, share), s->ended);
	if (w->cli->globals.quiet)
		return;
	for (size_t i = 0; i < ARRAY_LEN(agent_counters); i++) {
		uint64_t value = counter_of(s, &agent_counters[i]);

		if (value || w->cli->globals.verbose)
			printf("  %-34s%s\n", agent_counters[i].text, text_count(value, n));
	}
	print_program("time per packet in", &s->programs[0], s->dispatched);
	print_program("time per packet out", &s->programs[1], false);
}

static json_t *program_json(const struct agent_program *p)
{
	return json_pack("{s:I, s:I, s:I}", "id", (json_int_t)p->id, "run_ns", (json_int_t)p->run_ns, "runs",
			 (json_int_t)p->runs);
}

static json_t *status_json(const struct agent_status *s)
{
	json_t *ports = json_array(), *books = json_object();

	for (unsigned i = 0; i < s->port_count; i++)
		json_array_append_new(ports, json_integer(s->ports[i]));
	for (size_t i = 0; i < ARRAY_LEN(agent_counters); i++)
		json_object_set_new(books, agent_counters[i].key,
				    json_integer((json_int_t)counter_of(s, &agent_counters[i])));
	return json_pack("{s:s, s:b, s:s, s:b, s:s, s:o, s:I, s:I, s:I, s:o, s:o, s:o}", "interface", s->interface,
			 "gone", s->gone, "xdp", ingress_names[s->ingress], "dispatcher", s->dispatched, "tc",
			 egress_names[s->egress], "ports", ports, "entries", (json_int_t)s->stats.entries, "ended",
			 (json_int_t)s->ended, "entries_max", (json_int_t)s->entries_max, "counters", books,
			 "ingress_program", program_json(&s->programs[0]), "egress_program",
			 program_json(&s->programs[1]));
}

/* Of one interface, or of all that have an agent. */
static int status(struct work *w, const char *interface)
{
	char names[INTERFACES_MAX][AGENT_INTERFACE_MAX];
	int count = interface ? 1 : agent_interfaces(&w->host, names, INTERFACES_MAX, w->error);
	json_t *list = w->cli->globals.json ? json_array() : NULL;
	struct agent_status s;
	int rc = count < 0 ? failure(w) : EXIT_SUCCESS;

	for (int i = 0; i < count && rc == EXIT_SUCCESS; i++) {
		if (agent_status_read(&w->host, interface ? interface : names[i], &s, w->error))
			rc = failure(w);
		else if (list)
			json_array_append_new(list, status_json(&s));
		else
			print_status(w, &s);
	}
	if (rc != EXIT_SUCCESS)
		json_decref(list);
	else if (list)
		rc = print_json(w, json_pack("{s:s, s:o}", "schema", "miresga.agent/1", "interfaces", list));
	else if (count == 0)
		printf("No interface has an agent.\n");
	return rc;
}

struct flows {
	json_t *list; /* NULL: print */
	unsigned count;
};

static const char *wscale_text(int wscale, char buf[8])
{
	snprintf(buf, 8, wscale < 0 ? "-" : "%d", wscale);
	return buf;
}

static void flow_take(void *ctx, const struct agent_flow *f)
{
	char client[ENDPOINT_TEXT_MAX], local[ENDPOINT_TEXT_MAX], idle[TEXT_NUMBER_MAX], theirs[8], ours[8];
	struct flows *flows = ctx;

	endpoint_format(f->client, client);
	endpoint_format(f->local, local);
	if (flows->list) {
		json_array_append_new(flows->list,
				      json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:I, s:i, s:i, s:I}", "client", client,
						"local", local, "state", f->state, "shown", (json_int_t)f->shown,
						"delta", (json_int_t)f->delta, "timestamps", f->has_timestamps,
						"timestamp_offset", (json_int_t)f->ts_offset, "client_wscale",
						f->client_wscale, "server_wscale", f->server_wscale, "idle_ns",
						(json_int_t)f->idle_ns));
		return;
	}
	if (flows->count++ == 0)
		printf("%-21s  %-21s  %-9s  %10s  %10s  %6s  %s\n", "client", "local", "state", "L", "delta", "wscale",
		       "idle");
	printf("%-21s  %-21s  %-9s  %10u  %10u  %3s/%-2s  %s\n", client, local, f->state, f->shown, f->delta,
	       wscale_text(f->client_wscale, theirs), wscale_text(f->server_wscale, ours),
	       text_duration(f->idle_ns, idle));
}

/* Of one interface, or of the only one that has an agent. */
static int dump(struct work *w, const char *interface)
{
	struct flows flows = { .list = w->cli->globals.json ? json_array() : NULL };
	char names[2][AGENT_INTERFACE_MAX];
	int count = interface ? 1 : agent_interfaces(&w->host, names, 2, w->error), rc;

	if (count < 0 ||
	    (count == 1 && agent_dump(&w->host, interface ? interface : names[0], flow_take, &flows, w->error))) {
		rc = failure(w);
	} else if (count != 1) {
		rc = cli_usage_error(w->cli, "%s; name one, as in\n  miresga agent dump eth0",
				     count ? "several interfaces have an agent" : "no interface has an agent");
	} else if (flows.list) {
		return print_json(w, json_pack("{s:s, s:s, s:o}", "schema", "miresga.agent/1", "interface",
					       interface ? interface : names[0], "pairs", flows.list));
	} else {
		if (flows.count == 0 && !w->cli->globals.quiet)
			printf("No pairs.\n");
		return EXIT_SUCCESS;
	}
	json_decref(flows.list);
	return rc;
}

static const struct verb {
	int (*run)(struct work *w, const char *interface);
	bool needs_interface;
} verbs[] = { { attach, true }, { detach, true }, { status, false }, { dump, false } };

static int run(const struct cli *cli, const void *opaque)
{
	const struct agent_cli_options *o = opaque;
	struct work w = {
		.cli = cli,
		.options = o,
		.host = { .bpffs = o->bpffs ? o->bpffs : AGENT_BPFFS, .note = cli->globals.quiet ? NULL : note },
	};
	int verb;

	if (cli->operand_count == 0)
		return cli_usage_error(cli, "what is to be done? %s, as in\n  miresga agent status", VERBS);
	verb = cli_choice(VERBS, cli->operands[0]);
	if (verb < 0)
		return cli_unknown(cli, "action", cli->operands[0], VERBS);
	if (cli->operand_count > 2)
		return cli_usage_error(cli, "unexpected operand '%s'", cli->operands[2]);
	if (verbs[verb].needs_interface && cli->operand_count < 2)
		return cli_usage_error(cli, "%s: no interface given, as in\n  miresga agent %s eth0%s",
				       cli->operands[0], cli->operands[0],
				       verbs[verb].run == attach ? " -f miresga.yaml" : "");
	return verbs[verb].run(&w, cli->operand_count > 1 ? cli->operands[1] : NULL);
}

const struct command cli_agent = {
	.name = "agent",
	.summary = "the agent of this host: attach, detach, watch",
	.usage = VERBS " [OPTIONS] [IFACE]",
	.about =
		"Puts the agent on a network interface of a backend: XDP on ingress, TC on egress. It acts only on\n"
		"flows that a front-end announced, and needs no process: a kernel timer keeps its map clean. A second\n"
		"attach upgrades it with flows alive; detach ends its connections and removes what attach made.\n"
		"status tells its hooks and counters, dump its pairs. docs/agent.md says how to operate it.",
	.examples = "miresga agent attach eth0 -f /etc/miresga.yaml\n"
		    "miresga agent status\n"
		    "miresga agent dump eth0\n"
		    "miresga agent detach eth0",
	.operands = VERBS,
	.options = options,
	.option_count = ARRAY_LEN(options),
	.options_size = sizeof(struct agent_cli_options),
	.run = run,
};
