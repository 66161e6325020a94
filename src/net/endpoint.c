/* SPDX-License-Identifier: BSD-2-Clause */
/* endpoint.c: "a.b.c.d:port" as text, both ways.
 *
 * Strict and independent of locale and resolver: four decimal numbers 0..255 and a port
 * 1..65535, no leading zeros (other parsers read those as octal), nothing before or after.
 * Pure functions, no state. */
#include "miresga/base.h"
#include "miresga/wire.h"

static char *write_decimal(char *out, unsigned v)
{
	char digits[5];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	while (n)
		*out++ = digits[--n];
	return out;
}

char *endpoint_format(struct endpoint e, char buf[ENDPOINT_TEXT_MAX])
{
	uint32_t addr = be32_to(e.addr);
	char *out = buf;

	for (int shift = 24; shift >= 0; shift -= 8) {
		out = write_decimal(out, addr >> shift & 0xff);
		*out++ = shift ? '.' : ':';
	}
	*write_decimal(out, be16_to(e.port)) = '\0';
	return buf;
}

/* Reads a number of at most max from *text, which then points behind it; -1 if there is none. */
static int32_t read_decimal(const char **text, int32_t max)
{
	const char *s = *text;
	int32_t v = 0;

	if (*s < '0' || *s > '9' || (s[0] == '0' && s[1] >= '0' && s[1] <= '9'))
		return -1;
	for (; *s >= '0' && *s <= '9'; s++) {
		v = v * 10 + (*s - '0');
		if (v > max)
			return -1;
	}
	*text = s;
	return v;
}

int endpoint_parse(const char *text, struct endpoint *e)
{
	uint32_t addr = 0;
	int32_t v;

	for (int i = 0; i < 4; i++) {
		v = read_decimal(&text, 255);
		if (v < 0 || *text++ != (i < 3 ? '.' : ':'))
			return -1;
		addr = addr << 8 | (uint32_t)v;
	}
	v = read_decimal(&text, 65535);
	if (v < 1 || *text != '\0')
		return -1;
	*e = endpoint_make(be32_from(addr), be16_from((uint16_t)v));
	return 0;
}
