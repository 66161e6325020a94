/* SPDX-License-Identifier: BSD-2-Clause */
/* roff.c: writing of manual pages. The macros are those of man(7) that groff and mandoc both know. */
#include "roff.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WIDTH 79

/* The release that the pages were last looked over for. */
#define PAGE_DATE "2026-11-20"

/* Ends the text line that is being filled, so that a macro can follow. */
static void end_line(struct roff *r)
{
	if (r->column > 0)
		fputc('\n', r->out);
	r->column = 0;
}

/* One character, UTF-8 or not; returns its bytes. Hyphens are ASCII ones, so that options can be copied. */
static size_t put_char(FILE *out, const char *at)
{
	unsigned char first = (unsigned char)*at;
	size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
	uint32_t code = first & (0x3fu >> more);

	switch (*at) {
	case '\\':
		fputs("\\e", out);
		return 1;
	case '-':
		fputs("\\-", out);
		return 1;
	case '\'':
		fputs("\\(aq", out);
		return 1;
	case '"':
		fputs("\\(dq", out);
		return 1;
	default:
		break;
	}
	if (more == 0) {
		fputc(*at, out);
		return 1;
	}
	for (size_t i = 1; i <= more; i++)
		code = code << 6 | ((unsigned char)at[i] & 0x3f);
	fprintf(out, "\\[u%04X]", (unsigned)code);
	return 1 + more;
}

static void put(FILE *out, const char *text)
{
	while (*text != '\0')
		text += put_char(out, text);
}

/* A word of a text; `*bold` says whether a literal is open. */
static void put_word(FILE *out, const char *word, size_t len, bool *bold)
{
	for (size_t i = 0; i < len;) {
		if (word[i] != '`') {
			i += put_char(out, word + i);
			continue;
		}
		*bold = !*bold;
		fputs(*bold ? "\\fB" : "\\fR", out);
		i++;
	}
}

/* Columns that the word takes in the source, at most. */
static unsigned word_cost(const char *word, size_t len)
{
	unsigned cost = 1;

	for (size_t i = 0; i < len; i++)
		cost += (unsigned char)word[i] >= 0xc0 ? 8 : strchr("`-'\"\\", word[i]) ? 5 : 1;
	return cost;
}

void roff_text(struct roff *r, const char *text)
{
	bool bold = false;

	while (*(text += strspn(text, " \n")) != '\0') {
		size_t len = strcspn(text, " \n");
		unsigned cost = word_cost(text, len);

		if (r->column > 0 && r->column + cost > WIDTH)
			end_line(r);
		if (r->column > 0)
			fputc(' ', r->out);
		else if (*text == '.')
			fputs("\\&", r->out);
		put_word(r->out, text, len, &bold);
		r->column += cost;
		text += len;
		/* A new sentence begins a new line, as formatters want it. */
		if (text[-1] == '.')
			end_line(r);
	}
	if (bold)
		fputs("\\fR", r->out);
	end_line(r);
}

void roff_begin(struct roff *r, const struct roff_title *title)
{
	fprintf(r->out, ".\\\" SPDX-License-Identifier: BSD-2-Clause\n.TH ");
	for (const char *c = title->name; *c != '\0'; c++)
		fputc(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c, r->out);
	fprintf(r->out, " %s \"%s\" \"miresga %s\" \"Miresga\"\n", title->section, PAGE_DATE, MIRESGA_VERSION);
	fprintf(r->out, ".SH NAME\n%s \\- ", title->name);
	put(r->out, title->about);
	fputc('\n', r->out);
}

static void heading(struct roff *r, const char *macro, const char *text)
{
	end_line(r);
	fprintf(r->out, "%s \"", macro);
	put(r->out, text);
	fputs("\"\n", r->out);
}

void roff_section(struct roff *r, const char *text)
{
	heading(r, ".SH", text);
}

void roff_subsection(struct roff *r, const char *text)
{
	heading(r, ".SS", text);
}

void roff_paragraph(struct roff *r)
{
	end_line(r);
	fputs(".PP\n", r->out);
}

void roff_break(struct roff *r)
{
	end_line(r);
	fputs(".br\n", r->out);
}

void roff_tag(struct roff *r, const char *tag)
{
	bool bold = false;

	end_line(r);
	fputs(".TP\n", r->out);
	put_word(r->out, tag, strlen(tag), &bold);
	fputc('\n', r->out);
}

void roff_literal_tag(struct roff *r, const char *tag)
{
	end_line(r);
	fputs(".TP\n\\fB", r->out);
	put(r->out, tag);
	fputs("\\fR\n", r->out);
}

void roff_synopsis(struct roff *r, const char *name, const char *rest)
{
	end_line(r);
	fputs(".SY \"", r->out);
	put(r->out, name);
	fputs("\"\n", r->out);
	roff_text(r, rest);
	fputs(".YS\n", r->out);
}

void roff_example(struct roff *r, const char *lines)
{
	end_line(r);
	fputs(".PP\n.RS 4\n.EX\n", r->out);
	while (*lines != '\0') {
		if (*lines == '.' || *lines == '\'')
			fputs("\\&", r->out);
		while (*lines != '\0' && *lines != '\n')
			lines += put_char(r->out, lines);
		fputc('\n', r->out);
		lines += *lines == '\n';
	}
	fputs(".EE\n.RE\n", r->out);
}

void roff_see_also(struct roff *r, const char *pages)
{
	roff_section(r, "SEE ALSO");
	while (*pages != '\0') {
		size_t name = strcspn(pages, "("), section = strcspn(pages + name, ", ");

		fputs(".BR ", r->out);
		for (const char *c = pages; c < pages + name;)
			c += put_char(r->out, c);
		fprintf(r->out, " %.*s", (int)section, pages + name);
		pages += name + section;
		fputs(*pages == ',' ? " ,\n" : "\n", r->out);
		pages += strspn(pages, ", ");
	}
}
