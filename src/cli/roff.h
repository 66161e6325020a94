/* SPDX-License-Identifier: BSD-2-Clause */
/* roff.h: writing of manual pages, in man(7). Texts are plain UTF-8; what stands in `backquotes`
 * is literal and becomes bold. Nothing of a text is ever read as a macro. */
#ifndef ROFF_H
#define ROFF_H

#include <stdio.h>

struct roff {
	FILE *out;
	unsigned column; /* of the text line that is being filled; 0: none is */
};

struct roff_title {
	const char *name, *section, *about;
};

/* .TH and the NAME section. */
void roff_begin(struct roff *r, const struct roff_title *title);
void roff_section(struct roff *r, const char *heading);
void roff_subsection(struct roff *r, const char *heading);
void roff_paragraph(struct roff *r);
/* Fills lines; a line break in `text` is a blank. */
void roff_text(struct roff *r, const char *text);
/* The text that follows begins a new line. */
void roff_break(struct roff *r);
/* A paragraph that hangs below `tag`; the text follows. */
void roff_tag(struct roff *r, const char *tag);
/* The same with the tag in bold, literally. */
void roff_literal_tag(struct roff *r, const char *tag);
/* One form of a call: a bold name and what follows it, hanging. */
void roff_synopsis(struct roff *r, const char *name, const char *rest);
/* Lines as they are, indented. */
void roff_example(struct roff *r, const char *lines);
/* The last section; `pages` as "name(section), ...". */
void roff_see_also(struct roff *r, const char *pages);

#endif
