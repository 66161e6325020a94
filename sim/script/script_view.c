/* SPDX-License-Identifier: BSD-2-Clause */
/* script_view.c: what a frame says, and how a script would say it.
 *
 * Numbers are printed as a script writes them: in a client's space counted from its initial
 * number, elsewhere from the nearest symbol below. A frame that cannot be read is printed as its
 * length alone. */
#include "script_internal.h"

#include <string.h>

#include "../tcp/segment.h"
#include "miresga/checksum.h"

#define NEAR (1u << 24) /* a symbol further away explains nothing */
#define PAYLOAD_SHOWN 48

static const struct {
	const char *name;
	uint8_t type, code;
} icmp_names[] = {
	{ "echo_request", 8, 0 },
	{ "net_unreachable", ICMP_UNREACHABLE, 0 },
	{ "host_unreachable", ICMP_UNREACHABLE, 1 },
	{ "port_unreachable", ICMP_UNREACHABLE, 3 },
	{ "frag_needed", ICMP_UNREACHABLE, 4 },
	{ "time_exceeded", ICMP_TIME_EXCEEDED, 0 },
};

const char *script_icmp_name(uint8_t type, uint8_t code)
{
	for (size_t i = 0; i < ARRAY_LEN(icmp_names); i++)
		if (icmp_names[i].type == type && icmp_names[i].code == code)
			return icmp_names[i].name;
	return "other";
}

int script_icmp_find(const char *name, uint8_t *type, uint8_t *code)
{
	for (size_t i = 0; i < ARRAY_LEN(icmp_names); i++)
		if (strcmp(icmp_names[i].name, name) == 0) {
			*type = icmp_names[i].type;
			*code = icmp_names[i].code;
			return 0;
		}
	return -1;
}

static void read_tcp(struct script_view *v)
{
	struct segment s;

	if (!segment_parse(&s, v->ip, v->len))
		return;
	v->known = true;
	v->form = SCRIPT_TCP;
	v->right = segment_checksums_right(v->ip, s.tcp_at);
	v->src = s.src;
	v->dst = s.dst;
	v->flags = s.flags;
	v->seq = s.seq;
	v->ack = s.ack;
	v->window = s.window;
	v->options = v->ip + s.tcp_at + TCP_HDR_MIN;
	v->options_len = (uint32_t)(s.payload_at - s.tcp_at - TCP_HDR_MIN);
	v->payload = v->ip + s.payload_at;
	v->payload_len = s.payload_len;
}

static void read_icmp(struct script_view *v, uint32_t ihl)
{
	const struct icmp_hdr *icmp = (const void *)(v->ip + ihl);
	const struct ipv4_hdr *quoted = (const void *)(icmp + 1);
	const uint8_t *tcp = (const uint8_t *)(quoted + 1);

	if (v->len < ihl + sizeof(*icmp))
		return;
	v->known = true;
	v->form = SCRIPT_ICMP;
	v->icmp_type = icmp->type;
	v->icmp_code = icmp->code;
	v->mtu = (uint16_t)be32_to(icmp->rest);
	v->right = csum_sum(v->ip, ihl, 0) == 0xffff && csum_sum(icmp, v->len - ihl, 0) == 0xffff;
	if (v->len < ihl + sizeof(*icmp) + sizeof(*quoted) + 8)
		return;
	v->quoted_src = endpoint_make(quoted->src, be16_from(load_be16(tcp)));
	v->quoted_dst = endpoint_make(quoted->dst, be16_from(load_be16(tcp + 2)));
	v->seq = load_be32(tcp + 4);
}

void script_view_read(struct script_view *v, const uint8_t *frame, uint32_t len)
{
	const struct ipv4_hdr *ip = (const void *)(frame + ETH_HDR_LEN);
	uint32_t ihl, total;

	*v = (struct script_view){ .ip = frame + ETH_HDR_LEN, .len = len < ETH_HDR_LEN ? 0 : len - ETH_HDR_LEN };
	if (v->len < IPV4_HDR_MIN || load_be16(frame + 2 * ETH_ADDR_LEN) != ETHERTYPE_IPV4)
		return;
	ihl = (ip->version_ihl & 15) * 4u;
	total = be16_to(ip->total_len);
	if (ihl < IPV4_HDR_MIN || total > v->len || ihl > total)
		return;
	v->len = total;
	v->src.addr = ip->src;
	v->dst.addr = ip->dst;
	v->fragment = be16_to(ip->frag) & (IP_FLAG_MF | IP_OFFSET_MASK);
	if (ip->proto == IP_PROTO_TCP) {
		read_tcp(v);
	} else if (ip->proto == IP_PROTO_ICMP) {
		read_icmp(v, ihl);
	} else if (ip->proto == IP_PROTO_UDP && total >= ihl + 8) {
		v->known = v->right = true;
		v->form = SCRIPT_UDP;
		v->src.port = be16_from(load_be16(v->ip + ihl));
		v->dst.port = be16_from(load_be16(v->ip + ihl + 2));
		v->payload_len = total - ihl - 8;
	}
}

bool script_next_option(const struct script_view *view, uint32_t *at, struct script_raw_option *out)
{
	const uint8_t *o = view->options + *at;
	uint32_t left = view->options_len - *at;

	if (left == 0)
		return false;
	*out = (struct script_raw_option){ .kind = o[0] };
	if (o[0] <= 1) {
		(*at)++;
		return true;
	}
	if (left < 2 || o[1] < 2 || o[1] > left)
		return false;
	out->len = (uint8_t)(o[1] - 2);
	out->data = o + 2;
	*at += o[1];
	return true;
}

int script_option_of(uint8_t kind)
{
	for (int i = 0; i < SCRIPT_OPTION_KINDS; i++)
		if (script_tcp_option_names[i].byte == kind)
			return i;
	return -1;
}

const struct script_client *script_client_of(const struct script *s, struct endpoint e)
{
	for (unsigned i = 0; i < s->client_count; i++)
		if (endpoint_equal(s->clients[i].address, e))
			return &s->clients[i];
	return NULL;
}

void script_print_port(FILE *out, struct script_port port)
{
	const char *arrow = port.out ? ">" : "<";

	switch (port.tap) {
	case TAP_CLIENT:
		fprintf(out, "client %s", arrow);
		break;
	case TAP_FRONTEND:
		fprintf(out, "fe%u %s", port.index, arrow);
		break;
	default:
		fprintf(out, "be%u.%s %s", port.index, port.tap == TAP_WIRE ? "wire" : "stack", arrow);
	}
}

void script_print_number(FILE *out, const struct script_values *v, const struct script_client *client, uint32_t n)
{
	uint32_t nearest = NEAR;
	unsigned at = 0;

	if (client) {
		uint32_t from = n - client->isn;

		if (from < UINT32_MAX - NEAR)
			fprintf(out, "%u", from);
		else
			fprintf(out, "%d", (int)from);
		return;
	}
	for (unsigned i = 0; i < v->script->symbol_count; i++)
		if (v->of[i].bound && n - v->of[i].value < nearest) {
			nearest = n - v->of[i].value;
			at = i;
		}
	if (nearest == NEAR || n < nearest)
		fprintf(out, "%u", n);
	else if (nearest == 0)
		fprintf(out, "%s", v->script->symbols[at]);
	else
		fprintf(out, "%s+%u", v->script->symbols[at], nearest);
}

void script_print_expr(FILE *out, const struct script *s, const struct script_expr *e)
{
	if (e->any) {
		fprintf(out, "*");
		return;
	}
	for (unsigned i = 0; i < e->count; i++)
		fprintf(out, "%s%s", e->terms[i].minus ? "-" : i ? "+" : "", s->symbols[e->terms[i].symbol]);
	if (!e->count)
		fprintf(out, "%u", e->constant);
	else if (e->constant)
		fprintf(out, "%+d", (int)e->constant);
}

void script_print_flags(FILE *out, uint8_t flags)
{
	static const char letters[] = "FSRP.UEW"; /* from bit 0 on */

	if (!flags)
		fputc('-', out);
	for (unsigned i = 0; i < 8; i++)
		if (flags & 1u << i)
			fputc(letters[i], out);
}

static void print_option(FILE *out, const struct script_values *v, const struct script_client *client,
			 const struct script_raw_option *o)
{
	int kind = script_option_of(o->kind);

	if (kind < 0) {
		fprintf(out, "kind-%u", o->kind);
		return;
	}
	fputs(script_tcp_option_names[kind].word, out);
	if (kind == SCRIPT_OPTION_MSS && o->len == 2)
		fprintf(out, " %u", load_be16(o->data));
	if (kind == SCRIPT_OPTION_WSCALE && o->len == 1)
		fprintf(out, " %u", o->data[0]);
	for (unsigned i = 0; kind == SCRIPT_OPTION_SACK && i + 8 <= o->len; i += 8) {
		fputc(' ', out);
		script_print_number(out, v, client, load_be32(o->data + i));
		fputc(':', out);
		script_print_number(out, v, client, load_be32(o->data + i + 4));
	}
	if (kind == SCRIPT_OPTION_TIMESTAMPS && o->len == 8) {
		fputs(" val ", out);
		script_print_number(out, v, NULL, load_be32(o->data));
		fputs(" ecr ", out);
		script_print_number(out, v, NULL, load_be32(o->data + 4));
	}
}

void script_print_options(FILE *out, const struct script_values *v, const struct script_client *client,
			  const struct script_view *view)
{
	struct script_raw_option o;
	uint32_t at = 0;
	bool first = true;

	fputc('<', out);
	for (; script_next_option(view, &at, &o); first = false) {
		fputs(first ? "" : ",", out);
		print_option(out, v, client, &o);
	}
	fputs(at < view->options_len ? ",malformed>" : ">", out);
}

static void print_payload(FILE *out, const struct script_view *view)
{
	uint32_t n = MIN(view->payload_len, PAYLOAD_SHOWN);

	fputs(" \"", out);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t b = view->payload[i];

		if (b == '\r' || b == '\n')
			fputs(b == '\r' ? "\\r" : "\\n", out);
		else if (b == '"' || b == '\\')
			fprintf(out, "\\%c", b);
		else if (b < 32 || b > 126)
			fprintf(out, "\\x%02x", b);
		else
			fputc(b, out);
	}
	fputs(n < view->payload_len ? "\"..." : "\"", out);
}

static void print_tcp(FILE *out, const struct script_values *v, const struct script_view *view)
{
	const struct script_client *from = script_client_of(v->script, view->src);
	const struct script_client *to = from ? NULL : script_client_of(v->script, view->dst);

	if (from || to) {
		fprintf(out, "%s ", from ? from->name : to->name);
	} else {
		char src[ENDPOINT_TEXT_MAX], dst[ENDPOINT_TEXT_MAX];

		fprintf(out, "from %s to %s ", endpoint_format(view->src, src), endpoint_format(view->dst, dst));
	}
	script_print_flags(out, view->flags);
	fputc(' ', out);
	script_print_number(out, v, from, view->seq);
	fputc(':', out);
	script_print_number(out, v, from, view->seq + view->payload_len);
	fprintf(out, "(%u) ack ", view->payload_len);
	script_print_number(out, v, to, view->ack);
	fprintf(out, " win %u", view->window);
	if (view->options_len) {
		fputc(' ', out);
		script_print_options(out, v, to, view);
	}
	if (view->payload_len)
		print_payload(out, view);
}

void script_print_view(FILE *out, const struct script_values *v, const struct script_view *view)
{
	if (!view->known) {
		fprintf(out, "a frame that is no TCP, UDP or ICMP, or only a part, of %u bytes", view->len);
		return;
	}
	if (view->form == SCRIPT_TCP) {
		print_tcp(out, v, view);
	} else if (view->form == SCRIPT_UDP) {
		fprintf(out, "udp (%u)", view->payload_len);
	} else {
		fprintf(out, "icmp %s mtu %u [", script_icmp_name(view->icmp_type, view->icmp_code), view->mtu);
		script_print_number(out, v, script_client_of(v->script, view->quoted_src), view->seq);
		fputc(']', out);
	}
}
