/* SPDX-License-Identifier: MIT */
#pragma once

/* The allocator that libcurl and OpenSSL are given: what they free is wiped first, because their
 * buffers held requests and answers with tokens in them. */

/* Gives it to both. 0 or -ENOMEM. OpenSSL takes it only while it has allocated nothing, so call
 * this early; where it comes too late, OpenSSL stays as it was. */
int wiped_alloc_install(void);
