/* SPDX-License-Identifier: MIT */
#pragma once

/* CurlLoop: libcurl's multi interface driven by sd-event: any number of transfers at once on one
 * thread, over connections that are kept and reused. */

#include <curl/curl.h>
#include <systemd/sd-event.h>

#include "common/macro.h"

typedef struct CurlLoop CurlLoop;

/* @done is called from the event loop at the end of each transfer, which is still in the loop then
 * and may be taken out of it, or freed, inside. */
int curl_loop_new(sd_event *event, void (*done)(CURL *easy, CURLcode code), CurlLoop **ret);
CurlLoop *curl_loop_free(CurlLoop *loop); /* what is in it is to be taken out before */
DEFINE_CLEANUP(CurlLoop, curl_loop_free);

/* Only asks for a timer: curl works from the event loop. -ENOMEM. */
int curl_loop_add(CurlLoop *loop, CURL *easy);
void curl_loop_remove(CurlLoop *loop, CURL *easy);
