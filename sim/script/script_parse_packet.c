/* SPDX-License-Identifier: BSD-2-Clause */
/* script_parse_packet.c: the packet of an event, from behind the arrow to the end of the line.
 *
 *   [from A:P] [to A:P] [badsum] [frag] FLAGS SEQ(LEN) [ack N] [win N] [<OPTIONS>] ["PAYLOAD"[...]]
 *   ... udp (LEN)            ... icmp NAME [mtu N] [[SEQ]]
 *
 * Refused is what no packet could be: a length that contradicts its edges or its payload, and, in
 * a packet that the script sends, anything that is left open. */
#include <stdlib.h>
#include <string.h>

#include "miresga/nearest.h"
#include "script_internal.h"

static const struct {
	char letter;
	uint8_t flag;
} flag_letters[] = {
	{ 'S', TCP_SYN }, { 'F', TCP_FIN }, { 'R', TCP_RST }, { 'P', TCP_PSH },
	{ '.', TCP_ACK }, { 'U', TCP_URG }, { 'E', TCP_ECE }, { 'W', TCP_CWR },
};

const struct script_tcp_option_name script_tcp_option_names[SCRIPT_OPTION_KINDS] = {
#define X(name, word_, byte_, values_) [SCRIPT_OPTION_##name] = { .word = word_, .byte = byte_, .values = values_ },
	SCRIPT_TCP_OPTIONS(X)
#undef X
};

static bool parse_flags(struct script_cursor *c, struct script_packet *p)
{
	const char *start;
	char found[48];

	script_skip_blanks(c);
	start = c->at;
	if (script_take(c, '*')) {
		p->any_flags = true;
		return true;
	}
	if (script_take(c, '-'))
		return true;
	for (bool known = true; known; c->at += known) {
		known = false;
		for (size_t i = 0; i < ARRAY_LEN(flag_letters); i++)
			if (*c->at == flag_letters[i].letter) {
				p->flags |= flag_letters[i].flag;
				known = true;
			}
	}
	if (c->at == start || (*c->at != ' ' && *c->at != '\t')) {
		c->at = start;
		return script_error(
			c, start,
			"expected TCP flags (letters of SFRP.UEW, '-' for none, '*' for any), 'udp' or 'icmp', "
			"found %s",
			script_found(c, found));
	}
	return true;
}

static bool parse_len(struct script_cursor *c, struct script_packet *p)
{
	uint64_t n;

	if (!script_need(c, '(', "before the length of the payload"))
		return false;
	if (script_take(c, '*')) {
		p->any_len = true;
	} else {
		if (!script_number(c, "a length", SCRIPT_PAYLOAD_MAX, &n))
			return false;
		p->len = (uint32_t)n;
	}
	return script_need(c, ')', "behind the length of the payload");
}

static bool same_terms(const struct script_expr *a, const struct script_expr *b)
{
	if (a->any || b->any || a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (a->terms[i].symbol != b->terms[i].symbol || a->terms[i].minus != b->terms[i].minus)
			return false;
	return true;
}

/* first:end(len), first(len), or a lone '*' */
static bool parse_seq(struct script_cursor *c, struct script_packet *p)
{
	struct script_expr end = { .any = true };
	const char *start;

	script_skip_blanks(c);
	start = c->at;
	if (!script_expression(c, "a sequence number", &p->seq))
		return false;
	if (p->seq.any && *c->at != ':' && *c->at != '(') {
		p->any_len = true;
		return true;
	}
	if (script_take(c, ':') && !script_expression(c, "the end of the sequence", &end))
		return false;
	if (!parse_len(c, p))
		return false;
	if (same_terms(&p->seq, &end) && !p->any_len && end.constant - p->seq.constant != p->len)
		return script_error(c, start, "the edges lie %u apart, but the length is %u",
				    end.constant - p->seq.constant, p->len);
	return true;
}

/* A number for a field of fewer than 32 bits. What symbols stand for is known only to the run. */
static bool parse_field(struct script_cursor *c, const char *what, uint32_t max, struct script_expr *out)
{
	const char *start;

	script_skip_blanks(c);
	start = c->at;
	if (!script_expression(c, what, out))
		return false;
	return out->any || out->count || out->constant <= max ||
	       script_error(c, start, "expected %s of at most %u", what, max);
}

static bool parse_sack(struct script_cursor *c, struct script_tcp_option *o)
{
	do {
		if (o->count + 2u > script_tcp_option_names[SCRIPT_OPTION_SACK].values)
			return script_error(c, c->at, "expected at most four SACK blocks");
		if (!script_expression(c, "a SACK edge", &o->values[o->count++]) ||
		    !script_need(c, ':', "between the edges of a SACK block") ||
		    !script_expression(c, "a SACK edge", &o->values[o->count++]))
			return false;
		script_skip_blanks(c);
	} while (*c->at != ',' && *c->at != '>' && !script_at_end(c));
	return true;
}

static bool parse_timestamps(struct script_cursor *c, struct script_tcp_option *o)
{
	static const char *const words[] = { "val", "ecr" };
	char found[48];

	for (; o->count < ARRAY_LEN(words); o->count++) {
		if (!script_take_word(c, words[o->count]))
			return script_error(c, c->at, "expected '%s', as in 'TS val 100 ecr 0', found %s",
					    words[o->count], script_found(c, found));
		if (!script_expression(c, "a timestamp", &o->values[o->count]))
			return false;
	}
	return true;
}

static bool parse_option(struct script_cursor *c, struct script_packet *p)
{
	struct script_tcp_option *o = &p->options[p->option_count];
	struct nearest near;
	char word[SCRIPT_NAME_MAX], meant[SCRIPT_MEANT_MAX];
	const char *start = c->at;

	if (p->option_count == SCRIPT_TCP_OPTIONS_MAX)
		return script_error(c, start, "expected at most %d options", SCRIPT_TCP_OPTIONS_MAX);
	if (!script_word(c, "a TCP option or '*'", word, sizeof(word)))
		return false;
	nearest_init(&near, word);
	for (o->kind = 0; o->kind < SCRIPT_OPTION_KINDS; o->kind++) {
		if (strcmp(script_tcp_option_names[o->kind].word, word) == 0)
			break;
		nearest_offer(&near, script_tcp_option_names[o->kind].word);
	}
	p->option_count++;
	switch (o->kind) {
	case SCRIPT_OPTION_KINDS:
		return script_error(c, start,
				    "expected a TCP option (mss, wscale, sackOK, sack, TS, nop, eol, FO, tag), "
				    "found '%s'%s",
				    word, script_meant(&near, meant));
	case SCRIPT_OPTION_SACK:
		return parse_sack(c, o);
	case SCRIPT_OPTION_TIMESTAMPS:
		return parse_timestamps(c, o);
	case SCRIPT_OPTION_MSS:
		return parse_field(c, "its value", UINT16_MAX, &o->values[o->count++]);
	case SCRIPT_OPTION_WSCALE:
		return parse_field(c, "its value", UINT8_MAX, &o->values[o->count++]);
	default:
		return true;
	}
}

static bool parse_options(struct script_cursor *c, struct script_packet *p)
{
	p->has_options = true;
	if (script_take(c, '>'))
		return true;
	do {
		script_skip_blanks(c);
		if (script_take(c, '*'))
			p->more_options = true;
		else if (!parse_option(c, p))
			return false;
	} while (script_take(c, ','));
	return script_need(c, '>', "behind the options");
}

static bool parse_text(struct script_cursor *c, struct script_packet *p)
{
	const char *start = c->at;

	p->has_text = true;
	if (!script_string(c, &p->text, &p->text_len))
		return false;
	if (strncmp(c->at, "...", 3) == 0) {
		c->at += 3;
		p->filled = true;
	}
	if (p->any_len || (p->filled ? p->text_len <= p->len : p->text_len == p->len))
		return true;
	return script_error(c, start, "the payload has %u bytes, but the length says %u%s", p->text_len, p->len,
			    p->text_len < p->len ? "; '...' behind the string stands for the rest" : "");
}

static bool parse_tcp(struct script_cursor *c, struct script_packet *p)
{
	if (!parse_flags(c, p) || !parse_seq(c, p))
		return false;
	if (script_take_word(c, "ack")) {
		p->has_ack = true;
		if (!script_expression(c, "an acknowledgement number", &p->ack))
			return false;
	}
	if (script_take_word(c, "win")) {
		p->has_window = true;
		if (!parse_field(c, "a window", UINT16_MAX, &p->window))
			return false;
	}
	if (script_take(c, '<') && !parse_options(c, p))
		return false;
	script_skip_blanks(c);
	return *c->at != '"' || parse_text(c, p);
}

static bool parse_icmp(struct script_cursor *c, struct script_packet *p)
{
	char name[SCRIPT_NAME_MAX], found[48];
	const char *start;
	uint64_t n;

	p->form = SCRIPT_ICMP;
	p->seq.any = true;
	script_skip_blanks(c);
	start = c->at;
	script_found(c, found);
	if (!script_word(c, "the kind of ICMP message", name, sizeof(name)))
		return false;
	if (script_icmp_find(name, &p->icmp_type, &p->icmp_code) < 0)
		return script_error(c, start,
				    "expected frag_needed, net_unreachable, host_unreachable, port_unreachable, "
				    "time_exceeded or echo_request, found %s",
				    found);
	if (script_take_word(c, "mtu")) {
		if (!script_number(c, "an MTU", 65535, &n))
			return false;
		p->mtu = (uint16_t)n;
	}
	if (!script_take(c, '['))
		return true;
	return script_expression(c, "the quoted sequence number", &p->seq) &&
	       script_need(c, ']', "behind the quoted sequence number");
}

static bool parse_modifiers(struct script_cursor *c, struct script_packet *p)
{
	for (;;) {
		if (script_take_word(c, "from")) {
			p->has_from = true;
			if (!script_endpoint(c, &p->from))
				return false;
		} else if (script_take_word(c, "to")) {
			p->has_to = true;
			if (!script_endpoint(c, &p->to))
				return false;
		} else if (script_take_word(c, "badsum")) {
			p->bad_checksum = true;
		} else if (script_take_word(c, "frag")) {
			p->fragment = true;
		} else {
			return !c->failed;
		}
	}
}

static bool is_open(const struct script_packet *p)
{
	bool open = p->any_flags || (p->any_len && !p->has_text) || (p->has_ack && p->ack.any) || p->more_options ||
		    (p->has_window && p->window.any) || (p->form == SCRIPT_TCP && p->seq.any);

	for (unsigned i = 0; i < p->option_count; i++)
		for (unsigned k = 0; k < p->options[i].count; k++)
			open |= p->options[i].values[k].any;
	return open;
}

bool script_parse_packet(struct script_cursor *c, struct script_packet *p, bool expected)
{
	const char *start;

	if (!parse_modifiers(c, p))
		return false;
	script_skip_blanks(c);
	start = c->at;
	if (script_take_word(c, "udp")) {
		p->form = SCRIPT_UDP;
		p->seq.any = true;
		if (!parse_len(c, p))
			return false;
	} else if (script_take_word(c, "icmp")) {
		if (!parse_icmp(c, p))
			return false;
	} else if (!parse_tcp(c, p)) {
		return false;
	}
	if (!expected && is_open(p))
		return script_error(c, start, "expected numbers instead of '*': the script sends this packet");
	if (!expected && p->any_len)
		p->len = p->text_len;
	return script_end_of_line(c);
}
