/* SPDX-License-Identifier: MIT */
#include "gateway/network-watch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "common/clock.h"
#include "common/macro.h"

#define READS_AT_ONCE 64u
#define SETTLE_USEC USEC_PER_SEC
#define TIMER_ACCURACY_USEC (100 * USEC_PER_MSEC)

typedef struct NetworkWatch {
        int fd;
        sd_event_source *timer; /* runs while changes settle */
        bool settling;
        void (*changed)(void *userdata);
        void *userdata;
} NetworkWatch;

static void network_watch_free(void *userdata) {
        NetworkWatch *watch = userdata;

        sd_event_source_disable_unref(watch->timer);
        closep(&watch->fd);
        free(watch);
}

static inline void network_watch_freep(NetworkWatch **watch) {
        if (*watch)
                network_watch_free(*watch);
}

static int on_settled(sd_event_source *source, uint64_t usec, void *userdata) {
        NetworkWatch *watch = userdata;

        (void)source;
        (void)usec;
        watch->settling = false;
        watch->changed(watch->userdata);
        return 0;
}

/* What it says does not matter, so neither does what was lost when too much came at once. Where it
 * never ends, everybody else has a turn. */
static void drain(int fd) {
        char buffer[8192];
        ssize_t n = 0;

        for (unsigned i = 0; i < READS_AT_ONCE && (n >= 0 || errno == EINTR || errno == ENOBUFS);
             i++)
                n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
}

static int on_change(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        NetworkWatch *watch = userdata;
        int r;

        (void)source;
        (void)events;
        drain(fd);
        if (watch->settling)
                return 0;
        r = sd_event_source_set_time_relative(watch->timer, SETTLE_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(watch->timer, SD_EVENT_ONESHOT);
        watch->settling = r >= 0;
        return r;
}

static int network_open(void) {
        const struct sockaddr_nl address = {
                .nl_family = AF_NETLINK,
                .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                             RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
        };
        _cleanup_close_ int fd = -1;

        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
        if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int network_watch_add(sd_event *event, void (*changed)(void *userdata), void *userdata) {
        _cleanup_(network_watch_freep) NetworkWatch *watch = calloc(1, sizeof(*watch));
        sd_event_source *source = NULL;
        int r;

        if (!watch)
                return -ENOMEM;
        *watch = (NetworkWatch){.changed = changed, .userdata = userdata};
        watch->fd = network_open();
        if (watch->fd < 0)
                return watch->fd;
        r = sd_event_add_time(event, &watch->timer, CLOCK_BOOTTIME, 0, TIMER_ACCURACY_USEC,
                              on_settled, watch);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &source, watch->fd, EPOLLIN, on_change, watch);
        if (r < 0)
                return r;
        r = sd_event_source_set_destroy_callback(source, network_watch_free);
        if (r >= 0) {
                TAKE_PTR(watch);
                r = sd_event_source_set_floating(source, 1);
        }
        sd_event_source_unref(source);
        return r;
}
