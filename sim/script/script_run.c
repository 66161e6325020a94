/* SPDX-License-Identifier: BSD-2-Clause */
/* script_run.c: a script's events over a world of its own, in virtual time.
 *
 * Everything that comes out of the pipeline, or passes between its parts, is seen through the
 * world's tap and kept in one list, in order. Expectations take from it: at watched ports (the
 * clients, the stacks, and every port that the script expects something at) the first packet that
 * nobody has taken must be the expected one; at others (`ignore`) the first that fits.
 *
 * A packet that is still there when time moves on, or at the end, was unexpected. Time never
 * moves further than the event at hand needs. A script ends at its first failure, when its bounds
 * are reached, or after its last event. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/pcapng.h"
#include "script_internal.h"

_Static_assert(sizeof(((struct script_result *)0)->steering) == sizeof(((struct switch_stats *)0)->steering_hits),
	       "a counter a row");

/* Captures of a run begin here; scripts count from 0. */
#define ORIGIN_NS (UINT64_C(1700000000) * NS_PER_S)

struct seen {
	uint64_t now_ns;
	struct script_port port;
	bool watched, taken;
	uint8_t *frame;
	struct script_view view;
};

struct run {
	struct script *script;
	struct world *world;
	struct script_values values;
	struct script_result *result;
	FILE *message, *detail;
	struct pcapng_writer *pcapng;
	struct seen *seen;
	size_t seen_count, seen_room, first; /* first: everything before it is taken */
	uint64_t base_ns;		     /* the time of the last event */
	unsigned event;			     /* number of the event at hand, from 1 */
	bool failed, short_of_memory;
	/* The last drop: it often is why a packet does not come. */
	uint64_t drop_ns;
	struct script_port drop_port;
	uint8_t drop;
};

static double seconds(uint64_t ns)
{
	return (double)(ns - ORIGIN_NS) / 1e9;
}

static void fail_begin(struct run *r, unsigned line)
{
	r->failed = true;
	r->result->verdict = SCRIPT_FAILED;
	r->result->line = line;
}

static void print_expected(struct run *r, const struct script_event *e)
{
	fprintf(r->detail, "    expected  %.*s\n", e->source_len, e->source);
}

static void print_got(struct run *r, const struct seen *s)
{
	fputs("    got       ", r->detail);
	script_print_port(r->detail, s->port);
	fputc(' ', r->detail);
	script_print_view(r->detail, &r->values, &s->view);
	fprintf(r->detail, "\n    at        %.6f\n", seconds(s->now_ns));
}

static void print_drop(struct run *r, uint64_t since_ns)
{
	if (r->drop == DROP_NONE || r->drop_ns < since_ns)
		return;
	fputs("    dropped   ", r->detail);
	script_print_port(r->detail, r->drop_port);
	fprintf(r->detail, " %s: %s\n", drop_key(r->drop), drop_text(r->drop));
}

/* What the tap calls towards_server, as a script sees it: out of the pipeline, or into it. */
static bool is_out(enum tap_kind kind, bool towards_server)
{
	return kind == TAP_CLIENT ? !towards_server : towards_server;
}

static unsigned pcapng_interface(const struct run *r, enum tap_kind kind, unsigned index)
{
	if (kind == TAP_CLIENT)
		return 0;
	if (kind == TAP_FRONTEND)
		return 1 + index;
	return 1u + r->script->config->frontends.count + 2 * index + (kind == TAP_STACK);
}

static void capture(struct run *r, const struct seen *s, const struct packet *p, uint32_t len)
{
	char comment[512]; /* PACKET_TRANSITIONS of the longest names fit */
	int n = 0;

	if (p->host_tag)
		n = snprintf(comment, sizeof(comment), "line %u", p->host_tag);
	else
		n = snprintf(comment, sizeof(comment), "made here");
	for (unsigned i = 0; i < p->note.transitions; i++)
		n += snprintf(comment + n, sizeof(comment) - (size_t)n, "; %s x %s -> %s",
			      fsm_state_name(p->note.transition[i].state), fsm_event_name(p->note.transition[i].event),
			      fsm_state_name(p->note.transition[i].next));
	if (p->fate == FATE_DROP)
		snprintf(comment + n, sizeof(comment) - (size_t)n, "; dropped: %s", drop_key(p->drop));
	pcapng_write(r->pcapng, pcapng_interface(r, s->port.tap, s->port.index), s->now_ns, s->frame, len, comment);
}

static struct seen *seen_add(struct run *r, const uint8_t *frame, uint32_t len)
{
	struct seen *s;

	if (r->seen_count == r->seen_room) {
		size_t room = r->seen_room ? 2 * r->seen_room : 256;
		struct seen *grown = realloc(r->seen, room * sizeof(*grown));

		if (!grown)
			return NULL;
		r->seen = grown;
		r->seen_room = room;
	}
	s = &r->seen[r->seen_count];
	*s = (struct seen){ .frame = malloc(MAX(len, 1)) };
	if (!s->frame)
		return NULL;
	memcpy(s->frame, frame, len);
	script_view_read(&s->view, s->frame, len);
	r->seen_count++;
	return s;
}

static void on_tap(void *ctx, enum tap_kind kind, unsigned index, bool towards_server, const uint8_t *frame,
		   uint32_t len, const struct packet *p, uint64_t now_ns)
{
	struct run *r = ctx;
	struct seen *s = seen_add(r, frame, len);
	unsigned since;
	bool out = is_out(kind, towards_server), own = !out && (kind == TAP_CLIENT || kind == TAP_STACK);
	bool lost = drop_on_the_way(p->drop); /* it never got there */

	if (!s) {
		r->short_of_memory = true;
		return;
	}
	r->result->packets++;
	s->now_ns = now_ns;
	s->port = (struct script_port){ .tap = (uint8_t)kind, .out = out, .index = (uint16_t)index };
	since = r->script->watched_since[kind][index][out];
	s->watched = since && r->event >= since && !r->script->ignored[kind][index][out] && !lost;
	s->taken = own || lost;
	if (r->pcapng)
		capture(r, s, p, len);
	if (p->fate == FATE_DROP) {
		r->drop = p->drop;
		r->drop_ns = now_ns;
		r->drop_port = s->port;
	}
}

static bool on_stop(void *ctx)
{
	const struct run *r = ctx;

	return r->short_of_memory || r->result->packets >= r->script->bound_packets;
}

/* False, and told, if the world had to stop. */
static bool run_to(struct run *r, uint64_t until_ns, const struct script_event *e)
{
	world_run(r->world, until_ns);
	if (!on_stop(r))
		return true;
	fail_begin(r, e->line);
	if (r->short_of_memory)
		fputs("out of memory", r->message);
	else
		fprintf(r->message, "stopped: %llu packets have passed ('bound packets' allows that many)",
			(unsigned long long)r->result->packets);
	return false;
}

/* The first watched packet that nobody has taken; NULL if there is none. */
static struct seen *first_watched(struct run *r)
{
	size_t i;

	while (r->first < r->seen_count && r->seen[r->first].taken)
		r->first++;
	for (i = r->first; i < r->seen_count; i++)
		if (r->seen[i].watched && !r->seen[i].taken)
			return &r->seen[i];
	return NULL;
}

static bool fits(struct run *r, const struct script_event *e, const struct seen *s, FILE *out)
{
	return script_match(&(struct script_match){ .event = e, .view = &s->view, .values = &r->values, .out = out },
			    s->port);
}

/* What this expectation may take next: at an ignored port the first that fits. */
static struct seen *candidate(struct run *r, const struct script_event *e)
{
	if (!r->script->ignored[e->port.tap][e->port.index][e->port.out])
		return first_watched(r);
	for (size_t i = r->first; i < r->seen_count; i++)
		if (!r->seen[i].taken && !r->seen[i].watched && fits(r, e, &r->seen[i], NULL))
			return &r->seen[i];
	return NULL;
}

/* Nothing that was seen before `before_ns` may be left. */
static bool nothing_unexpected(struct run *r, const struct script_event *e, uint64_t before_ns)
{
	const struct seen *s = first_watched(r);

	if (!s || s->now_ns >= before_ns)
		return true;
	fail_begin(r, e->line);
	fputs("a packet came that nobody expected", r->message);
	print_got(r, s);
	return false;
}

static uint64_t bound_ns(const struct run *r)
{
	return ORIGIN_NS + r->script->bound_ns;
}

/* When the event may happen. */
static bool event_times(struct run *r, const struct script_event *e, uint64_t *from_ns, uint64_t *to_ns)
{
	uint64_t start = e->time.absolute ? ORIGIN_NS : r->base_ns;

	*from_ns = e->time.any ? r->base_ns : start + e->time.from_ns;
	*to_ns = e->time.any ? bound_ns(r) : start + e->time.to_ns;
	if (*from_ns < r->base_ns) {
		fail_begin(r, e->line);
		fprintf(r->message, "time goes back: it is %.6f already", seconds(r->base_ns));
		return false;
	}
	if (*from_ns > bound_ns(r)) {
		fail_begin(r, e->line);
		fprintf(r->message, "stopped: %.6f lies beyond 'bound time' (%.6f)", seconds(*from_ns),
			seconds(bound_ns(r)));
		return false;
	}
	*to_ns = MIN(*to_ns, bound_ns(r));
	return true;
}

static void nothing_came(struct run *r, const struct script_event *e, uint64_t to_ns)
{
	fail_begin(r, e->line);
	if (world_next_due(r->world) == TIME_NEVER)
		fputs("nothing came, and no timer waits that could change that", r->message);
	else if (to_ns == bound_ns(r))
		fprintf(r->message, "stopped: nothing came until 'bound time' (%.6f)", seconds(to_ns));
	else
		fprintf(r->message, "nothing came until %.6f", seconds(to_ns));
	print_expected(r, e);
	print_drop(r, r->base_ns);
}

/* The next packet for the event, waiting for it no longer than to_ns; NULL, and told, if there is none. */
static struct seen *await(struct run *r, const struct script_event *e, uint64_t to_ns)
{
	for (;;) {
		struct seen *s = candidate(r, e);
		uint64_t due_ns;

		if (s)
			return s;
		due_ns = world_next_due(r->world);
		if (due_ns > to_ns) {
			nothing_came(r, e, to_ns);
			return NULL;
		}
		if (!run_to(r, due_ns, e))
			return NULL;
	}
}

static bool in_time(struct run *r, const struct script_event *e, const struct seen *s, uint64_t from_ns, uint64_t to_ns)
{
	if (s->now_ns >= from_ns && s->now_ns <= to_ns)
		return true;
	fail_begin(r, e->line);
	fputs(s->now_ns < from_ns ? "a packet came too early" : "a packet came too late", r->message);
	print_expected(r, e);
	print_got(r, s);
	fprintf(r->detail, "    time      expected %.6f", seconds(from_ns));
	if (to_ns != from_ns)
		fprintf(r->detail, " to %.6f", seconds(to_ns));
	fprintf(r->detail, ", got %.6f\n", seconds(s->now_ns));
	return false;
}

static void take(struct run *r, struct seen *s)
{
	s->taken = true;
	r->base_ns = MAX(r->base_ns, s->now_ns);
	r->result->expectations++;
}

static void expect(struct run *r, const struct script_event *e, uint64_t from_ns, uint64_t to_ns)
{
	struct seen *s = await(r, e, to_ns);

	if (!s || !in_time(r, e, s, from_ns, to_ns))
		return;
	if (fits(r, e, s, NULL)) {
		take(r, s);
		return;
	}
	fail_begin(r, e->line);
	fputs("another packet came than the expected one", r->message);
	print_expected(r, e);
	print_got(r, s);
	fits(r, e, s, r->detail);
}

/* Each packet that comes is taken by the first of the block's expectations that it fits. */
static void expect_any(struct run *r, const struct script_event *e, uint64_t from_ns, uint64_t to_ns)
{
	bool *done = calloc(e->count + 1u, sizeof(*done));

	for (unsigned left = e->count; done && left > 0 && !r->failed; left--) {
		unsigned i = 0, open = 0;
		struct seen *s;

		while (done[open])
			open++;
		s = await(r, &e[1 + open], to_ns);
		if (!s || !in_time(r, &e[1 + open], s, from_ns, to_ns))
			break;
		while (i < e->count && (done[i] || !fits(r, &e[1 + i], s, NULL)))
			i++;
		if (i < e->count) {
			done[i] = true;
			take(r, s);
			continue;
		}
		fail_begin(r, e->line);
		fputs("a packet came that fits no expectation of this 'any'", r->message);
		print_got(r, s);
		for (i = 0; i < e->count; i++)
			if (!done[i])
				print_expected(r, &e[1 + i]);
	}
	if (!done) {
		fail_begin(r, e->line);
		fputs("out of memory", r->message);
	}
	free(done);
}

static void send_packet(struct run *r, const struct script_event *e)
{
	struct packet *p = script_build(r->world, &r->values, e, r->message);

	if (!p) {
		fail_begin(r, e->line);
		return;
	}
	if (e->port.tap == TAP_CLIENT)
		world_client_sends(r->world, p);
	else if (e->port.tap == TAP_STACK)
		world_server_sends(r->world, e->port.index, p);
	else if (e->port.tap == TAP_FRONTEND)
		world_frontend_carries(r->world, e->port.index, e->port.out, p);
	else
		world_wire_carries(r->world, e->port.index, e->port.out, p);
}

static void ask_control(struct run *r, const struct script_event *e)
{
	const struct control_op op = {
		.client = r->script->clients[e->client].address,
		.kind = e->lacks ? CONTROL_DELETE : CONTROL_ADD,
		.d_index = (uint8_t)e->index,
	};

	if (world_ask_control(r->world, &op))
		return;
	fail_begin(r, e->line);
	fputs("the control queue is full", r->message);
}

static void check(struct run *r, const struct script_event *e)
{
	if (script_check(r->world, &r->values, e, r->detail)) {
		r->result->expectations++;
		return;
	}
	fail_begin(r, e->line);
	fprintf(r->message, "%.*s: is not so at %.6f", e->source_len, e->source, seconds(world_now(r->world)));
	print_drop(r, r->base_ns);
}

static void run_event(struct run *r, const struct script_event *e)
{
	uint64_t from_ns, to_ns;

	if (!event_times(r, e, &from_ns, &to_ns))
		return;
	if (e->kind == SCRIPT_EVENT_EXPECT) {
		expect(r, e, from_ns, to_ns);
	} else if (e->kind == SCRIPT_EVENT_ANY) {
		expect_any(r, e, from_ns, to_ns);
	} else {
		if (!run_to(r, from_ns, e) || !nothing_unexpected(r, e, from_ns))
			return;
		if (e->kind == SCRIPT_EVENT_SEND)
			send_packet(r, e);
		else if (e->kind == SCRIPT_EVENT_STALL)
			world_stall_control(r->world, e->number);
		else if (e->kind == SCRIPT_EVENT_CONTROL)
			ask_control(r, e);
		else if (e->kind == SCRIPT_EVENT_FAULT || e->kind == SCRIPT_EVENT_HEAL)
			script_fault(r->world, e);
		else
			check(r, e);
		r->base_ns = from_ns;
		if (!r->failed)
			run_to(r, from_ns, e);
	}
}

static void run_events(struct run *r)
{
	const struct script *s = r->script;
	const struct script_event *last = NULL;

	for (unsigned i = 0; i < s->event_count && !r->failed; i++) {
		last = &s->events[i];
		r->event = i + 1;
		run_event(r, last);
		if (last->kind == SCRIPT_EVENT_ANY)
			i += last->count;
	}
	if (!r->failed && last)
		nothing_unexpected(r, last, TIME_NEVER);
}

static int open_pcapng(struct run *r, const char *path)
{
	const struct config *c = r->script->config;
	char error[PCAPNG_ERROR_MAX], name[CONFIG_NAME_MAX + 16];

	r->pcapng = pcapng_open(path, "miresga script", error);
	if (!r->pcapng) {
		fail_begin(r, 0);
		fputs(error, r->message);
		return -1;
	}
	pcapng_add_interface(r->pcapng, "client", "between clients and switch");
	for (unsigned i = 0; i < c->frontends.count; i++) {
		snprintf(name, sizeof(name), "fe%u", i);
		pcapng_add_interface(r->pcapng, name, "between switch and front-end");
	}
	for (unsigned i = 0; i < 2u * c->backend_count; i++) {
		snprintf(name, sizeof(name), "be%u.%s", i / 2, i % 2 ? "stack" : "wire");
		pcapng_add_interface(r->pcapng, name, c->backends[i / 2].name);
	}
	return 0;
}

static void close_pcapng(struct run *r)
{
	char error[PCAPNG_ERROR_MAX];

	if (r->pcapng && pcapng_close(r->pcapng, error) < 0 && !r->failed) {
		fail_begin(r, 0);
		fputs(error, r->message);
	}
}

static void note_coverage(struct run *r)
{
	const uint64_t *hits = switch_stats(world_switch(r->world))->steering_hits;

	memcpy(r->result->steering, hits, sizeof(r->result->steering));
	for (unsigned i = 0; i < r->script->config->frontends.count; i++) {
		const struct frontend_stats *stats = frontend_stats(world_frontend(r->world, i));

		for (unsigned s = 0; s < FSM_STATE_COUNT; s++)
			for (unsigned e = 0; e < FSM_EVENT_COUNT; e++)
				r->result->transitions[s][e] += stats->transitions[s][e];
	}
}

static void run_script(struct run *r, const struct script_options *options)
{
	struct world_hooks hooks = { .ctx = r, .tap = on_tap, .stop = on_stop };

	r->values.script = r->script;
	memcpy(r->values.of, r->script->preset, sizeof(r->values.of));
	r->base_ns = ORIGIN_NS;
	r->world = world_create(r->script->config, &hooks);
	if (!r->world) {
		fail_begin(r, 0);
		fputs("out of memory", r->message);
		return;
	}
	if (options && options->pcapng && open_pcapng(r, options->pcapng) < 0)
		return;
	world_run(r->world, ORIGIN_NS);
	run_events(r);
	close_pcapng(r);
	note_coverage(r);
	r->result->virtual_ns = world_now(r->world) - ORIGIN_NS;
}

/* The first line of the comment that the script opens with. */
static char *opening(const char *text, size_t len)
{
	const char *end = text + len, *line;

	while (text < end && (*text == '/' || *text == '#' || *text == '*' || *text == ' '))
		text++;
	line = memchr(text, '\n', (size_t)(end - text));
	if (!line || line == text)
		return NULL;
	return strndup(text, (size_t)(line - text));
}

void script_run_memory(const char *name, const char *text, size_t len, const struct script_options *options,
		       struct script_result *out)
{
	struct run r = { .result = out };
	size_t message_len, detail_len;
	struct script_cursor c;

	*out = (struct script_result){ .verdict = SCRIPT_PASSED };
	r.message = open_memstream(&out->message, &message_len);
	r.detail = open_memstream(&out->detail, &detail_len);
	if (!r.message || !r.detail) {
		out->verdict = SCRIPT_BROKEN;
		if (r.message)
			fclose(r.message);
		return;
	}
	if (len > 0 && (*text == '/' || *text == '#'))
		out->about = opening(text, len);
	r.script = script_parse(name, text, len, &c);
	if (c.failed) {
		out->verdict = SCRIPT_BROKEN;
		out->line = c.error_line;
		out->column = c.error_column;
		fputs(c.error, r.message);
	} else {
		run_script(&r, options);
	}
	fclose(r.message);
	fclose(r.detail);
	for (size_t i = 0; i < r.seen_count; i++)
		free(r.seen[i].frame);
	free(r.seen);
	world_free(r.world);
	script_free(r.script);
}

static char *read_all(FILE *f, size_t *len)
{
	char *text = malloc(SCRIPT_FILE_SIZE_MAX + 1);

	if (text)
		*len = fread(text, 1, SCRIPT_FILE_SIZE_MAX + 1, f);
	return text;
}

void script_run_file(const char *path, const struct script_options *options, struct script_result *out)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(path, "r");
	const char *error = NULL;
	char *text = NULL;
	size_t len = 0;

	if (f) {
		text = read_all(f, &len);
		error = ferror(f) ? strerror(errno) : !text ? "out of memory" : NULL;
		if (!error && len > SCRIPT_FILE_SIZE_MAX)
			error = "longer than 1 MiB";
		if (!is_stdin)
			fclose(f);
	} else {
		error = strerror(errno);
	}
	if (error)
		*out = (struct script_result){ .verdict = SCRIPT_BROKEN,
					       .message = strdup(error),
					       .detail = strdup("") };
	else
		script_run_memory(is_stdin ? "<stdin>" : path, text, len, options, out);
	free(text);
}

void script_result_free(struct script_result *r)
{
	free(r->message);
	free(r->detail);
	free(r->about);
}
