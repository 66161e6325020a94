/* SPDX-License-Identifier: BSD-2-Clause */
/* script_match.c: is this the packet that the script expects? Field by field.
 *
 * A number that contains one unbound symbol binds it, in the order flags, seq, ack, window,
 * options; bindings count only if everything agrees. Addresses and checksums are always compared,
 * since no script wants them to be otherwise unless it says so; NOP and EOL never, since they are
 * padding. */
#include "script_internal.h"

#include <string.h>

#include "miresga/special_syn.h"
#include "miresga/tcp_options.h"

bool script_sent_towards_server(const struct script *s, const struct script_event *e)
{
	const struct script_packet *p = &e->packet;
	be32 client = s->clients[e->client].address.addr;

	if (e->port.tap != TAP_FRONTEND)
		return e->port.tap == TAP_CLIENT || e->port.out;
	return p->has_from ? p->from.addr == client : !p->has_to || p->to.addr != client;
}

bool script_towards_server(const struct script *s, const struct script_event *e, const struct script_view *view)
{
	if (e->port.tap == TAP_CLIENT)
		return !e->port.out;
	if (e->port.tap == TAP_FRONTEND)
		return view->src.addr == s->clients[e->client].address.addr;
	return e->port.out;
}

struct script_ends script_ends_of(const struct script *s, const struct script_event *e, bool towards_server)
{
	struct endpoint client = s->clients[e->client].address, server = s->config->vip;
	struct script_ends ends = { .any_backend = false };

	if (e->port.tap == TAP_WIRE || e->port.tap == TAP_STACK)
		server = s->config->backends[e->port.index].address;
	/* What a front-end sends to a server, or gets from one, bears that server's address. */
	ends.any_backend = e->port.tap == TAP_FRONTEND && towards_server != e->port.out;
	ends.src = ends.quoted_dst = towards_server ? client : server;
	ends.dst = ends.quoted_src = towards_server ? server : client;
	if (e->packet.has_from)
		ends.src = e->packet.from;
	if (e->packet.has_to)
		ends.dst = e->packet.to;
	return ends;
}

int script_evaluate(const struct script_values *v, const struct script_expr *e, const struct script_client *space,
		    uint32_t *out, unsigned *missing)
{
	*out = e->constant + (e->count == 0 && space ? space->isn : 0);
	for (unsigned i = 0; i < e->count; i++) {
		const struct script_symbol_value *value = &v->of[e->terms[i].symbol];

		if (!value->bound) {
			*missing = i;
			return -1;
		}
		*out += e->terms[i].minus ? -value->value : value->value;
	}
	return 0;
}

bool script_agree(struct script_values *v, const struct script_expr *e, const struct script_client *space,
		  uint32_t actual)
{
	uint32_t expected, rest = e->constant;
	unsigned missing;

	if (e->any)
		return true;
	if (script_evaluate(v, e, space, &expected, &missing) == 0)
		return expected == actual;
	for (unsigned i = 0; i < e->count; i++) {
		const struct script_symbol_value *value = &v->of[e->terms[i].symbol];

		if (i == missing)
			continue;
		if (!value->bound)
			return false; /* two unknowns */
		rest += e->terms[i].minus ? -value->value : value->value;
	}
	v->of[e->terms[missing].symbol] = (struct script_symbol_value){
		.bound = true,
		.value = e->terms[missing].minus ? rest - actual : actual - rest,
	};
	return true;
}

/* What is being compared; differences are counted, and written if somebody reads them. */
struct matching {
	const struct script *script;
	const struct script_event *event;
	const struct script_view *view;
	struct script_values values;
	const struct script_client *seq_space, *ack_space;
	struct script_ends ends;
	bool towards_server;
	FILE *out;
	unsigned differences;
};

static void differ(struct matching *m, const char *field)
{
	m->differences++;
	if (m->out)
		fprintf(m->out, "    %-9s expected ", field);
}

static void match_number(struct matching *m, const char *field, const struct script_expr *e,
			 const struct script_client *space, uint32_t actual)
{
	unsigned missing;
	uint32_t expected;

	if (script_agree(&m->values, e, space, actual))
		return;
	differ(m, field);
	if (!m->out)
		return;
	script_print_expr(m->out, m->script, e);
	if (e->count && script_evaluate(&m->values, e, space, &expected, &missing) == 0)
		fprintf(m->out, " (%u)", expected);
	fputs(", got ", m->out);
	script_print_number(m->out, &m->values, space, actual);
	fprintf(m->out, " (%u)\n", actual);
}

static void match_plain(struct matching *m, const char *field, uint32_t expected, uint32_t actual)
{
	if (expected == actual)
		return;
	differ(m, field);
	if (m->out)
		fprintf(m->out, "%u, got %u\n", expected, actual);
}

static void match_endpoint(struct matching *m, const char *field, struct endpoint expected, struct endpoint actual)
{
	char a[ENDPOINT_TEXT_MAX], b[ENDPOINT_TEXT_MAX];
	bool is_server = m->towards_server == (strcmp(field, "to") == 0);

	if (endpoint_equal(expected, actual))
		return;
	for (unsigned i = 0; m->ends.any_backend && is_server && i < m->script->config->backend_count; i++)
		if (endpoint_equal(m->script->config->backends[i].address, actual))
			return;
	differ(m, field);
	if (m->out)
		fprintf(m->out, "%s, got %s\n", endpoint_format(expected, a), endpoint_format(actual, b));
}

/* The values of an option in the order of the script's. Returns how many. */
static unsigned option_values(const struct script_raw_option *o, int kind, uint32_t out[8])
{
	if (kind == SCRIPT_OPTION_MSS && o->len == 2)
		out[0] = load_be16(o->data);
	else if (kind == SCRIPT_OPTION_WSCALE && o->len == 1)
		out[0] = o->data[0];
	else if ((kind == SCRIPT_OPTION_SACK || kind == SCRIPT_OPTION_TIMESTAMPS) && o->len % 4 == 0 && o->len <= 32)
		for (unsigned i = 0; i < o->len / 4u; i++)
			out[i] = load_be32(o->data + 4 * i);
	else
		return 0;
	return kind == SCRIPT_OPTION_SACK || kind == SCRIPT_OPTION_TIMESTAMPS ? o->len / 4u : 1;
}

static bool tag_right(const struct matching *m, const struct script_raw_option *o)
{
	return special_syn_check(&m->script->config->tag_key, m->view->src, m->view->dst, m->view->seq, m->view->ack,
				 o->data - 2, o->len + 2u);
}

static void match_option(struct matching *m, const struct script_tcp_option *e, const struct script_raw_option *o)
{
	const struct script_client *space = e->kind == SCRIPT_OPTION_SACK ? m->ack_space : NULL;
	uint32_t values[8];
	unsigned count = option_values(o, e->kind, values);

	if (count != e->count) {
		differ(m, script_tcp_option_names[e->kind].word);
		if (m->out)
			fprintf(m->out, "%u values, got %u\n", e->count, count);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		match_number(m, script_tcp_option_names[e->kind].word, &e->values[i], space, values[i]);
	if (e->kind == SCRIPT_OPTION_TAG && !tag_right(m, o)) {
		differ(m, "tag");
		if (m->out)
			fputs("the front-end's, got another\n", m->out);
	}
}

/* The next option that is no padding. */
static bool next_real(const struct script_view *view, uint32_t *at, struct script_raw_option *o)
{
	while (script_next_option(view, at, o))
		if (o->kind != TCPOPT_NOP && o->kind != TCPOPT_EOL)
			return true;
	return false;
}

static void match_options(struct matching *m)
{
	const struct script_packet *p = &m->event->packet;
	struct script_raw_option o;
	uint32_t at = 0;
	bool there;

	for (unsigned i = 0; i < p->option_count; i++) {
		const struct script_tcp_option *e = &p->options[i];

		if (e->kind == SCRIPT_OPTION_NOP || e->kind == SCRIPT_OPTION_EOL)
			continue;
		do {
			there = next_real(m->view, &at, &o);
		} while (there && p->more_options && o.kind != script_tcp_option_names[e->kind].byte);
		if (there && o.kind == script_tcp_option_names[e->kind].byte) {
			match_option(m, e, &o);
			continue;
		}
		differ(m, "options");
		if (m->out) {
			fprintf(m->out, "%s, got ", script_tcp_option_names[e->kind].word);
			script_print_options(m->out, &m->values, m->ack_space, m->view);
			fputc('\n', m->out);
		}
		return;
	}
	if (p->more_options || !next_real(m->view, &at, &o))
		return;
	differ(m, "options");
	if (m->out) {
		fputs(p->option_count ? "no more than said, got " : "none, got ", m->out);
		script_print_options(m->out, &m->values, m->ack_space, m->view);
		fputc('\n', m->out);
	}
}

static void match_text(struct matching *m)
{
	const struct script_packet *p = &m->event->packet;
	uint32_t n = MIN(p->text_len, m->view->payload_len), i = 0;

	if (!p->has_text)
		return;
	while (i < n && p->text[i] == m->view->payload[i])
		i++;
	if (i == p->text_len && (p->filled || p->text_len == m->view->payload_len))
		return;
	differ(m, "payload");
	if (!m->out)
		return;
	if (i < n)
		fprintf(m->out, "byte %u to be 0x%02x, got 0x%02x\n", i, p->text[i], m->view->payload[i]);
	else
		fprintf(m->out, "%u bytes, got %u\n", p->text_len, m->view->payload_len);
}

static void match_tcp(struct matching *m)
{
	const struct script_packet *p = &m->event->packet;
	const struct script_view *v = m->view;

	if (!p->any_flags && p->flags != v->flags) {
		differ(m, "flags");
		if (m->out) {
			script_print_flags(m->out, p->flags);
			fputs(", got ", m->out);
			script_print_flags(m->out, v->flags);
			fputc('\n', m->out);
		}
	}
	match_number(m, "seq", &p->seq, m->seq_space, v->seq);
	if (!p->any_len)
		match_plain(m, "length", p->len, v->payload_len);
	if (p->has_ack)
		match_number(m, "ack", &p->ack, m->ack_space, v->ack);
	if (p->has_window)
		match_number(m, "win", &p->window, NULL, v->window);
	if (p->has_options)
		match_options(m);
	match_text(m);
}

static void match_icmp(struct matching *m)
{
	const struct script_packet *p = &m->event->packet;
	const struct script_view *v = m->view;

	if (p->icmp_type != v->icmp_type || p->icmp_code != v->icmp_code) {
		differ(m, "kind");
		if (m->out)
			fprintf(m->out, "%s, got %s\n", script_icmp_name(p->icmp_type, p->icmp_code),
				script_icmp_name(v->icmp_type, v->icmp_code));
	}
	match_plain(m, "mtu", p->mtu, v->mtu);
	/* Any router may be the source. */
	if (p->has_from)
		match_endpoint(m, "from", endpoint_make(p->from.addr, v->src.port), v->src);
	match_endpoint(m, "to", endpoint_make(m->ends.dst.addr, v->dst.port), v->dst);
	if (p->seq.any)
		return;
	match_number(m, "seq", &p->seq, m->seq_space, v->seq);
	/* The quoted packet went the other way. */
	match_endpoint(m, "to", m->ends.quoted_src, v->quoted_src);
	match_endpoint(m, "from", m->ends.quoted_dst, v->quoted_dst);
}

static bool same_port(struct script_port a, struct script_port b)
{
	return a.tap == b.tap && a.index == b.index && a.out == b.out;
}

static void match_all(struct matching *m)
{
	const struct script_packet *p = &m->event->packet;
	const struct script_view *v = m->view;
	static const char *const forms[] = { [SCRIPT_TCP] = "TCP", [SCRIPT_UDP] = "UDP", [SCRIPT_ICMP] = "ICMP" };

	if (!v->known || p->form != v->form) {
		differ(m, "kind");
		if (m->out)
			fprintf(m->out, "%s, got %s\n", forms[p->form], v->known ? forms[v->form] : "something else");
		return;
	}
	if (p->form != SCRIPT_ICMP) {
		match_endpoint(m, "from", m->ends.src, v->src);
		match_endpoint(m, "to", m->ends.dst, v->dst);
	}
	if (p->form == SCRIPT_TCP)
		match_tcp(m);
	else if (p->form == SCRIPT_ICMP)
		match_icmp(m);
	else if (!p->any_len)
		match_plain(m, "length", p->len, v->payload_len);
	if (v->right == p->bad_checksum) {
		differ(m, "checksum");
		if (m->out)
			fprintf(m->out, "%s\n",
				v->right ? "a wrong one, got a right one" : "a right one, got a wrong one");
	}
}

bool script_match(const struct script_match *want, struct script_port at)
{
	const struct script *s = want->values->script;
	const struct script_client *client = &s->clients[want->event->client];
	struct matching m = {
		.script = s, .event = want->event, .view = want->view, .values = *want->values, .out = want->out
	};

	m.towards_server = script_towards_server(s, want->event, want->view);
	m.ends = script_ends_of(s, want->event, m.towards_server);
	/* Numbers of the client's own stream count from its initial one; an ICMP error quotes the other stream. */
	m.seq_space = m.towards_server == (want->event->packet.form != SCRIPT_ICMP) ? client : NULL;
	m.ack_space = m.towards_server ? NULL : client;
	if (!same_port(want->event->port, at)) {
		differ(&m, "port");
		if (m.out) {
			script_print_port(m.out, want->event->port);
			fputs(", got ", m.out);
			script_print_port(m.out, at);
			fputc('\n', m.out);
		}
		return false;
	}
	match_all(&m);
	if (m.differences)
		return false;
	*want->values = m.values;
	return true;
}
