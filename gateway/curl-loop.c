/* SPDX-License-Identifier: MIT */
#include "gateway/curl-loop.h"

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

#include "common/clock.h"

#define HOST_CONNECTIONS_MAX 16L

struct CurlLoop {
        sd_event *event;
        CURLM *multi;
        sd_event_source *timer;
        void (*done)(CURL *easy, CURLcode code);
};

static void loop_collect(CurlLoop *loop) {
        CURLMsg *message;
        int left;

        while ((message = curl_multi_info_read(loop->multi, &left)))
                if (message->msg == CURLMSG_DONE)
                        loop->done(message->easy_handle, message->data.result);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        CurlLoop *loop = userdata;
        int mask = 0, running;

        (void)source;
        if (events & EPOLLIN)
                mask |= CURL_CSELECT_IN;
        if (events & EPOLLOUT)
                mask |= CURL_CSELECT_OUT;
        if (events & (EPOLLERR | EPOLLHUP))
                mask |= CURL_CSELECT_ERR;
        (void)curl_multi_socket_action(loop->multi, fd, mask, &running);
        loop_collect(loop);
        return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *assigned) {
        static const uint32_t masks[] = {
                [CURL_POLL_IN] = EPOLLIN,
                [CURL_POLL_OUT] = EPOLLOUT,
                [CURL_POLL_INOUT] = EPOLLIN | EPOLLOUT,
        };
        CurlLoop *loop = userdata;
        sd_event_source *source = assigned;

        (void)easy;
        if (what == CURL_POLL_REMOVE) {
                (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
                (void)sd_event_source_unref(source);
                (void)curl_multi_assign(loop->multi, fd, NULL);
                return 0;
        }
        if (source)
                return sd_event_source_set_io_events(source, masks[what]) < 0 ? -1 : 0;
        if (sd_event_add_io(loop->event, &source, fd, masks[what], on_io, loop) < 0)
                return -1;
        (void)curl_multi_assign(loop->multi, fd, source);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        CurlLoop *loop = userdata;
        int running;

        (void)source, (void)usec;
        (void)curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        loop_collect(loop);
        return 0;
}

static int on_timeout_wanted(CURLM *multi, long timeout_msec, void *userdata) {
        CurlLoop *loop = userdata;
        int r;

        (void)multi;
        if (timeout_msec < 0)
                return sd_event_source_set_enabled(loop->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
        r = sd_event_source_set_time_relative(loop->timer, (uint64_t)timeout_msec * USEC_PER_MSEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(loop->timer, SD_EVENT_ONESHOT);
        return r < 0 ? -1 : 0;
}

static int loop_set_up(CurlLoop *loop) {
        int r;

        r = sd_event_add_time_relative(loop->event, &loop->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC,
                                       on_timer, loop);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(loop->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;

        loop->multi = curl_multi_init();
        if (!loop->multi ||
            curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
            curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop) != CURLM_OK ||
            curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wanted) != CURLM_OK ||
            curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop) != CURLM_OK ||
            curl_multi_setopt(loop->multi, CURLMOPT_MAX_HOST_CONNECTIONS, HOST_CONNECTIONS_MAX) !=
                    CURLM_OK)
                return -ENOMEM;
        return 0;
}

int curl_loop_new(sd_event *event, void (*done)(CURL *easy, CURLcode code), CurlLoop **ret) {
        _cleanup_(curl_loop_freep) CurlLoop *loop = calloc(1, sizeof(*loop));
        int r;

        if (!loop)
                return -ENOMEM;
        loop->event = sd_event_ref(event);
        loop->done = done;
        r = loop_set_up(loop);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(loop);
        return 0;
}

CurlLoop *curl_loop_free(CurlLoop *loop) {
        if (!loop)
                return NULL;
        if (loop->multi)
                (void)curl_multi_cleanup(loop->multi);
        (void)sd_event_source_disable_unref(loop->timer);
        (void)sd_event_unref(loop->event);
        free(loop);
        return NULL;
}

int curl_loop_add(CurlLoop *loop, CURL *easy) {
        return curl_multi_add_handle(loop->multi, easy) == CURLM_OK ? 0 : -ENOMEM;
}

void curl_loop_remove(CurlLoop *loop, CURL *easy) {
        (void)curl_multi_remove_handle(loop->multi, easy);
}
