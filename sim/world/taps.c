/* SPDX-License-Identifier: BSD-2-Clause */
/* taps.c: -w: every packet on every tap, with a comment that says what happened to it.
 *
 * One interface per tap: the client side, each front-end, each backend before ("wire") and after
 * ("stack") its agent. A frame is written as it entered its consumer; the comment tells where it
 * comes from and what the consumer did. */
#include "taps.h"

#include <stdarg.h>
#include <stdio.h>

#include "../tcp/segment.h"

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

static void comment_frontend(struct comment *c, const struct config *config, const struct packet *p)
{
	const struct packet_note *n = &p->note;

	for (unsigned i = 0; i < n->transitions; i++)
		comment_add(c, "%s%s x %s -> %s", i == 0 ? "; FSM " : ", ", fsm_state_name(n->transition[i].state),
			    fsm_event_name(n->transition[i].event), fsm_state_name(n->transition[i].next));
	if (n->transitions > 0 && n->backend < config->backend_count)
		comment_add(c, ", backend %s", config->backends[n->backend].name);
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
static unsigned taps_interface(const struct tap_sight *s)
{
	switch (s->kind) {
	case TAP_CLIENT:
		return 0;
	case TAP_FRONTEND:
		return 1 + s->index;
	default:
		return 1 + s->config->frontends.count + 2 * s->index + (s->kind == TAP_STACK);
	}
}

struct pcapng_writer *taps_open(const struct config *config, const char *path, const char *application,
				char error[PCAPNG_ERROR_MAX])
{
	struct pcapng_writer *w = pcapng_open(path, application, error);
	char name[CONFIG_NAME_MAX + 16], address[ENDPOINT_TEXT_MAX];

	if (!w)
		return NULL;
	pcapng_add_interface(w, "client", "between clients and switch");
	for (unsigned i = 0; i < config->frontends.count; i++) {
		snprintf(name, sizeof(name), "fe%u", i);
		pcapng_add_interface(w, name, "between switch and front-end");
	}
	for (unsigned i = 0; i < config->backend_count; i++) {
		const struct config_backend *b = &config->backends[i];

		endpoint_format(b->address, address);
		snprintf(name, sizeof(name), "be %s wire", b->name);
		pcapng_add_interface(w, name, address);
		snprintf(name, sizeof(name), "be %s stack", b->name);
		pcapng_add_interface(w, name, address);
	}
	return w;
}

bool taps_at_endpoint(const struct tap_sight *s)
{
	return (s->kind == TAP_CLIENT && !s->towards_server) || (s->kind == TAP_STACK && s->towards_server);
}

bool taps_checksums_hold(const struct tap_sight *sight)
{
	struct segment s;

	return sight->len < ETH_HDR_LEN || load_be16(sight->frame + ETH_HDR_LEN - 2) != ETHERTYPE_IPV4 ||
	       !segment_parse(&s, sight->frame + ETH_HDR_LEN, sight->len - ETH_HDR_LEN) ||
	       segment_checksums_right(s.ip, s.tcp_at);
}

void taps_write(struct pcapng_writer *w, const struct tap_sight *s, uint64_t now_ns)
{
	const struct packet *p = s->packet;
	struct comment c = { .len = 0 };

	if (p->frame)
		comment_add(&c, "frame %u", p->frame);
	else
		comment_add(&c, "made here");
	if (p->cut)
		comment_add(&c, " from payload byte %u on", p->cut);
	if (drop_on_the_way(p->drop))
		comment_add(&c, "; dropped: %s", drop_key(p->drop));
	else if (taps_at_endpoint(s))
		comment_add(&c, "; delivered");
	else if (s->kind == TAP_FRONTEND && s->towards_server)
		comment_frontend(&c, s->config, p);
	else if (s->kind == TAP_STACK || (s->kind == TAP_WIRE && s->towards_server))
		comment_agent(&c, p);
	else
		comment_switch(&c, p);
	if (p->note.remark)
		comment_add(&c, "; %s", p->note.remark);
	pcapng_write(w, taps_interface(s), now_ns, s->frame, s->len, c.text);
}
