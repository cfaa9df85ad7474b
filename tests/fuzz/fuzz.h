/* SPDX-License-Identifier: MIT */
#pragma once

/* What each fuzz target defines. It asserts what callers rely on, so that a fuzzer finds not only
 * crashes; libFuzzer runs it (--enable-libfuzzer), and in `make check` fuzz-main.c does. */

#undef NDEBUG
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
