/* SPDX-License-Identifier: BSD-2-Clause */
/* text.h: numbers as people read them. Every function of theirs writes into `buf` and returns it;
 * the result never depends on the locale. */
#ifndef MIRESGA_TEXT_H
#define MIRESGA_TEXT_H

#include <stdint.h>

/* Room for any result of the functions below, with the terminator. */
#define TEXT_NUMBER_MAX 32

/* 1433600 -> "1,433,600" */
char *text_count(uint64_t n, char buf[TEXT_NUMBER_MAX]);
/* 1536 -> "1.5 KiB"; below 1 KiB "512 B" */
char *text_bytes(uint64_t n, char buf[TEXT_NUMBER_MAX]);
/* 1500000 -> "1.50 ms"; from one minute on "1 min 30 s", from one hour on "2 h 4 min 0 s" */
char *text_duration(uint64_t ns, char buf[TEXT_NUMBER_MAX]);
/* part of whole -> "62.5 %"; "-" if the whole is 0. Never rounds up to 100 or down to 0. */
char *text_share(uint64_t part, uint64_t whole, char buf[TEXT_NUMBER_MAX]);

/* For documents that must be UTF-8: each byte of `text` that is none becomes '?'. */
void text_make_utf8(char *text);

#endif
