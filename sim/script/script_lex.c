/* SPDX-License-Identifier: BSD-2-Clause */
/* script_lex.c: the characters of a scenario script: blanks, words, numbers, times, expressions.
 *
 * There are no tokens apart from their place: `S.` is flags behind an arrow and a symbol elsewhere,
 * so the parser asks for what it needs next. The first error is noted with its place and what
 * would have been right; from then on everything returns false and nothing moves. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "script_internal.h"

/* Columns count characters, not bytes: continuation bytes of UTF-8 are none. */
static unsigned column_of(const char *line_start, const char *at)
{
	unsigned column = 1;

	for (const char *s = line_start; s < at; s++)
		column += ((unsigned char)*s & 0xc0) != 0x80;
	return column;
}

bool script_error(struct script_cursor *c, const char *at, const char *format, ...)
{
	va_list args;

	if (c->failed)
		return false;
	c->failed = true;
	c->error_line = c->line;
	c->error_column = column_of(c->line_start, at);
	va_start(args, format);
	vsnprintf(c->error, sizeof(c->error), format, args);
	va_end(args);
	return false;
}

static bool is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

static bool is_letter(char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_';
}

static bool in_word(char ch)
{
	return is_letter(ch) || is_digit(ch) || ch == '.' || ch == '-' || ch == '/';
}

static size_t word_len(const char *at)
{
	size_t n = 0;

	while (in_word(at[n]) && !(at[n] == '/' && (at[n + 1] == '/' || at[n + 1] == '*')))
		n++;
	return n;
}

const char *script_found(const struct script_cursor *c, char buf[48])
{
	size_t n = word_len(c->at);

	if (*c->at == '\n' || *c->at == '\r')
		return "the end of the line";
	if (*c->at == '\0')
		return "the end of the file";
	snprintf(buf, 48, "'%.*s'", (int)(n ? MIN(n, 40) : 1), c->at);
	return buf;
}

const char *script_meant(const struct nearest *near, char buf[SCRIPT_MEANT_MAX])
{
	*buf = '\0';
	if (near->best)
		snprintf(buf, SCRIPT_MEANT_MAX, "; did you mean '%s'?", near->best);
	return buf;
}

static bool at_comment(const char *at)
{
	return *at == '#' || (at[0] == '/' && at[1] == '/');
}

/* Over a comment of several lines; an end that is missing is an error at its begin. */
static void skip_block(struct script_cursor *c)
{
	const char *end = strstr(c->at + 2, "*/");

	if (!end) {
		script_error(c, c->at, "this comment has no end; expected '*/'");
		c->at += strlen(c->at);
		return;
	}
	for (; c->at < end + 2; c->at++)
		if (*c->at == '\n') {
			c->line++;
			c->line_start = c->at + 1;
		}
}

void script_skip_blanks(struct script_cursor *c)
{
	for (;;) {
		if (*c->at == ' ' || *c->at == '\t' || *c->at == '\r')
			c->at++;
		else if (c->at[0] == '/' && c->at[1] == '*')
			skip_block(c);
		else if (at_comment(c->at))
			c->at += strcspn(c->at, "\n");
		else
			return;
	}
}

void script_skip_lines(struct script_cursor *c)
{
	for (;;) {
		script_skip_blanks(c);
		if (*c->at != '\n')
			return;
		c->at++;
		c->line++;
		c->line_start = c->at;
	}
}

bool script_at_end(struct script_cursor *c)
{
	script_skip_blanks(c);
	return *c->at == '\n' || *c->at == '\0';
}

bool script_take(struct script_cursor *c, char what)
{
	script_skip_blanks(c);
	if (c->failed || *c->at != what)
		return false;
	c->at++;
	return true;
}

bool script_take_word(struct script_cursor *c, const char *word)
{
	size_t n = strlen(word);

	script_skip_blanks(c);
	if (c->failed || word_len(c->at) != n || memcmp(c->at, word, n) != 0)
		return false;
	c->at += n;
	return true;
}

bool script_need(struct script_cursor *c, char what, const char *where)
{
	char found[48];

	if (script_take(c, what))
		return true;
	return script_error(c, c->at, "expected '%c' %s, found %s", what, where, script_found(c, found));
}

bool script_word(struct script_cursor *c, const char *what, char *out, size_t size)
{
	char found[48];
	size_t n;

	script_skip_blanks(c);
	n = word_len(c->at);
	if (n == 0)
		return script_error(c, c->at, "expected %s, found %s", what, script_found(c, found));
	if (n >= size)
		return script_error(c, c->at, "expected %s of at most %zu characters", what, size - 1);
	memcpy(out, c->at, n);
	out[n] = '\0';
	c->at += n;
	return true;
}

bool script_number(struct script_cursor *c, const char *what, uint64_t max, uint64_t *out)
{
	char found[48];
	const char *start;
	uint64_t n = 0;

	script_skip_blanks(c);
	start = c->at;
	if (!is_digit(*start))
		return script_error(c, start, "expected %s, found %s", what, script_found(c, found));
	for (; is_digit(*c->at); c->at++) {
		uint64_t digit = (uint64_t)(*c->at - '0');

		if (n > (max - digit) / 10)
			return script_error(c, start, "expected %s of at most %llu", what, (unsigned long long)max);
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}

/* Digits with decimals, in units of `unit` (at most 1e12) nanoseconds. */
static bool decimal(struct script_cursor *c, uint64_t unit, uint64_t *ns)
{
	const char *start = c->at;
	uint64_t whole = 0, scale = unit, part = 0;
	char found[48];

	if (!is_digit(*c->at) && !(*c->at == '.' && is_digit(c->at[1])))
		return script_error(c, c->at, "expected a time, as in '.010', found %s", script_found(c, found));
	for (; is_digit(*c->at); c->at++) {
		whole = whole * 10 + (uint64_t)(*c->at - '0');
		if (whole > 100 * 24 * 3600 * (NS_PER_S / unit))
			return script_error(c, start, "expected at most 100 days");
	}
	if (*c->at == '.')
		for (c->at++; is_digit(*c->at); c->at++) {
			if (scale == 1)
				return script_error(c, c->at, "expected no more decimals than nanoseconds have");
			scale /= 10;
			part += (uint64_t)(*c->at - '0') * scale;
		}
	*ns = whole * unit + part;
	return true;
}

bool script_seconds(struct script_cursor *c, uint64_t *ns)
{
	script_skip_blanks(c);
	return !c->failed && decimal(c, NS_PER_S, ns);
}

bool script_duration(struct script_cursor *c, uint64_t *ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{ "ns", 1 }, { "us", NS_PER_US }, { "ms", NS_PER_MS }, { "s", NS_PER_S }, { "min", 60 * NS_PER_S }
	};
	size_t digits;
	char found[48];

	script_skip_blanks(c);
	digits = strspn(c->at, "0123456789");
	for (size_t i = 0; i < ARRAY_LEN(units) && digits > 0 && digits < 15; i++) {
		size_t n = word_len(c->at + digits);

		if (n == strlen(units[i].name) && memcmp(c->at + digits, units[i].name, n) == 0) {
			*ns = strtoull(c->at, NULL, 10) * units[i].ns;
			c->at += digits + n;
			return true;
		}
	}
	return script_error(c, c->at, "expected a duration with its unit, as in '50ms', found %s",
			    script_found(c, found));
}

bool script_endpoint(struct script_cursor *c, struct endpoint *out)
{
	char text[ENDPOINT_TEXT_MAX], found[48];
	size_t n;

	script_skip_blanks(c);
	n = strspn(c->at, "0123456789.:");
	snprintf(text, sizeof(text), "%.*s", (int)n, c->at);
	if (n >= sizeof(text) || endpoint_parse(text, out) != 0)
		return script_error(c, c->at, "expected address:port, as in 192.0.2.1:40000, found %s",
				    script_found(c, found));
	c->at += n;
	return true;
}

static bool symbol(struct script_cursor *c, uint8_t *out)
{
	struct script *s = c->script;
	size_t n = 0;

	while (is_letter(c->at[n]) || (n && is_digit(c->at[n])))
		n++;
	if (n >= SCRIPT_NAME_MAX)
		return script_error(c, c->at, "expected a symbol of at most %d characters", SCRIPT_NAME_MAX - 1);
	for (unsigned i = 0; i < s->symbol_count; i++)
		if (strlen(s->symbols[i]) == n && memcmp(s->symbols[i], c->at, n) == 0) {
			*out = (uint8_t)i;
			c->at += n;
			return true;
		}
	if (s->symbol_count == SCRIPT_SYMBOLS_MAX)
		return script_error(c, c->at, "more than %d symbols", SCRIPT_SYMBOLS_MAX);
	*out = (uint8_t)s->symbol_count++;
	memcpy(s->symbols[*out], c->at, n);
	c->at += n;
	return true;
}

bool script_expression(struct script_cursor *c, const char *what, struct script_expr *out)
{
	bool minus = false;
	char found[48];
	uint64_t n;

	*out = (struct script_expr){ .any = false };
	script_skip_blanks(c);
	if (script_take(c, '*')) {
		out->any = true;
		return true;
	}
	do {
		script_skip_blanks(c);
		if (is_digit(*c->at)) {
			if (!script_number(c, what, UINT32_MAX, &n))
				return false;
			out->constant += minus ? -(uint32_t)n : (uint32_t)n;
		} else if (is_letter(*c->at)) {
			if (out->count == SCRIPT_TERMS_MAX)
				return script_error(c, c->at, "more than %d symbols in one number", SCRIPT_TERMS_MAX);
			out->terms[out->count].minus = minus;
			if (!symbol(c, &out->terms[out->count++].symbol))
				return false;
		} else {
			return script_error(c, c->at, "expected %s (a number, a symbol such as L+1, or '*'), found %s",
					    what, script_found(c, found));
		}
		minus = *c->at == '-';
	} while (*c->at == '+' || *c->at == '-' ? (c->at++, true) : false);
	return !c->failed;
}

static int hex_digit(char ch)
{
	if (is_digit(ch))
		return ch - '0';
	if (ch >= 'a' && ch <= 'f')
		return ch - 'a' + 10;
	return ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;
}

/* The character behind a backslash; the cursor stands on it. */
static bool escape(struct script_cursor *c, uint8_t *out)
{
	static const char names[] = "nrt0\\\"", values[] = "\n\r\t\0\\\"";
	const char *name = *c->at ? strchr(names, *c->at) : NULL;

	if (name) {
		*out = (uint8_t)values[name - names];
		c->at++;
		return true;
	}
	if (*c->at == 'x' && hex_digit(c->at[1]) >= 0 && hex_digit(c->at[2]) >= 0) {
		*out = (uint8_t)(hex_digit(c->at[1]) << 4 | hex_digit(c->at[2]));
		c->at += 3;
		return true;
	}
	return script_error(c, c->at, "expected one of \\n \\r \\t \\0 \\\\ \\\" \\xHH");
}

bool script_string(struct script_cursor *c, uint8_t **bytes, uint32_t *len)
{
	const char *start;

	script_skip_blanks(c);
	start = c->at;
	if (!script_need(c, '"', "before the bytes of the payload"))
		return false;
	*bytes = malloc(strcspn(c->at, "\n") + 1);
	if (!*bytes)
		return script_error(c, start, "out of memory");
	*len = 0;
	while (*c->at != '"') {
		if (*c->at == '\n' || *c->at == '\0')
			return script_error(c, start, "this string has no end; expected '\"' in the same line");
		if (*c->at == '\\') {
			c->at++;
			if (!escape(c, &(*bytes)[*len]))
				return false;
			(*len)++;
		} else {
			(*bytes)[(*len)++] = (uint8_t)*c->at++;
		}
	}
	c->at++;
	return true;
}

bool script_end_of_line(struct script_cursor *c)
{
	char found[48];

	if (c->failed)
		return false;
	if (script_at_end(c))
		return true;
	return script_error(c, c->at, "expected the end of the line, found %s", script_found(c, found));
}
