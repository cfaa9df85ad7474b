/* SPDX-License-Identifier: MIT */
#pragma once

/* Tells when the network of the host has changed: a link, an address or a route came or went. There
 * is one watch for the host, in the gateway: the daemons have no network, not even to look at. */

#include <systemd/sd-event.h>

/* @changed is called from the loop for as long as @event lives, once for changes that come together
 * (within a second). */
int network_watch_add(sd_event *event, void (*changed)(void *userdata), void *userdata);
