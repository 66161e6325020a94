/* SPDX-License-Identifier: BSD-2-Clause */
/* client.c: HTTP clients. A client is a place for one connection at a time; a closed loop opens the
 * next one when the last has ended, a Poisson process takes a free place for each arrival.
 *
 * Life of a connection: opened; requests are written as far as the pipeline, the think time and
 * the send buffer let them; responses are read in order, each byte held against what it must be;
 * it ends when all is answered (by a FIN), when the plan says so (by a RST), when TCP says so, or when the client
 * has waited too long. Every end is counted as one outcome.
 *
 * Invariants: answered <= sent <= answered + pipeline; after a connection has ended `tcp` is NULL
 * and no event of it comes any more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "miresga/hash.h"
#include "miresga/http.h"
#include "miresga/tcp_options.h"

/* A closed loop whose connection failed waits before the next: else it would spin at one moment. */
#define RETRY_NS (10 * NS_PER_MS)
/* The first connections of a closed loop are spread over this time. */
#define START_NS (10 * NS_PER_MS)
/* A slow reader looks so often. */
#define SLOW_TICK_NS (10 * NS_PER_MS)
#define WRITE_PIECE 16384u
#define STATUS_LEN 12 /* "HTTP/1.1 200" */

static const struct config_workload *workload_of(const struct sim *sim, const struct client *c)
{
	return &sim->config->simulation.workloads[c->workload];
}

/* ------------------------------------------------------------------------------ by address */

static struct client **bucket(const struct sim *sim, struct endpoint address)
{
	return &sim->by_address[hash_mix64(endpoint_word(address)) & sim->by_address_mask];
}

struct client *client_find(const struct sim *sim, struct endpoint address)
{
	struct client *c = *bucket(sim, address);

	while (c && !endpoint_equal(c->local, address))
		c = c->next;
	return c;
}

static void client_map(struct sim *sim, struct client *c)
{
	struct client **b = bucket(sim, c->local);

	c->next = *b;
	*b = c;
	c->mapped = true;
}

static void client_unmap(struct sim *sim, struct client *c)
{
	struct client **at = bucket(sim, c->local);

	if (!c->mapped)
		return;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->mapped = false;
}

/* --------------------------------------------------------------------------- life and end */

/* A client waits for so long after it got something, or found its own bytes getting through. */
static uint64_t client_patience_ends(const struct sim *sim, const struct client *c)
{
	return MAX(c->progress_ns, c->heard_ns) + workload_of(sim, c)->timeout_ns;
}

/* When the client must look again by itself. */
static void client_arm(struct sim *sim, struct client *c)
{
	uint64_t due = client_patience_ends(sim, c);

	if (c->connected && !c->writing && !c->last && c->sent == c->answered)
		due = MAX(c->gate_ns, c->progress_ns); /* thinking is no waiting */
	if (c->plan.slow && c->connected)
		due = MIN(due, c->slow_ns + SLOW_TICK_NS);
	sim_schedule(sim, &c->item, due);
}

static void client_finish(struct sim *sim, struct client *c, enum sim_outcome outcome, uint64_t now_ns)
{
	struct arrivals *a = &sim->arrivals[c->workload];

	judge_ended(sim, c, outcome, now_ns);
	sim->result->outcomes[outcome]++;
	sim->active--;
	client_unmap(sim, c);
	c->tcp = NULL;
	sim_schedule(sim, &c->item, TIME_NEVER);
	if (a->gaps) {
		c->next = a->free;
		a->free = c;
	} else if (!sim->ending) {
		sim_schedule(sim, &c->item, now_ns + (outcome == SIM_OUTCOME_COMPLETED ? 0 : RETRY_NS));
	}
}

/* The connection goes by a RST. */
static void client_abort(struct sim *sim, struct client *c, enum sim_outcome outcome, uint64_t now_ns)
{
	tcp_abort(c->tcp, now_ns);
	client_finish(sim, c, outcome, now_ns);
}

static void client_close(struct sim *sim, struct client *c, enum sim_outcome outcome, uint64_t now_ns)
{
	tcp_close(c->tcp, now_ns);
	client_finish(sim, c, outcome, now_ns);
}

/* A TCP of the eighties. */
static void plain_settings(struct tcp_settings *settings)
{
	tcp_settings_default(settings);
	settings->wscale = TCP_WSCALE_NONE;
	settings->sack = settings->timestamps = false;
}

static void client_open(struct sim *sim, struct client *c, uint64_t now_ns)
{
	size_t keep = offsetof(struct client, tcp);
	struct tcp_settings settings;
	struct tcp_info info;
	struct endpoint local;
	uint8_t workload = c->workload;

	memset((char *)c + keep, 0, sizeof(*c) - keep);
	c->workload = workload;
	c->connection = sim->connections++;
	c->last_pool = NO_POOL;
	c->started_ns = c->progress_ns = c->slow_ns = now_ns;
	connection_plan_make(&sim->plan, workload, c->connection, &c->plan);
	sim->result->connections++;
	sim->active++;
	local = endpoint_make(be32_from(CLIENT_HOST_FIRST + c->connection % sim->config->simulation.client_hosts),
			      be16_from(0));
	plain_settings(&settings);
	c->tcp = tcp_connect(sim->clients.tcp, local, sim->config->vip, c->plan.plain ? &settings : NULL, now_ns);
	if (!c->tcp) {
		client_finish(sim, c, SIM_OUTCOME_NOT_OPENED, now_ns);
		return;
	}
	tcp_set_user(c->tcp, c);
	tcp_info(c->tcp, &info);
	c->local = info.local;
	client_map(sim, c);
	client_arm(sim, c);
}

/* ------------------------------------------------------------------------------- requests */

/* The next request, if it may go now. */
static bool request_begin(struct sim *sim, struct client *c, uint64_t now_ns)
{
	const struct config_workload *w = workload_of(sim, c);

	if (c->last || sim->ending || c->sent - c->answered >= w->pipeline || now_ns < c->gate_ns)
		return false;
	exchange_make(&sim->plan, c->workload, c->connection, c->sent, &c->request);
	c->begun_ns[c->sent % w->pipeline] = c->sent == 0 ? c->started_ns : now_ns;
	if (c->sent == c->answered)
		c->progress_ns = now_ns;
	c->sent++;
	c->last = c->request.until_close || c->sent == c->plan.requests;
	c->write_at = 0;
	c->writing = true;
	return true;
}

/* False: the send buffer is full; WRITABLE will come. */
static bool request_write(struct sim *sim, struct client *c, uint64_t now_ns)
{
	uint8_t piece[WRITE_PIECE];
	char head[REQUEST_HEAD_MAX];
	struct message m;

	exchange_request(&sim->plan, &c->request, head, &m);
	while (c->write_at < m.total) {
		uint32_t n = 0, taken;

		while (n < sizeof(piece) && c->write_at + n < m.total)
			n += message_fill(&m, c->write_at + n, piece + n, (uint32_t)sizeof(piece) - n);
		taken = tcp_write(c->tcp, piece, n, c->write_at + n < m.total, now_ns);
		c->write_at += taken;
		if (!sim->ending)
			sim->result->request_bytes += taken;
		if (taken)
			c->progress_ns = now_ns;
		if (taken < n)
			return false;
	}
	c->writing = false;
	return true;
}

static void client_write(struct sim *sim, struct client *c, uint64_t now_ns)
{
	while (c->writing || request_begin(sim, c, now_ns))
		if (!request_write(sim, c, now_ns))
			return;
	if (c->last && c->plan.half_close && !c->half_closed) {
		c->half_closed = true;
		tcp_shutdown(c->tcp, now_ns);
	}
}

/* ------------------------------------------------------------------------------ responses */

/* All that was asked for is there, and no more will be asked. */
static bool client_is_through(const struct sim *sim, const struct client *c)
{
	return c->sent == c->answered && !c->writing && (c->last || sim->ending);
}

static void response_complete(struct sim *sim, struct client *c, uint64_t now_ns)
{
	const struct config_workload *w = workload_of(sim, c);
	uint64_t begun = c->begun_ns[c->answered % w->pipeline];

	c->last_pool = exchange_target(&sim->plan, &c->asked)->pool;
	c->last_backend = c->backend;
	books_response(sim, c, now_ns - begun);
	c->answered++;
	c->expecting = false;
	c->gate_ns = now_ns + w->think_ns;
}

/* The first bytes say which stream it is. Returns how many were taken. */
static uint32_t response_start(struct client *c, const uint8_t *data, uint32_t len)
{
	uint32_t n = MIN(len, (uint32_t)(RESPONSE_START - c->start_len));
	size_t error_len;

	memcpy(c->start + c->start_len, data, n);
	c->start_len = (uint8_t)(c->start_len + n);
	c->read_at += n;
	if (c->start_len < RESPONSE_START)
		return n;
	c->status = (uint16_t)((c->start[9] - '0') * 100 + (c->start[10] - '0') * 10 + (c->start[11] - '0'));
	c->backend = (uint16_t)((c->start[14] - '0') * 100 + (c->start[15] - '0') * 10 + (c->start[16] - '0'));
	if (c->status == 200 && c->start[13] == 'b') {
		exchange_response(&c->asked, c->backend, c->head, &c->response);
	} else {
		const char *text = NULL;

		if (c->status == 400 || c->status == 404 || c->status == 408 || c->status == 431 || c->status == 501 ||
		    (c->status >= 503 && c->status <= 505))
			text = http_error_response(c->status, false, &error_len);
		c->response = (struct message){ .head = text };
		if (text)
			c->response.head_len = (uint32_t)(c->response.total = error_len);
	}
	return n;
}

static void wrong_byte(struct sim *sim, const struct client *c, uint64_t at, int want, int got)
{
	if (want < 0)
		judge_violation(sim, SIM_VIOLATION_RESPONSE_BYTES, c->local,
				"response %u: byte %02x behind its end at %llu", c->asked.number, (unsigned)got,
				(unsigned long long)at);
	else
		judge_violation(sim, SIM_VIOLATION_RESPONSE_BYTES, c->local,
				"response %u: byte %llu of %llu is %02x, expected %02x", c->asked.number,
				(unsigned long long)at, (unsigned long long)c->response.total, (unsigned)got,
				(unsigned)want);
}

/* Holds the bytes against the response. Returns how many are its; 0 after a violation. */
static uint32_t response_take(struct sim *sim, struct client *c, const uint8_t *data, uint32_t len)
{
	uint32_t n, same;
	int want = 0;

	if (c->start_len < RESPONSE_START) {
		n = response_start(c, data, len);
		if (c->start_len < RESPONSE_START)
			return n;
		if (!judge_response_start(sim, c))
			return 0;
		same = message_differs(&c->response, 0, (const uint8_t *)c->start, RESPONSE_START, &want);
		if (same < RESPONSE_START) {
			wrong_byte(sim, c, same, want, (uint8_t)c->start[same]);
			return 0;
		}
		return n;
	}
	n = (uint32_t)MIN(c->response.total - c->read_at, len);
	same = n ? message_differs(&c->response, c->read_at, data, n, &want) : 0;
	if (same == n && n > 0) {
		c->read_at += n;
		return n;
	}
	wrong_byte(sim, c, c->read_at + same, n ? want : -1, data[same]);
	return 0;
}

static bool response_expect(struct sim *sim, struct client *c)
{
	if (c->expecting)
		return true;
	if (c->sent == c->answered)
		return false;
	exchange_make(&sim->plan, c->workload, c->connection, c->answered, &c->asked);
	c->expecting = true;
	c->start_len = 0;
	c->read_at = 0;
	c->response = (struct message){ .total = UINT64_MAX };
	return true;
}

/* Those that end with the connection wait for its FIN. */
static bool response_is_through(const struct client *c)
{
	bool ends_by_fin = c->asked.until_close || c->status != 200;

	return c->start_len == RESPONSE_START && c->read_at == c->response.total && (!ends_by_fin || c->peer_closed);
}

static bool abort_is_due(const struct client *c)
{
	return c->plan.abort && c->asked.number == c->plan.abort_number && c->start_len == RESPONSE_START &&
	       c->read_at >= c->response.head_len + MIN(c->asked.cut, c->response.body);
}

/* What follows from the bytes read so far. False: the connection has ended. */
static bool client_judge(struct sim *sim, struct client *c, uint64_t now_ns)
{
	if (c->expecting && abort_is_due(c)) {
		client_abort(sim, c, SIM_OUTCOME_ABORTED, now_ns);
		return false;
	}
	if (!c->expecting || !response_is_through(c))
		return true;
	if (c->status != 200) {
		client_close(sim, c, SIM_OUTCOME_REFUSED, now_ns);
		return false;
	}
	response_complete(sim, c, now_ns);
	return true;
}

/* How much a slow reader may take now. */
static uint64_t read_budget(const struct sim *sim, struct client *c, uint64_t now_ns)
{
	uint64_t bytes;

	if (!c->plan.slow)
		return UINT64_MAX;
	bytes = (uint64_t)((unsigned __int128)(now_ns - c->slow_ns) * workload_of(sim, c)->read_rate / (8 * NS_PER_S));
	if (now_ns - c->slow_ns < SLOW_TICK_NS)
		return 0;
	c->slow_ns = now_ns;
	return bytes;
}

/* False: the connection has ended. */
static bool client_read(struct sim *sim, struct client *c, uint64_t now_ns)
{
	uint64_t budget = read_budget(sim, c, now_ns);
	const uint8_t *data;
	uint32_t len;

	while (budget > 0 && (len = tcp_peek(c->tcp, &data)) > 0) {
		uint32_t taken;

		len = (uint32_t)MIN(len, budget);
		if (!response_expect(sim, c)) {
			judge_violation(sim, SIM_VIOLATION_ORDER, c->local,
					"%u bytes answer no request, after %u responses", len, c->answered);
			client_abort(sim, c, SIM_OUTCOME_WRONG, now_ns);
			return false;
		}
		taken = response_take(sim, c, data, len);
		if (!taken) {
			client_abort(sim, c, SIM_OUTCOME_WRONG, now_ns);
			return false;
		}
		tcp_consume(c->tcp, taken, now_ns);
		budget -= taken;
		c->progress_ns = now_ns;
		if (!client_judge(sim, c, now_ns))
			return false;
	}
	return true;
}

/* The server has closed and everything is read. */
static void client_peer_closed(struct sim *sim, struct client *c, uint64_t now_ns)
{
	if (!client_judge(sim, c, now_ns))
		return;
	if (client_is_through(sim, c)) {
		client_close(sim, c, SIM_OUTCOME_COMPLETED, now_ns);
	} else if (c->sent == c->answered && !c->writing) {
		client_close(sim, c, SIM_OUTCOME_CLOSED, now_ns);
	} else {
		judge_violation(
			sim, SIM_VIOLATION_TRUNCATED, c->local,
			"FIN after %llu of %lld bytes of response %u, of %u requests", (unsigned long long)c->read_at,
			c->response.total == UINT64_MAX ? -1LL : (long long)c->response.total, c->answered, c->sent);
		client_abort(sim, c, SIM_OUTCOME_WRONG, now_ns);
	}
}

/* Everything that can go on now does. */
static void client_go_on(struct sim *sim, struct client *c, uint64_t now_ns)
{
	const uint8_t *data;

	if (!client_read(sim, c, now_ns))
		return;
	if (c->peer_closed && tcp_peek(c->tcp, &data) == 0) {
		client_peer_closed(sim, c, now_ns);
		return;
	}
	if (client_is_through(sim, c)) {
		client_close(sim, c, SIM_OUTCOME_COMPLETED, now_ns);
		return;
	}
	client_write(sim, c, now_ns);
	client_arm(sim, c);
}

bool client_reset_planned(const struct sim *sim, const struct client *c)
{
	struct exchange x;

	for (uint32_t i = MAX(c->answered, 1) - 1; i < c->sent; i++) {
		exchange_make(&sim->plan, c->workload, c->connection, i, &x);
		if (x.server_reset)
			return true;
	}
	return false;
}

void client_event(void *stack, struct tcp *tcp, enum tcp_event e, uint64_t now_ns)
{
	struct sim *sim = ((struct load_stack *)stack)->sim;
	struct client *c = tcp_user(tcp);

	if (!c || c->tcp != tcp)
		return;
	switch (e) {
	case TCP_EVENT_CONNECTED:
		c->connected = true;
		c->progress_ns = c->slow_ns = now_ns;
		break;
	case TCP_EVENT_PEER_CLOSED:
		c->peer_closed = true;
		break;
	case TCP_EVENT_RESET:
		client_finish(sim, c, client_reset_planned(sim, c) ? SIM_OUTCOME_SERVER_RESET : SIM_OUTCOME_RESET,
			      now_ns);
		return;
	case TCP_EVENT_TIMED_OUT:
		client_finish(sim, c, SIM_OUTCOME_TIMED_OUT, now_ns);
		return;
	case TCP_EVENT_ENDED:
		client_finish(sim, c, client_is_through(sim, c) ? SIM_OUTCOME_COMPLETED : SIM_OUTCOME_CLOSED, now_ns);
		return;
	case TCP_EVENT_READABLE:
	case TCP_EVENT_WRITABLE:
		break;
	default:
		return;
	}
	client_go_on(sim, c, now_ns);
}

/* --------------------------------------------------------------------------------- timers */

void client_timer(struct sim *sim, struct client *c, uint64_t now_ns)
{
	bool waits = c->sent != c->answered || c->writing || !c->connected;

	if (!c->tcp) {
		if (!sim->ending)
			client_open(sim, c, now_ns);
		return;
	}
	if (waits && now_ns >= client_patience_ends(sim, c)) {
		if (!is_heard(c->tcp, &c->acked)) { /* its own bytes do not get through either */
			client_abort(sim, c, SIM_OUTCOME_GAVE_UP, now_ns);
			return;
		}
		c->heard_ns = now_ns;
	}
	if (c->connected)
		client_go_on(sim, c, now_ns);
	else
		client_arm(sim, c);
}

static void arrival_next(struct arrivals *a, uint64_t now_ns)
{
	sim_schedule(a->sim, &a->item, now_ns + quantiles_draw(a->gaps, prng_u64(&a->prng)));
}

void arrival_timer(struct arrivals *a, uint64_t now_ns)
{
	struct client *c = a->free;

	if (a->sim->ending)
		return;
	if (c) {
		a->free = c->next;
		client_open(a->sim, c, now_ns);
	} else {
		a->sim->result->missed++;
	}
	arrival_next(a, now_ns);
}

static struct client *client_at(const struct sim *sim, unsigned workload, uint32_t i)
{
	return (struct client *)(void *)(sim->client_memory[workload] + i * sim->client_size[workload]);
}

int clients_init(struct sim *sim, char error[SIM_ERROR_MAX])
{
	const struct config_simulation *s = &sim->config->simulation;
	uint32_t all = 0;

	snprintf(error, SIM_ERROR_MAX, "out of memory");
	for (unsigned i = 0; i < s->workload_count; i++) {
		const struct config_workload *w = &s->workloads[i];
		struct arrivals *a = &sim->arrivals[i];

		a->sim = sim;
		a->workload = i;
		a->item.kind = AGENDA_ARRIVAL;
		all += w->connections;
		sim->client_size[i] = sizeof(struct client) + w->pipeline * sizeof(uint64_t);
		sim->client_memory[i] = calloc(w->connections, sim->client_size[i]);
		if (!sim->client_memory[i])
			return -1;
		for (uint32_t k = w->connections; k-- > 0;) {
			struct client *c = client_at(sim, i, k);

			c->item.kind = AGENDA_CLIENT;
			c->workload = (uint8_t)i;
			c->next = a->free;
			a->free = c;
		}
		if (w->arrival != ARRIVAL_POISSON)
			continue;
		prng_child(&a->prng, sim->config->seed, "arrivals", i);
		a->gaps = malloc(sizeof(*a->gaps));
		if (!a->gaps)
			return -1;
		quantiles_exponential(a->gaps, NS_PER_S / w->rate);
	}
	for (sim->by_address_mask = 1023; sim->by_address_mask < all;)
		sim->by_address_mask = 2 * sim->by_address_mask + 1;
	sim->by_address = calloc((size_t)sim->by_address_mask + 1, sizeof(struct client *));
	return sim->by_address ? 0 : -1;
}

void clients_fini(struct sim *sim)
{
	for (unsigned i = 0; i < WORKLOADS_MAX; i++) {
		free(sim->client_memory[i]);
		free(sim->arrivals[i].gaps);
	}
	free(sim->by_address);
}

void clients_start(struct sim *sim)
{
	const struct config_simulation *s = &sim->config->simulation;

	for (unsigned i = 0; i < s->workload_count; i++) {
		uint32_t count = s->workloads[i].connections;

		if (sim->arrivals[i].gaps) {
			arrival_next(&sim->arrivals[i], 0);
			continue;
		}
		for (uint32_t k = 0; k < count; k++)
			sim_schedule(sim, &client_at(sim, i, k)->item, START_NS * k / count);
	}
}

void clients_end(struct sim *sim, uint64_t now_ns)
{
	sim->ending = true;
	for (unsigned i = 0; i < sim->config->simulation.workload_count; i++)
		for (uint32_t k = 0; k < sim->config->simulation.workloads[i].connections; k++) {
			struct client *c = client_at(sim, i, k);

			if (c->tcp && c->connected)
				client_go_on(sim, c, now_ns);
		}
}

void clients_cut(struct sim *sim, uint64_t now_ns)
{
	for (unsigned i = 0; i < sim->config->simulation.workload_count; i++)
		for (uint32_t k = 0; k < sim->config->simulation.workloads[i].connections; k++) {
			struct client *c = client_at(sim, i, k);

			if (c->tcp)
				client_abort(sim, c, SIM_OUTCOME_CUT, now_ns);
		}
}
