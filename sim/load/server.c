/* SPDX-License-Identifier: BSD-2-Clause */
/* server.c: HTTP servers. One request at a time on each connection: read its head and body, wait
 * for the host's core and the configured delay, write the response, read the next. An early
 * response does not wait for the body. Framing, breaking off and closing are the exchange's.
 *
 * What a client sent is recognised by its query and then held against what it must be, byte for
 * byte. A connection on which nothing has moved for longer than any client waits is reset, as
 * servers do. Refuses: SYNs while a fault says so (sim.c). */
#define _GNU_SOURCE /* memmem() */
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define WRITE_PIECE 16384u

static struct sim *sim_of(const struct serving *s)
{
	return s->stack->sim;
}

static struct serving *serving_make(struct sim *sim)
{
	struct serving *s = calloc(1, sizeof(*s));

	if (!s) {
		sim->out_of_memory = true;
		return NULL;
	}
	s->item.kind = AGENDA_SERVING;
	s->older = sim->newest_serving;
	sim->newest_serving = s;
	return s;
}

static struct serving *serving_new(struct load_stack *stack, struct tcp *tcp, uint64_t now_ns)
{
	struct sim *sim = stack->sim;
	struct serving *s = sim->free_servings;
	size_t keep = offsetof(struct serving, stack);
	struct tcp_info info;

	if (s)
		sim->free_servings = s->next;
	else
		s = serving_make(sim);
	if (!s)
		return NULL;
	memset((char *)s + keep, 0, sizeof(*s) - keep);
	tcp_info(tcp, &info);
	s->stack = stack;
	s->tcp = tcp;
	s->client = info.remote;
	s->progress_ns = now_ns;
	tcp_set_user(tcp, s);
	stack->books.accepted++;
	return s;
}

/* TCP has no part in it any more. */
static void serving_drop(struct serving *s)
{
	struct sim *sim = sim_of(s);

	sim_schedule(sim, &s->item, TIME_NEVER);
	free(s->part);
	s->part = NULL;
	s->tcp = NULL;
	s->next = sim->free_servings;
	sim->free_servings = s;
}

static void serving_abort(struct serving *s, uint64_t now_ns)
{
	tcp_abort(s->tcp, now_ns);
	serving_drop(s);
}

static void serving_close(struct serving *s, uint64_t now_ns)
{
	tcp_close(s->tcp, now_ns);
	serving_drop(s);
}

static void serving_arm(struct serving *s)
{
	uint64_t idle = s->progress_ns + sim_of(s)->patience_ns;

	sim_schedule(sim_of(s), &s->item, s->busy && s->phase == PHASE_WORKING ? s->ready_ns : idle);
}

/* ------------------------------------------------------------------------------- responses */

/* False: the connection has ended. */
static bool response_end(struct serving *s, uint64_t now_ns)
{
	s->stack->books.responses++;
	if (s->x.server_reset) {
		serving_abort(s, now_ns);
		return false;
	}
	if (s->x.until_close) {
		serving_close(s, now_ns);
		return false;
	}
	s->phase = PHASE_WRITTEN;
	return true;
}

/* False: the connection has ended. */
static bool response_write(struct serving *s, uint64_t now_ns)
{
	uint64_t end = s->x.server_reset ? s->response.head_len + MIN(s->x.cut, s->response.body) : s->response.total;
	uint8_t piece[WRITE_PIECE];

	while (s->write_at < end) {
		uint32_t n = 0, taken;

		while (n < sizeof(piece) && s->write_at + n < end)
			n += message_fill(&s->response, s->write_at + n, piece + n,
					  (uint32_t)MIN(sizeof(piece) - n, end - s->write_at - n));
		taken = tcp_write(s->tcp, piece, n, s->write_at + n < end, now_ns);
		s->write_at += taken;
		if (taken)
			s->progress_ns = now_ns;
		if (taken < n)
			return true;
	}
	return response_end(s, now_ns);
}

/* The request is there, or as much of it as the server cares for: it goes to work. */
static void response_prepare(struct serving *s, uint64_t now_ns)
{
	struct sim *sim = sim_of(s);
	const struct config_workload *w = &sim->config->simulation.workloads[s->x.workload];
	uint64_t worked = world_server_work(sim->world, s->stack->backend,
					    sim->config->simulation.server_cpu.request_ns);

	exchange_response(&s->x, s->stack->backend, s->head, &s->response);
	s->write_at = 0;
	s->ready_ns = MAX(worked, now_ns + w->delay_ns);
	s->phase = s->ready_ns <= now_ns ? PHASE_WRITING : PHASE_WORKING;
}

/* -------------------------------------------------------------------------------- requests */

static bool refuse_bytes(struct serving *s, const char *what, uint64_t at, uint64_t now_ns)
{
	judge_violation(sim_of(s), SIM_VIOLATION_REQUEST_BYTES, s->client, "%s: %s, byte %llu of request %u",
			sim_of(s)->config->backends[s->stack->backend].name, what, (unsigned long long)at, s->number);
	serving_abort(s, now_ns);
	return false;
}

/* The head of a request. False: the connection has ended. */
static bool request_head(struct serving *s, const char *head, uint32_t len, uint64_t now_ns)
{
	struct sim *sim = sim_of(s);
	char expected[REQUEST_HEAD_MAX];
	struct message m;
	int want;

	if (!exchange_recognise(&sim->plan, head, len, &s->x))
		return refuse_bytes(s, "a request of no client", 0, now_ns);
	exchange_request(&sim->plan, &s->x, expected, &m);
	if (m.head_len != len || memcmp(expected, head, len) != 0)
		return refuse_bytes(s, "a head that its client did not send",
				    message_differs(&m, 0, (const uint8_t *)head, len, &want), now_ns);
	if (!judge_request(sim, s, &s->x)) {
		serving_abort(s, now_ns);
		return false;
	}
	s->known = true;
	s->connection = s->x.connection;
	s->number = s->x.number;
	s->busy = true;
	s->upload_at = 0;
	s->stack->books.requests++;
	s->phase = PHASE_READING;
	if (s->x.early || s->x.upload == 0)
		response_prepare(s, now_ns);
	return true;
}

/* Takes up to a whole head out of what is there. Returns what was used; 0: the connection has ended. */
static uint32_t head_take(struct serving *s, const uint8_t *data, uint32_t len, uint64_t now_ns)
{
	const uint8_t *end = s->part_len ? NULL : (const uint8_t *)memmem(data, len, "\r\n\r\n", 4);
	uint32_t n = 0;

	if (end) {
		n = (uint32_t)(end - data) + 4;
		return request_head(s, (const char *)data, n, now_ns) ? n : 0;
	}
	if (!s->part)
		s->part = malloc(REQUEST_HEAD_MAX);
	if (!s->part) {
		sim_of(s)->out_of_memory = true;
		serving_abort(s, now_ns);
		return 0;
	}
	while (n < len && s->part_len < REQUEST_HEAD_MAX) {
		s->part[s->part_len++] = (char)data[n++];
		if (s->part_len >= 4 && memcmp(s->part + s->part_len - 4, "\r\n\r\n", 4) == 0) {
			uint32_t whole = s->part_len;

			s->part_len = 0;
			return request_head(s, s->part, whole, now_ns) ? n : 0;
		}
	}
	if (s->part_len < REQUEST_HEAD_MAX)
		return n;
	refuse_bytes(s, "a head without an end", s->part_len, now_ns);
	return 0;
}

/* Takes bytes of the request's body. Returns what was used; 0: the connection has ended. */
static uint32_t upload_take(struct serving *s, const uint8_t *data, uint32_t len, uint64_t now_ns)
{
	char head[REQUEST_HEAD_MAX];
	struct message m;
	uint32_t n = (uint32_t)MIN(len, s->x.upload - s->upload_at), same;
	int want;

	exchange_request(&sim_of(s)->plan, &s->x, head, &m);
	same = message_differs(&m, m.head_len + s->upload_at, data, n, &want);
	if (same < n) {
		refuse_bytes(s, "a wrong byte of its body", s->upload_at + same, now_ns);
		return 0;
	}
	s->upload_at += n;
	if (s->upload_at == s->x.upload && !s->x.early)
		response_prepare(s, now_ns);
	return n;
}

/* Reading and writing as far as either goes. False: the connection has ended. */
static bool serving_step(struct serving *s, bool *moved, uint64_t now_ns)
{
	const uint8_t *data;
	uint32_t len, n;

	*moved = false;
	if (s->busy && s->phase == PHASE_WRITING && !response_write(s, now_ns))
		return false;
	if (s->phase == PHASE_WRITTEN && s->upload_at == s->x.upload)
		s->busy = false;
	if (s->busy && s->upload_at == s->x.upload)
		return true;
	len = tcp_peek(s->tcp, &data);
	if (len == 0)
		return true;
	n = s->busy ? upload_take(s, data, len, now_ns) : head_take(s, data, len, now_ns);
	if (n == 0)
		return false;
	tcp_consume(s->tcp, n, now_ns);
	s->progress_ns = now_ns;
	*moved = true;
	return true;
}

static void serving_go_on(struct serving *s, uint64_t now_ns)
{
	const uint8_t *data;
	bool moved;

	do
		if (!serving_step(s, &moved, now_ns))
			return;
	while (moved);
	/* What the client sent before its FIN is answered; an unfinished request is not. */
	if (s->peer_closed && !(s->busy && s->upload_at == s->x.upload) && tcp_peek(s->tcp, &data) == 0) {
		serving_close(s, now_ns);
		return;
	}
	serving_arm(s);
}

void server_event(void *ctx, struct tcp *tcp, enum tcp_event e, uint64_t now_ns)
{
	struct load_stack *stack = ctx;
	struct serving *s = tcp_user(tcp);

	if (e == TCP_EVENT_ACCEPTED && !s) {
		s = serving_new(stack, tcp, now_ns);
		if (!s)
			tcp_abort(tcp, now_ns);
		else
			serving_arm(s);
		return;
	}
	if (!s || s->tcp != tcp)
		return;
	switch (e) {
	case TCP_EVENT_TIMED_OUT:
		stack->sim->server_timeouts++;
		serving_drop(s);
		return;
	case TCP_EVENT_RESET:
	case TCP_EVENT_ENDED:
		serving_drop(s);
		return;
	case TCP_EVENT_PEER_CLOSED:
		s->peer_closed = true;
		break;
	case TCP_EVENT_READABLE:
	case TCP_EVENT_WRITABLE:
		break;
	default:
		return;
	}
	serving_go_on(s, now_ns);
}

void serving_timer(struct serving *s, uint64_t now_ns)
{
	if (s->busy && s->phase == PHASE_WORKING) {
		s->phase = PHASE_WRITING;
		s->progress_ns = now_ns;
	} else if (now_ns >= s->progress_ns + sim_of(s)->patience_ns) {
		if (!is_heard(s->tcp, &s->acked)) {
			judge_given_up(sim_of(s), s, now_ns);
			serving_abort(s, now_ns);
			return;
		}
		s->progress_ns = now_ns;
	}
	serving_go_on(s, now_ns);
}

void servings_forget(struct load_stack *stack)
{
	for (struct serving *s = stack->sim->newest_serving; s; s = s->older)
		if (s->tcp && s->stack == stack)
			serving_drop(s);
}

void servings_fini(struct sim *sim)
{
	while (sim->newest_serving) {
		struct serving *s = sim->newest_serving;

		sim->newest_serving = s->older;
		free(s->part);
		free(s);
	}
}
