/* SPDX-License-Identifier: MIT */
#pragma once

/* Lets an operation run again and again while its first, its second, its third ... allocation or
 * system call fails, until it gets through undisturbed. A program that links this has malloc() and
 * the system calls of the table in fail-nth.c of its own, which every library uses, too. After each
 * run nothing may be left: no memory, no descriptor. */

#include <stdbool.h>

/* What is to be tried. It prepares what it needs, brackets what may fail with FAIL_NTH() or the two
 * calls, checks that what came out is either whole (0) or not there at all, and frees it. */
typedef int (*FailNthOperation)(void);

/* Whether failures can be injected here: not where a sanitizer has malloc() itself. */
bool fail_nth_works(void);

/* Prints "NAME: N failures injected, M refused"; the others were of calls that an operation may do
 * without. Asserts where a run leaves something, or where it does not succeed undisturbed. */
void fail_nth_run(const char *name, FailNthOperation operation);

/* Failures are counted and injected between these two only; they nest. */
void fail_nth_arm(void);
void fail_nth_disarm(void);

/* For what stands in for a library's function: whether it is to fail as if for want of memory, and
 * the bracket in which the library itself is left alone. */
bool fail_nth_memory_fails(void);
bool fail_nth_system_call_fails(int error); /* sets errno */
unsigned fail_nth_pause(void);
void fail_nth_resume(unsigned paused);

/* Whether this run had its failure. */
bool fail_nth_injected(void);

#define FAIL_NTH(call)                    \
        ({                                \
                __typeof__(call) _result; \
                                          \
                fail_nth_arm();           \
                _result = (call);         \
                fail_nth_disarm();        \
                _result;                  \
        })
