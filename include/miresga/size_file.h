/* SPDX-License-Identifier: BSD-2-Clause */
/* size_file.h: the sizes of an empirical distribution: a text file with a number of bytes on every
 * line. Empty lines and what follows a '#' do not count. */
#ifndef MIRESGA_SIZE_FILE_H
#define MIRESGA_SIZE_FILE_H

#include "miresga/base.h"

#define SIZE_FILE_ENTRIES_MAX (1u << 20)
#define SIZE_FILE_ERROR_MAX 256
/* The sizes in ascending order; free() them. NULL and a message that names the file, and line and column where there
 * are any. */
uint64_t *size_file_read(const char *path, uint32_t *count, char error[SIZE_FILE_ERROR_MAX]);

#endif
