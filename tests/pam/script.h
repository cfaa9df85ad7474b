/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* A script says what the host, the person and the two buses are like, then what the host calls, and
 * after a line "---" the transcript of all that is said, called, logged and returned. README in
 * tests/pam/scripts lists the words. */

/* Runs the part before "---" of the file at @path, in this process. The transcript is appended
 * where transcript_open() said. @hostile: in a host that is everything a module fears, and still
 * everything has to happen as the script says. */
void script_run(const char *path, bool hostile);
