/* SPDX-License-Identifier: BSD-2-Clause */
/* value.c: what a scalar may look like: numbers with and without units, choices, names, hosts,
 * paths, addresses.
 *
 * Numbers are read exactly, in integers: "1.5s" is 1,500,000,000 ns, "0.3B" is refused. A number
 * of a kind that has units is never taken without one: 64 could be bytes or KiB, 10 seconds or
 * milliseconds, and a wrong guess would show only in the results. */
#include "value.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "miresga/config.h"
#include "problems.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* The units of a kind: those used for writing first, largest first, down to factor 1 or the last. */
struct measure {
	const char *units_text;
	const char *base; /* what there must be a whole number of */
	struct unit units[8];
};

static const struct measure measures[CONFIG_KIND_COUNT] = {
	[CONFIG_KIND_INTEGER] = { "", "", { { "", 1 } } },
	[CONFIG_KIND_SIZE] = { "sizes end in B, KiB, MiB, GiB, kB, MB or GB",
			       "bytes",
			       { { "GiB", 1 << 30 },
				 { "MiB", 1 << 20 },
				 { "KiB", 1 << 10 },
				 { "B", 1 },
				 { "kB", 1000 },
				 { "MB", 1000000 },
				 { "GB", 1000000000 } } },
	[CONFIG_KIND_DURATION] = { "durations end in ns, us, ms, s, min or h",
				   "nanoseconds",
				   { { "h", 3600 * NS_PER_S },
				     { "min", 60 * NS_PER_S },
				     { "s", NS_PER_S },
				     { "ms", NS_PER_MS },
				     { "us", NS_PER_US },
				     { "ns", 1 } } },
	[CONFIG_KIND_RATE] = { "rates end in /s, k/s or M/s",
			       "operations per second",
			       { { "M/s", 1000000 }, { "k/s", 1000 }, { "/s", 1 } } },
	[CONFIG_KIND_BIT_RATE] = { "bit rates end in bit/s, kbit/s, Mbit/s or Gbit/s",
				   "bits per second",
				   { { "Gbit/s", 1000000000 },
				     { "Mbit/s", 1000000 },
				     { "kbit/s", 1000 },
				     { "bit/s", 1 } } },
	/* The last unit is the one that may be left out. */
	[CONFIG_KIND_CHANCE] = { "as 2% or 0.02",
				 "parts per billion",
				 { { "%", CHANCE_ALWAYS / 100 }, { "", CHANCE_ALWAYS } } },
	[CONFIG_KIND_DECIMAL] = { "as 1.5", "thousandths", { { "", 1000 } } },
};

static bool refuse(char message[VALUE_MESSAGE_MAX], const char *format, ...) FORMAT_PRINTF(2, 3);
static bool refuse(char message[VALUE_MESSAGE_MAX], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(message, VALUE_MESSAGE_MAX, format, ap);
	va_end(ap);
	return false;
}

#define DECIMALS_MAX 9
/* Exactly. */
static void number_format(enum config_kind kind, uint64_t value, char *buf, size_t size)
{
	const struct unit *u = measures[kind].units;

	char decimals[DECIMALS_MAX + 2] = "";
	uint64_t rest, unit;
	size_t len = 0;

	while (u->factor != 1 && u[1].name && (value < u->factor || value % u->factor))
		u++;
	rest = value % u->factor;
	unit = u->factor;
	if (rest)
		decimals[len++] = '.';
	for (; rest; rest %= unit) {
		unit /= 10; /* what may have a rest is a power of ten */
		MUST(unit && len <= DECIMALS_MAX);
		decimals[len++] = (char)('0' + rest / unit);
	}
	snprintf(buf, size, "%llu%s%s", (unsigned long long)(value / u->factor), decimals, u->name);
}

char *config_key_range(const struct config_key *key, char buf[CONFIG_RANGE_MAX])
{
	char min[32], max[32];

	buf[0] = '\0';
	if (key->min == 0 && key->max == 0)
		return buf;
	if (measures[key->kind].units_text) {
		number_format(key->kind, key->min, min, sizeof(min));
		number_format(key->kind, key->max, max, sizeof(max));
		snprintf(buf, CONFIG_RANGE_MAX, "%s to %s", min, max);
	} else {
		snprintf(buf, CONFIG_RANGE_MAX, "%llu to %llu elements", (unsigned long long)key->min,
			 (unsigned long long)key->max);
	}
	return buf;
}

static bool out_of_range(const struct config_key *key, const struct value_text *v, char *message)
{
	char range[CONFIG_RANGE_MAX], q[QUOTE_MAX];

	return refuse(message, "%s is out of range (%s)", config_quote(q, v->text, v->len),
		      config_key_range(key, range));
}

static bool not_a_number(const struct config_key *key, const struct value_text *v, char *message)
{
	char q[QUOTE_MAX];

	config_quote(q, v->text, v->len);
	if (v->quoted)
		return refuse(message, "expected a number without quotes, found %s", q);
	if (key->kind == CONFIG_KIND_INTEGER)
		return refuse(message, "expected an integer, found %s", q);
	return refuse(message, "expected a %s, found %s (%s)", config_kind_text(key->kind), q,
		      measures[key->kind].units_text);
}

static const struct unit *unit_find(const struct measure *m, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(m->units) && m->units[i].name; i++)
		if (strcmp(m->units[i].name, name) == 0)
			return &m->units[i];
	return NULL;
}

/* A decimal number: mantissa / divisor, a power of ten. Saturates above 2^64. Returns what follows it, NULL if it is
 * none. */
static const char *decimal_read(const char *s, unsigned __int128 *mantissa, uint64_t *divisor)
{
	const char *start = s;

	*mantissa = 0;
	*divisor = 1;
	for (; isdigit((unsigned char)*s); s++)
		if (*mantissa <= UINT64_MAX)
			*mantissa = *mantissa * 10 + (unsigned)(*s - '0');
	if (s == start || (s[0] != '.' && s - start > 1 && *start == '0'))
		return NULL; /* 010 would be eight to some YAML readers and ten to others */
	if (*s != '.')
		return s;
	for (start = ++s; isdigit((unsigned char)*s); s++) {
		if (s - start >= DECIMALS_MAX)
			return NULL;
		*mantissa = *mantissa * 10 + (unsigned)(*s - '0');
		*divisor *= 10;
	}
	return s == start ? NULL : s;
}

static bool number_parse(const struct config_key *key, const struct value_text *v, uint64_t *out, char *message)
{
	const struct measure *m = &measures[key->kind];
	bool negative = v->text[0] == '-';
	unsigned __int128 value;
	const struct unit *unit;
	const char *rest;
	uint64_t divisor;
	char q[QUOTE_MAX];

	rest = decimal_read(v->text + negative, &value, &divisor);
	if (!rest || (v->quoted && key->kind == CONFIG_KIND_INTEGER))
		return not_a_number(key, v, message);
	if (key->kind == CONFIG_KIND_INTEGER && (*rest || divisor != 1))
		return not_a_number(key, v, message);
	if (*rest == ' ')
		rest++;
	if (!*rest && !unit_find(m, ""))
		return refuse(message, "missing unit in %s: %s", config_quote(q, v->text, v->len), m->units_text);
	unit = unit_find(m, rest);
	if (!unit)
		return refuse(message, "unknown unit %s: %s", config_quote(q, rest, strlen(rest)), m->units_text);
	if (value / divisor > UINT64_MAX / unit->factor)
		return out_of_range(key, v, message);
	value *= unit->factor;
	if (value % divisor)
		return refuse(message, "%s is not a whole number of %s", config_quote(q, v->text, v->len), m->base);
	value /= divisor;
	if ((negative && value) || value < key->min || value > key->max)
		return out_of_range(key, v, message);
	*out = (uint64_t)value;
	return true;
}

static void number_put(const struct config_key *key, uint64_t value, void *section)
{
	uint8_t *field = (uint8_t *)section + key->offset;

	/* Little-endian, as wire.h asserts: the low bytes are the number. */
	MUST(key->width <= sizeof(value));
	memcpy(field, &value, key->width);
}

static bool choice_parse(const struct config_key *key, const struct value_text *v, uint64_t *out, char *message)
{
	char known[VALUE_MESSAGE_MAX / 2] = "", q[QUOTE_MAX];
	size_t at = 0;

	for (unsigned i = 0; key->choices[i]; i++) {
		if (strcmp(v->text, key->choices[i]) == 0) {
			*out = i;
			return true;
		}
		at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s",
				       i == 0		     ? ""
				       : key->choices[i + 1] ? ", "
							     : " or ",
				       key->choices[i]);
		MUST(at < sizeof(known));
	}
	return refuse(message, "expected %s, found %s", known, config_quote(q, v->text, v->len));
}

static bool boolean_parse(const struct value_text *v, uint64_t *out, char *message)
{
	char q[QUOTE_MAX];

	*out = !v->quoted && strcmp(v->text, "true") == 0;
	if (*out || (!v->quoted && strcmp(v->text, "false") == 0))
		return true;
	return refuse(message, "expected true or false%s, found %s", v->quoted ? " without quotes" : "",
		      config_quote(q, v->text, v->len));
}

static bool name_valid(const struct value_text *v, char *message)
{
	char q[QUOTE_MAX];

	if (v->len == 0)
		return refuse(message, "a name must not be empty");
	for (const char *s = v->text; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
			return refuse(message, "%s is not a name: letters, digits, '.', '_' and '-' make one",
				      config_quote(q, v->text, v->len));
	return true;
}

/* "[2001:db8::1]", as a Host field has it (RFC 3986 §3.2.2). */
static bool is_ip_literal(const char *s)
{
	size_t len = *s == '[' ? strspn(s + 1, "0123456789abcdefABCDEF:.") : 0;

	return len > 0 && strcmp(s + 1 + len, "]") == 0;
}

/* Labels of RFC 1123 §2.1, with underscores, which live hosts have; one trailing dot; "*" only as
 * the whole first label of several. */
static bool host_valid(const struct value_text *v, char *message)
{
	const char *s = v->text;
	char q[QUOTE_MAX];
	size_t label = 0;

	config_quote(q, v->text, v->len);
	if (is_ip_literal(s))
		return true;
	if (strcmp(s, "*") == 0)
		return refuse(message, "a rule for every host has no host key");
	if (s[0] == '*' && s[1] == '.')
		s += 2;
	for (; *s; s++) {
		if (*s == '*')
			return refuse(message, "%s: a wildcard is the whole first label, as in *.example.org", q);
		if (*s == ':')
			return refuse(message, "%s: a host is compared without its port", q);
		if (*s == '.' && label == 0)
			return refuse(message, "%s is not a host name: it has an empty label", q);
		if (*s != '.' && !isalnum((unsigned char)*s) && !strchr("-_", *s))
			return refuse(message, "%s is not a host name", q);
		label = *s == '.' ? 0 : label + 1;
		if (label > 63)
			return refuse(message, "%s is not a host name: a label has more than 63 characters", q);
	}
	if (label == 0 && (s - v->text < 2 || s[-2] == '*'))
		return refuse(message, "%s is not a host name", q);
	return true;
}

static bool path_valid(const struct value_text *v, char *message)
{
	char q[QUOTE_MAX];

	config_quote(q, v->text, v->len);
	if (v->text[0] != '/')
		return refuse(message, "%s: a path begins with '/'", q);
	for (const char *s = v->text; *s; s++) {
		if (*s == '?' || *s == '#')
			return refuse(message, "%s: a path is compared without its query; '%c' never matches", q, *s);
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f)
			return refuse(message, "%s: a path holds printable ASCII only; encode the rest as %%XX", q);
	}
	return true;
}

/* Copies a string of the file into a char array; hosts lose their case and the trailing dot, which
 * matching ignores. */
static bool string_store(const struct config_key *key, const struct value_text *v, char *field, char *message)
{
	if (v->len >= key->width)
		return refuse(message, "longer than %u characters", key->width - 1);
	if (key->kind == CONFIG_KIND_NAME   ? !name_valid(v, message)
	    : key->kind == CONFIG_KIND_HOST ? !host_valid(v, message)
					    : key->kind != CONFIG_KIND_FILE && !path_valid(v, message))
		return false;
	memcpy(field, v->text, v->len + 1);
	if (key->kind != CONFIG_KIND_HOST)
		return true;
	for (char *s = field; *s; s++)
		*s = (char)tolower((unsigned char)*s);
	if (field[v->len - 1] == '.')
		field[v->len - 1] = '\0';
	return true;
}

static bool address_store(const struct value_text *v, struct endpoint *field, char *message)
{
	struct endpoint e = { 0 };
	char q[QUOTE_MAX];
	uint32_t net;

	config_quote(q, v->text, v->len);
	if (!strchr(v->text, ':'))
		return refuse(message, "missing port in %s: an address is written as 10.0.1.10:80", q);
	if (endpoint_parse(v->text, &e))
		return refuse(message, "%s is not an IPv4 address and port, as 10.0.1.10:80", q);
	net = be32_to(e.addr) >> 24;
	if (net == 0 || net >= 224)
		return refuse(message, "%s is not a unicast address", q);
	*field = e;
	return true;
}

static unsigned hex_value(char c)
{
	return isdigit((unsigned char)c) ? (unsigned)(c - '0') : (unsigned)(tolower((unsigned char)c) - 'a') + 10;
}

/* The key's bytes in order, as SipHash's paper counts them: k0 is the first eight, little-endian. */
static bool secret_store(const struct value_text *v, struct siphash_key *field, char *message)
{
	uint8_t bytes[16];

	for (size_t i = 0; i < v->len; i++)
		if (!isxdigit((unsigned char)v->text[i]))
			return refuse(message, "expected 32 hex digits, found another character at position %zu",
				      i + 1);
	if (v->len != 2 * sizeof(bytes))
		return refuse(message, "expected 32 hex digits, found %zu", v->len);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(hex_value(v->text[2 * i]) << 4 | hex_value(v->text[2 * i + 1]));
	memcpy(&field->k0, bytes, 8);
	memcpy(&field->k1, bytes + 8, 8);
	return true;
}

void value_print(const struct config_key *key, const void *section, char *buf, size_t size)
{
	uint64_t value = 0;

	MUST(key->width <= sizeof(value));
	memcpy(&value, (const uint8_t *)section + key->offset, key->width); /* as number_put() has put it */
	if (key->kind == CONFIG_KIND_BOOLEAN)
		snprintf(buf, size, "%s", value ? "true" : "false");
	else if (key->kind == CONFIG_KIND_CHOICE)
		snprintf(buf, size, "%s", key->choices[value]);
	else
		number_format(key->kind, value, buf, size);
}

bool value_is_plain(enum config_kind kind)
{
	switch (kind) {
	case CONFIG_KIND_INTEGER:
	case CONFIG_KIND_SIZE:
	case CONFIG_KIND_DURATION:
	case CONFIG_KIND_RATE:
	case CONFIG_KIND_BIT_RATE:
	case CONFIG_KIND_CHANCE:
	case CONFIG_KIND_DECIMAL:
	case CONFIG_KIND_BOOLEAN:
	case CONFIG_KIND_CHOICE:
	case CONFIG_KIND_ADDRESS:
	case CONFIG_KIND_NAME:
	case CONFIG_KIND_HOST:
	case CONFIG_KIND_PATH:
	case CONFIG_KIND_PATH_PREFIX:
	case CONFIG_KIND_FILE:
	case CONFIG_KIND_SECRET:
		return true;
	default:
		return false;
	}
}

bool value_store(const struct config_key *key, const struct value_text *v, void *section,
		 char message[VALUE_MESSAGE_MAX])
{
	void *field = (uint8_t *)section + key->offset;
	uint64_t number;
	bool good;

	MUST(value_is_plain(key->kind));
	switch (key->kind) {
	case CONFIG_KIND_NAME:
	case CONFIG_KIND_HOST:
	case CONFIG_KIND_PATH:
	case CONFIG_KIND_PATH_PREFIX:
	case CONFIG_KIND_FILE:
		return string_store(key, v, field, message);
	case CONFIG_KIND_ADDRESS:
		return address_store(v, field, message);
	case CONFIG_KIND_SECRET:
		return secret_store(v, field, message);
	case CONFIG_KIND_BOOLEAN:
		good = boolean_parse(v, &number, message);
		break;
	case CONFIG_KIND_CHOICE:
		good = choice_parse(key, v, &number, message);
		break;
	default:
		good = number_parse(key, v, &number, message);
		break;
	}
	if (good)
		number_put(key, number, section);
	return good;
}

void value_store_preset(const struct config_key *key, void *section)
{
	char message[VALUE_MESSAGE_MAX];
	struct value_text v;

	if (!key->preset)
		return;
	v = (struct value_text){ .text = key->preset, .len = strlen(key->preset) };
	MUST(value_store(key, &v, section, message));
}
