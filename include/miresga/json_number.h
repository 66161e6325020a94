/* SPDX-License-Identifier: BSD-2-Clause */
/* json_number.h: numbers of 64 bits in JSON documents (src/report/json_number.c). JSON knows no bound;
 * jansson's integers end at 2^63 - 1, and a seed does not. */
#ifndef MIRESGA_JSON_NUMBER_H
#define MIRESGA_JSON_NUMBER_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* The number; NULL if memory is short. Only json_number_write() writes it as one. */
json_t *json_number(uint64_t n);
/* As json_dumpf(). Returns 0, or -1 if memory is short or writing failed. */
int json_number_write(const json_t *document, FILE *out, size_t flags);

#endif
