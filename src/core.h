/* SPDX-License-Identifier: BSD-2-Clause */
/* core.h: what the core may not do. The Makefile puts this in front of every file of src/net,
 * packet, switch, frontend and agent. Time and chance come to them as arguments; files, sockets
 * and the environment belong to src/io, src/cli, sim/ and the tests.
 *
 * The system headers that declare the poisoned names must come first. */
#ifndef CORE_H
#define CORE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#pragma GCC poison clock clock_gettime gettimeofday timespec_get
#pragma GCC poison rand srand rand_r random srandom drand48 lrand48 getrandom arc4random
#pragma GCC poison fopen freopen popen getenv nanosleep usleep
#pragma GCC poison strcpy strcat sprintf vsprintf gets strtok

#endif
