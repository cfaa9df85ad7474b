/* SPDX-License-Identifier: MIT */
#pragma once

/* Descriptors that are no grant, or not quite one. */

/* A new descriptor. @kind: one of those in the table of odd-fd.c; @grant_fd: a good grant, which
 * some of them are made from, or -1. */
int odd_fd_new(const char *kind, int grant_fd);
