/* SPDX-License-Identifier: MIT */
#include "daemon/restoration.h"

#include <errno.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"
#include "common/outcome.h"
#include "daemon/schedule.h"

#define READY_USEC (3 * USEC_PER_SEC)
#define TIMER_ACCURACY_USEC (100 * USEC_PER_MSEC)
#define TRIES_MAX 10u

struct Restoration {
        const GatewayClient *client;
        char after[ACCOUNT_NAME_MAX + 1];
        GatewayCall *call;
        sd_event_source *retry_timer;
        sd_event_source *ready_timer; /* NULL: it was told */
        unsigned n_failures;
        RestorationFound found;
        RestorationReady ready;
        void *userdata;
};

Restoration *restoration_free(Restoration *restoration) {
        if (!restoration)
                return NULL;
        gateway_call_free(restoration->call);
        sd_event_source_disable_unref(restoration->retry_timer);
        sd_event_source_disable_unref(restoration->ready_timer);
        free(restoration);
        return NULL;
}

/* The last thing that its caller does. */
static void restoration_tell_ready(Restoration *restoration) {
        if (!restoration->ready_timer)
                return;
        restoration->ready_timer = sd_event_source_disable_unref(restoration->ready_timer);
        restoration->ready(restoration->userdata);
}

static void restoration_on_answer(void *userdata, int result, const char *message, int grant_fd);

static int restoration_ask(Restoration *restoration) {
        return gateway_call_new_restore(restoration->client, restoration->after,
                                        restoration_on_answer, restoration, &restoration->call);
}

static int restoration_on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Restoration *restoration = userdata;
        int r = restoration_ask(restoration);

        (void)source;
        (void)usec;
        if (r < 0)
                (void)log_warning_errno(r, "The gateway cannot be asked for kept logins");
        return 0;
}

static void restoration_retry(Restoration *restoration, const char *message) {
        uint64_t random = 0, delay;
        int r;

        restoration->n_failures++;
        if (restoration->n_failures == 1 || restoration->n_failures == TRIES_MAX)
                log_warning("Logins that were kept over a reboot cannot be had%s: %s",
                            restoration->n_failures == TRIES_MAX ? "" : " yet", message);
        if (restoration->n_failures >= TRIES_MAX)
                return;
        if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
                random = clock_boottime_usec(); /* it only spreads the load */
        delay = schedule_retry_delay(RETRY_TRANSIENT, restoration->n_failures, random);
        restoration->retry_timer = sd_event_source_disable_unref(restoration->retry_timer);
        r = sd_event_add_time_relative(restoration->client->event, &restoration->retry_timer,
                                       CLOCK_BOOTTIME, delay, TIMER_ACCURACY_USEC,
                                       restoration_on_retry, restoration);
        if (r < 0)
                (void)log_warning_errno(r, "The gateway will not be asked again");
}

/* The names only go up, so this comes to an end. */
static int restoration_take(Restoration *restoration, int grant_fd) {
        _cleanup_free_ char *account = NULL;
        int r;

        r = grant_fd < 0 ? -EBADF : restoration->found(restoration->userdata, grant_fd, &account);
        if (r >= 0 && strcmp(account, restoration->after) <= 0)
                r = -EBADMSG;
        if (r < 0)
                return log_warning_errno(r, "A login that was kept over a reboot is of no use");
        (void)stpcpy(restoration->after, account); /* account_name_is_valid() */
        return restoration_ask(restoration);
}

static void restoration_on_answer(void *userdata, int result, const char *message, int grant_fd) {
        Restoration *restoration = userdata;

        restoration->call = gateway_call_free(restoration->call);
        if (result == 0 && restoration_take(restoration, grant_fd) >= 0)
                return;
        if (result != 0 && result != OUTCOME_UNKNOWN_ACCOUNT)
                restoration_retry(restoration, message);
        restoration_tell_ready(restoration);
}

static int restoration_on_ready_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        (void)source;
        (void)usec;
        restoration_tell_ready(userdata);
        return 0;
}

int restoration_new(const GatewayClient *client, RestorationFound found, RestorationReady ready,
                    void *userdata, Restoration **ret) {
        _cleanup_(restoration_freep) Restoration *restoration = calloc(1, sizeof(*restoration));
        int r;

        if (!restoration)
                return -ENOMEM;
        *restoration = (Restoration){
                .client = client, .found = found, .ready = ready, .userdata = userdata};
        r = sd_event_add_time_relative(client->event, &restoration->ready_timer, CLOCK_BOOTTIME,
                                       READY_USEC, TIMER_ACCURACY_USEC, restoration_on_ready_timer,
                                       restoration);
        if (r < 0)
                return r;
        r = restoration_ask(restoration);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(restoration);
        return 0;
}
