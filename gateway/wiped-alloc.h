/* SPDX-License-Identifier: MIT */
#pragma once

/* The allocator that libcurl and OpenSSL are given: what they free is wiped first, because their
 * buffers held requests and answers with tokens in them. */

#include <curl/curl.h>

/* Gives it to both. 0 or -ENOMEM. OpenSSL takes it only while it has allocated nothing, so call
 * this early; where it comes too late, OpenSSL stays as it was. */
int wiped_alloc_install(void);

/* For CURLOPT_SSL_CTX_FUNCTION: OpenSSL wipes what it has decrypted once it was read; else the last
 * answer stays with its connection. */
CURLcode wiped_alloc_set_up_tls(CURL *easy, void *context, void *userdata);
