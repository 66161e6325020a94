/* SPDX-License-Identifier: BSD-2-Clause */
/* text.c: numbers as people read them. Pure functions: no locale, no state. */
#include "miresga/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "miresga/base.h"

char *text_count(uint64_t n, char buf[TEXT_NUMBER_MAX])
{
	char digits[TEXT_NUMBER_MAX];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	char *out = buf;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = '\0';
	return buf;
}

char *text_bytes(uint64_t n, char buf[TEXT_NUMBER_MAX])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	uint64_t tenths = n;
	unsigned unit = 0;

	if (n < 1024) {
		snprintf(buf, TEXT_NUMBER_MAX, "%" PRIu64 " B", n);
		return buf;
	}
	/* A value that would round to 1024.0 belongs to the next unit. */
	while (unit + 1 < ARRAY_LEN(units) && (unit == 0 || tenths >= 10240)) {
		unit++;
		tenths = n >> (10 * (unit - 1));
		tenths = tenths / 1024 * 10 + (tenths % 1024 * 10 + 512) / 1024;
	}
	snprintf(buf, TEXT_NUMBER_MAX, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, units[unit]);
	return buf;
}

char *text_duration(uint64_t ns, char buf[TEXT_NUMBER_MAX])
{
	static const struct {
		uint64_t from, unit;
		const char *name;
	} scale[] = {
		{ NS_PER_S, NS_PER_S, "s" },
		{ NS_PER_MS, NS_PER_MS, "ms" },
		{ NS_PER_US, NS_PER_US, "us" },
	};

	if (ns >= 60 * NS_PER_S) {
		uint64_t s = ns / NS_PER_S;
		int len = 0;

		if (s >= 3600)
			len = snprintf(buf, TEXT_NUMBER_MAX, "%" PRIu64 " h ", s / 3600);
		snprintf(buf + len, TEXT_NUMBER_MAX - (size_t)len, "%" PRIu64 " min %" PRIu64 " s", s / 60 % 60,
			 s % 60);
		return buf;
	}
	for (size_t i = 0; i < ARRAY_LEN(scale); i++) {
		if (ns < scale[i].from)
			continue;
		snprintf(buf, TEXT_NUMBER_MAX, "%" PRIu64 ".%02" PRIu64 " %s", ns / scale[i].unit,
			 ns % scale[i].unit / (scale[i].unit / 100), scale[i].name);
		return buf;
	}
	snprintf(buf, TEXT_NUMBER_MAX, "%" PRIu64 " ns", ns);
	return buf;
}

char *text_share(uint64_t part, uint64_t whole, char buf[TEXT_NUMBER_MAX])
{
	uint64_t tenths;

	if (whole == 0) {
		memcpy(buf, "-", 2);
		return buf;
	}
	tenths = (uint64_t)((double)part * 1000.0 / (double)whole + 0.5);
	if (part > 0 && tenths == 0)
		tenths = 1;
	if (part < whole && tenths >= 1000)
		tenths = 999;
	snprintf(buf, TEXT_NUMBER_MAX, "%" PRIu64 ".%" PRIu64 " %%", tenths / 10, tenths % 10);
	return buf;
}

/* The length of the UTF-8 character at `c`, or 0 (RFC 3629 §4). */
static size_t utf8_length(const unsigned char *c)
{
	static const struct {
		unsigned char from, to, second_from, second_to, length;
	} leads[] = {
		{ 0x01, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(leads); i++) {
		if (c[0] < leads[i].from || c[0] > leads[i].to)
			continue;
		if (leads[i].length > 1 && (c[1] < leads[i].second_from || c[1] > leads[i].second_to))
			return 0;
		for (size_t k = 2; k < leads[i].length; k++)
			if ((c[k] & 0xc0) != 0x80)
				return 0;
		return leads[i].length;
	}
	return 0;
}

void text_make_utf8(char *text)
{
	while (*text) {
		size_t n = utf8_length((const unsigned char *)text);

		if (n == 0)
			*text = '?';
		text += n ? n : 1;
	}
}
