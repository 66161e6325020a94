/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_taps.c: -w: every packet on every tap, with a comment that says what happened to it.
 *
 * One interface per tap: the client side, each front-end, each backend before ("wire") and after
 * ("stack") its agent. A frame is written as it entered its consumer; the comment tells where it
 * comes from and what the consumer did. The oracle looks at the checksums here too, where no
 * endpoint does. */
#include <stdarg.h>
#include <stdio.h>

#include "miresga/pcapng.h"
#include "replay_internal.h"

#define COMMENT_MAX 512

struct comment {
	char text[COMMENT_MAX];
	size_t len;
};

static void comment_add(struct comment *c, const char *format, ...) FORMAT_PRINTF(2, 3);

static void comment_add(struct comment *c, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(c->text + c->len, sizeof(c->text) - c->len, format, args);
	va_end(args);
	if (n > 0)
		c->len = MIN(c->len + (size_t)n, sizeof(c->text) - 1);
}

static void comment_switch(struct comment *c, const struct packet *p)
{
	const struct phv *v = &p->phv;
	const char *stage = p->note.stage < STAGE_COUNT ? switch_pipeline[p->note.stage].name : "?";

	if (p->fate == FATE_DROP) {
		comment_add(c, "; switch %s: dropped: %s", stage, drop_text(p->drop));
		return;
	}
	if (v->ether_type == ETHERTYPE_IPV4 && v->steering_row < switch_steering_rows)
		comment_add(c, "; switch: row %s: %s", switch_steering[v->steering_row].name,
			    switch_steering_action_text(v->action));
	else
		comment_add(c, "; switch %s", stage);
	if (v->action == STEER_TO_FRONTEND)
		comment_add(c, ", LB index %u", v->lb_index);
	if (v->hit)
		comment_add(c, ", hit, D index %u", v->hit_d_index);
	if (v->from_backend)
		comment_add(c, ", from backend %u", v->source_d_index);
	if (p->fate == FATE_ABSORB)
		comment_add(c, ", absorbed");
	else
		comment_add(c, " -> port %u", p->egress_port);
}

static void comment_frontend(struct comment *c, const struct replay *r, const struct packet *p)
{
	const struct packet_note *n = &p->note;

	for (unsigned i = 0; i < n->transitions; i++)
		comment_add(c, "%s%s x %s -> %s", i == 0 ? "; FSM " : ", ", fsm_state_name(n->transition[i].state),
			    fsm_event_name(n->transition[i].event), fsm_state_name(n->transition[i].next));
	if (n->transitions > 0 && n->backend < r->config->backend_count)
		comment_add(c, ", backend %s", r->config->backends[n->backend].name);
	if (p->fate == FATE_DROP)
		comment_add(c, "; dropped: %s", drop_text(p->drop));
	else
		comment_add(c, p->fate == FATE_ABSORB ? "; absorbed" : "; forwarded");
}

static void comment_agent(struct comment *c, const struct packet *p)
{
	if (p->note.translated)
		comment_add(c, "; agent: Δ = %u", p->note.delta);
	else
		comment_add(c, "; agent: untouched");
	if (p->fate == FATE_REPLY)
		comment_add(c, "; sent back: %s", drop_text(p->drop));
	else if (p->fate == FATE_DROP)
		comment_add(c, "; dropped: %s", drop_text(p->drop));
}

/* Interfaces stand in a fixed order: client, front-ends, then wire and stack of each backend. */
static unsigned taps_interface(const struct replay *r, enum tap_kind kind, unsigned index)
{
	switch (kind) {
	case TAP_CLIENT:
		return 0;
	case TAP_FRONTEND:
		return 1 + index;
	default:
		return 1 + r->config->frontends.count + 2 * index + (kind == TAP_STACK);
	}
}

int taps_open(struct replay *r, char error[TRACE_ERROR_MAX])
{
	char name[CONFIG_NAME_MAX + 16], address[ENDPOINT_TEXT_MAX];

	r->pcapng = pcapng_open(r->options->pcapng, "miresga replay", error);
	if (!r->pcapng)
		return -1;
	pcapng_add_interface(r->pcapng, "client", "between clients and switch");
	for (unsigned i = 0; i < r->config->frontends.count; i++) {
		snprintf(name, sizeof(name), "fe%u", i);
		pcapng_add_interface(r->pcapng, name, "between switch and front-end");
	}
	for (unsigned i = 0; i < r->config->backend_count; i++) {
		const struct config_backend *b = &r->config->backends[i];

		endpoint_format(b->address, address);
		snprintf(name, sizeof(name), "be %s wire", b->name);
		pcapng_add_interface(r->pcapng, name, address);
		snprintf(name, sizeof(name), "be %s stack", b->name);
		pcapng_add_interface(r->pcapng, name, address);
	}
	return 0;
}

void taps_hook(void *ctx, enum tap_kind kind, unsigned index, bool towards_server, const uint8_t *frame, uint32_t len,
	       const struct packet *p, uint64_t now_ns)
{
	struct replay *r = ctx;
	struct comment c = { .len = 0 };
	bool to_endpoint = (kind == TAP_CLIENT && !towards_server) || (kind == TAP_STACK && towards_server);

	if (p->frame)
		comment_add(&c, "frame %u", p->frame);
	else
		comment_add(&c, "made here");
	if (p->cut)
		comment_add(&c, " from payload byte %u on", p->cut);
	if (to_endpoint) {
		comment_add(&c, "; delivered");
	} else {
		oracle_checksums(r, p, frame, len);
		if (kind == TAP_FRONTEND && towards_server)
			comment_frontend(&c, r, p);
		else if (kind == TAP_STACK || (kind == TAP_WIRE && towards_server))
			comment_agent(&c, p);
		else
			comment_switch(&c, p);
	}
	if (p->note.remark)
		comment_add(&c, "; %s", p->note.remark);
	pcapng_write(r->pcapng, taps_interface(r, kind, index), now_ns, frame, len, c.text);
}
