/* SPDX-License-Identifier: MIT */
#pragma once

/* A result (0, an Outcome or -errno) as a word for the log: "success", "CodeExpired", ... */

const char *result_text(int result);
