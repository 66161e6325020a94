/* SPDX-License-Identifier: BSD-2-Clause */
/* rows.h: how a report for people is laid out: sections of aligned rows of label, value, remark. */
#ifndef REPORT_ROWS_H
#define REPORT_ROWS_H

#include "miresga/report.h"
#include "miresga/text.h"

/* Remarks of up to 40 characters end at column 80. */
#define LABEL_WIDTH 22
#define VALUE_WIDTH 12

enum row_kind {
	ROW_ALWAYS,
	ROW_IF_NONZERO,
};

static inline const char *color(const struct report_style *s, const char *code)
{
	return s->color ? code : "";
}

static inline void section(const struct report_style *s, const char *title, const char *remark)
{
	fprintf(s->out, "%s%s%s%s%s\n", color(s, "\033[1m"), title, color(s, "\033[0m"), remark[0] ? "  " : "", remark);
}

static inline void row_text(const struct report_style *s, const char *label, const char *value, const char *remark)
{
	fprintf(s->out, "  %-*s %*s%s%s\n", LABEL_WIDTH, label, VALUE_WIDTH, value, remark[0] ? "   " : "", remark);
}

static inline void row(const struct report_style *s, enum row_kind kind, const char *label, uint64_t value,
		       const char *remark)
{
	char count[TEXT_NUMBER_MAX];

	if (kind == ROW_ALWAYS || value > 0 || s->verbose)
		row_text(s, label, text_count(value, count), remark);
}

#endif
