/* SPDX-License-Identifier: BSD-2-Clause */
/* packetdrill_script.c: reads the event lists of packetdrill scripts.
 *
 * One JSON file is one script: segments with time, flags, numbers and options as texts in packetdrill's syntax,
 * system calls with arguments and result. Lines of packetdrill's syntax are made into the same. What cannot be read is
 * an error that names the event, never a guess. */
#include "packetdrill_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/base.h"
#include "miresga/wire.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* "+.1", "+0", "+.1~+.105", "*" */
static bool time_read(struct drill_event *e, const char *text)
{
	char *end;
	double after, until;

	e->any_time = strcmp(text, "*") == 0;
	if (e->any_time)
		return true;
	if (*text != '+')
		return false;
	after = until = strtod(&text[1], &end);
	if (end[0] == '~' && end[1] == '+')
		until = strtod(&end[2], &end);
	e->after_ns = (uint64_t)(after * 1e6 + .5) * NS_PER_US;
	e->until_ns = (uint64_t)(until * 1e6 + .5) * NS_PER_US;
	return *end == '\0' && after >= 0 && until >= after;
}

static bool flags_read(uint8_t *flags, const char *text)
{
	static const struct {
		char letter;
		uint8_t flag;
	} letters[] = {
		{ 'S', TCP_SYN }, { 'F', TCP_FIN }, { 'R', TCP_RST }, { 'P', TCP_PSH },
		{ '.', TCP_ACK }, { 'E', TCP_ECE }, { 'W', TCP_CWR },
	};

	*flags = 0;
	for (; *text; text++) {
		size_t i = 0;

		while (i < ARRAY_LEN(letters) && letters[i].letter != *text)
			i++;
		if (i == ARRAY_LEN(letters))
			return false;
		*flags |= letters[i].flag;
	}
	return true;
}

static bool segment_read(struct drill_segment *g, const json_t *object)
{
	static const struct drill_offsets none;
	const json_t *win = json_object_get(object, "win");
	uint8_t bytes[TCP_OPTIONS_MAX];
	int len;

	if (!flags_read(&g->flags, text_of(object, "flags")))
		return false;
	g->seq = (uint32_t)json_integer_value(json_object_get(object, "seq"));
	g->len = (uint32_t)json_integer_value(json_object_get(object, "len"));
	g->ack = (uint32_t)json_integer_value(json_object_get(object, "ack"));
	g->has_win = json_is_integer(win);
	g->win = (uint16_t)json_integer_value(win);
	g->options = text_of(object, "opts");
	g->any_options = strcmp(g->options, "...") == 0;
	if (g->any_options)
		g->options = "";
	len = drill_options_encode(g->options, &none, bytes);
	/* Fast Open's options cannot be read; who plays scripts asks for them by their text. */
	tcp_options_parse(bytes, len < 0 ? 0 : (size_t)len, &g->parsed);
	return len >= 0 || strstr(g->options, "FO");
}

static bool call_read(struct drill_call *c, const json_t *object)
{
	const char *at, *bracket;

	c->name = text_of(object, "call");
	c->args = text_of(object, "args");
	c->ret = strtol(text_of(object, "ret"), NULL, 10);
	c->fd = (int)strtol(c->args, NULL, 10);
	at = strchr(c->args, ',');
	at = at ? strchr(&at[1], ',') : NULL;
	c->len = at ? strtol(&at[1], NULL, 10) : 0;
	bracket = strchr(c->args, '[');
	c->set = bracket ? strtol(&bracket[1], NULL, 10) : -1;
	return *c->name != '\0';
}

static bool event_read(struct drill_event *e, const json_t *object)
{
	const char *dir = text_of(object, "dir");

	if (*dir == '\0') {
		e->kind = SCRIPT_CALL;
		return (!json_object_get(object, "t") || time_read(e, text_of(object, "t"))) &&
		       call_read(&e->call, object);
	}
	e->kind = strcmp(dir, "to_lb") == 0 ? SCRIPT_IN : SCRIPT_OUT;
	return time_read(e, text_of(object, "t")) && segment_read(&e->segment, object);
}

/* Takes what s->root holds. */
static bool events_read(struct drill *s, char why[256])
{
	json_t *object;
	size_t i;

	s->source = text_of(s->root, "source");
	s->tier = *text_of(s->root, "tier");
	json_array_foreach(json_object_get(s->root, "events"), i, object)
	{
		if (i == SCRIPT_EVENTS_MAX || !event_read(&s->event[i], object)) {
			snprintf(why, 256, "%s: event %zu cannot be read", s->name, i);
			return false;
		}
		s->count++;
	}
	return true;
}

bool drill_load(struct drill *s, const char *path, char why[256])
{
	const char *slash = strrchr(path, '/');
	json_error_t error;

	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%s", slash ? &slash[1] : path);
	if (strrchr(s->name, '.'))
		*strrchr(s->name, '.') = '\0';
	s->root = json_load_file(path, 0, &error);
	if (!s->root) {
		snprintf(why, 256, "%s:%d: %s", path, error.line, error.text);
		return false;
	}
	return events_read(s, why);
}

/* NULL if the line is none. */
static json_t *line_segment(const char *line)
{
	unsigned seq, end, len, ack = 0, win = 0;
	char t[32], way, flags[16], options[128] = "";
	const char *at;
	json_t *object;

	if (sscanf(line, "%31s %c %15s %u:%u(%u)", t, &way, flags, &seq, &end, &len) != 6 || end != seq + len)
		return NULL;
	at = strstr(line, " ack ");
	if (at)
		ack = (unsigned)strtoul(&at[5], NULL, 10);
	at = strrchr(line, '<'); /* of the options, or the direction */
	if (at && at[1] != ' ')
		sscanf(at, "<%127[^>]", options);
	object = json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:s}", "dir", way == '<' ? "to_lb" : "from_lb", "t", t,
			   "flags", flags, "seq", (int)seq, "len", (int)len, "ack", (int)ack, "opts", options);
	at = strstr(line, " win ");
	if (at && sscanf(at, " win %u", &win) == 1)
		json_object_set_new(object, "win", json_integer(win));
	return object;
}

static json_t *line_call(const char *line)
{
	char t[32], name[32], args[128] = "", ret[16];
	const char *end = strrchr(line, ')');

	if (!end || sscanf(line, "%31s %31[a-z](%127[^)]", t, name, args) < 2 || sscanf(end, ") = %15s", ret) != 1)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s}", "t", t, "call", name, "args", args, "ret", ret);
}

bool drill_read(struct drill *s, const char *name, const char *const *lines, char why[256])
{
	json_t *events = json_array();

	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->root = json_pack("{s:s, s:s, s:o}", "source", name, "tier", "O", "events", events);
	for (; *lines; lines++) {
		json_t *object = line_segment(*lines);

		if (!object)
			object = line_call(*lines);
		if (!object) {
			snprintf(why, 256, "%s: '%s' cannot be read", name, *lines);
			return false;
		}
		json_array_append_new(events, object);
	}
	return events_read(s, why);
}

void drill_free(struct drill *s)
{
	json_decref(s->root);
}

/* ---- options ------------------------------------------------------------------------------------ */

/* Bytes that are being written; `len` past the end means that there was no room. */
struct options_out {
	uint8_t *bytes;
	size_t len;
};

static void put(struct options_out *o, uint32_t value, unsigned bytes)
{
	for (unsigned i = bytes; i-- > 0; o->len++)
		if (o->len < TCP_OPTIONS_MAX)
			o->bytes[o->len] = (uint8_t)(value >> (8 * i));
}

/* " 1001:2001 4001:5001" */
static void put_sack(struct options_out *o, const char *text, uint32_t offset)
{
	unsigned long from, to;
	size_t length_at = o->len + 1;
	int used;

	put(o, TCPOPT_SACK, 1);
	put(o, 2, 1);
	while (sscanf(text, " %lu:%lu%n", &from, &to, &used) == 2) {
		put(o, (uint32_t)from + offset, 4);
		put(o, (uint32_t)to + offset, 4);
		text = &text[used];
	}
	if (length_at < TCP_OPTIONS_MAX)
		o->bytes[length_at] = (uint8_t)(o->len - length_at + 1);
}

/* One option, up to a comma. */
static bool put_option(struct options_out *o, const char *text, const struct drill_offsets *offsets)
{
	unsigned long a, b;

	if (strcmp(text, "nop") == 0) {
		put(o, TCPOPT_NOP, 1);
	} else if (strcmp(text, "sackOK") == 0) {
		put(o, TCPOPT_SACK_PERMITTED << 8 | 2, 2);
	} else if (sscanf(text, "mss %lu", &a) == 1) {
		put(o, TCPOPT_MSS << 8 | 4, 2);
		put(o, (uint32_t)a, 2);
	} else if (sscanf(text, "wscale %lu", &a) == 1) {
		put(o, TCPOPT_WSCALE << 16 | 3 << 8 | (uint32_t)a, 3);
	} else if (sscanf(text, "TS val %lu ecr %lu", &a, &b) == 2) {
		put(o, TCPOPT_TIMESTAMPS << 8 | 10, 2);
		put(o, (uint32_t)a + offsets->tsval, 4);
		/* 0 echoes nothing (RFC 7323 §3.2) and stays 0 */
		put(o, b ? (uint32_t)b + offsets->tsecr : 0, 4);
	} else if (strncmp(text, "sack ", 5) == 0) {
		put_sack(o, &text[4], offsets->sack);
	} else {
		return false;
	}
	return true;
}

int drill_options_encode(const char *text, const struct drill_offsets *offsets, uint8_t out[TCP_OPTIONS_MAX])
{
	struct options_out o = { .bytes = out };

	while (*text) {
		size_t n = strcspn(text, ",");
		char one[128];

		snprintf(one, sizeof(one), "%.*s", (int)n, text);
		if (!put_option(&o, &one[strspn(one, " ")], offsets))
			return -1;
		text = &text[n];
		text = &text[*text == ','];
	}
	return o.len <= TCP_OPTIONS_MAX && o.len % 4 == 0 ? (int)o.len : -1;
}

unsigned drill_find(const struct drill *s, enum drill_event_kind kind, unsigned at)
{
	while (at < s->count && s->event[at].kind != kind)
		at++;
	return at;
}
