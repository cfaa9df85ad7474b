/* SPDX-License-Identifier: MIT */
#undef NDEBUG

/* simulate-hosts [--hosts N] [--users N] [--days N] [--seed N] [--outage MINUTES] [--signal 0|1]
 * [--limit PER_SECOND]: a working day of many hosts, or of that many users of one host, at one
 * provider, with the daemon's own scheduling code (daemon/schedule.c, linked) and a
 * clock of its own. docs/scheduling.md says what is assumed and what came out.
 *
 * What an account does between two calls of that code is daemon/account.c in few lines: see
 * host_renewed(), host_failed() and host_network_changed(). */

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/macro.h"
#include "daemon/schedule.h"

#define SEC USEC_PER_SEC
#define AT(hour, minute) (((hour)*UINT64_C(3600) + (minute)*UINT64_C(60)) * SEC)

#define LIFETIME (3600 * SEC)
#define REFRESH_AT 75
#define LOGINS_BEGIN AT(9, 0)
#define LOGINS_END AT(9, 10)
#define DAY_END AT(18, 0)
#define BACK_WITHIN AT(0, 20)
#define RETRY_AFTER (30 * SEC)

/* When the provider cannot be reached; the network of the second one changes at its end. How long
 * that one is and whether it does are --outage and --signal. */
static struct {
        uint64_t begin, end;
        bool signal;
} outages[] = {{AT(12, 0), AT(13, 0), false}, {AT(15, 30), AT(15, 45), true}};

/* It takes no more than --limit a second here. */
static const struct { uint64_t begin, end; } limited = {AT(16, 30), AT(17, 30)};

static struct {
        const char *name;
        uint64_t begin, end;
} phases[] = {
        {"the first hour after the logins", AT(9, 10), AT(10, 10)},
        {"until noon", AT(10, 10), AT(12, 0)},
        {"outage of an hour (attempts)", AT(12, 0), AT(13, 0)},
        {"the 5 minutes after it", AT(13, 0), AT(13, 5)},
        {"the two hours after that", AT(13, 5), AT(15, 0)},
        {"the second outage (attempts)", AT(15, 30), AT(15, 45)},
        {"the minute after it", AT(15, 45), AT(15, 46)},
        {"until the limit", AT(15, 46), AT(16, 30)},
        {"an hour of a limit", AT(16, 30), AT(17, 30)},
        {"the half hour after that", AT(17, 30), AT(18, 0)},
};

#define OUTAGE_PHASE 5 /* the second outage */

typedef enum Cause {
        CAUSE_NONE,
        CAUSE_OUTAGE,
        CAUSE_LIMIT,
        _CAUSE_MAX,
} Cause;

typedef struct Host {
        uint64_t expires, next, busy_until;
        size_t place; /* in the heap */
        unsigned n_failures;
        bool offline;
} Host;

typedef struct Fleet {
        Host *hosts, **heap;
        size_t n, n_in_heap, n_users;
        uint64_t state; /* of the generator */
        unsigned limit, taken;
        uint64_t taken_second;
        bool signalled;
        /* of one day */
        unsigned *seconds, *refused;
        uint64_t expired_usec[_CAUSE_MAX];
        uint64_t last_back[ELEMENTSOF(outages)]; /* of all days, the latest after its end */
} Fleet;

/* splitmix64 */
static uint64_t random_next(Fleet *fleet) {
        uint64_t z = fleet->state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

/* ---- the heap of what comes next ---- */

static void heap_put(Fleet *fleet, size_t place, Host *host) {
        fleet->heap[place] = host;
        host->place = place;
}

static void heap_sift(Fleet *fleet, Host *host) {
        size_t place = host->place;

        while (place > 0 && fleet->heap[(place - 1) / 2]->next > host->next) {
                heap_put(fleet, place, fleet->heap[(place - 1) / 2]);
                place = (place - 1) / 2;
        }
        for (size_t child; (child = 2 * place + 1) < fleet->n_in_heap; place = child) {
                if (child + 1 < fleet->n_in_heap &&
                    fleet->heap[child + 1]->next < fleet->heap[child]->next)
                        child++;
                if (fleet->heap[child]->next >= host->next)
                        break;
                heap_put(fleet, place, fleet->heap[child]);
        }
        heap_put(fleet, place, host);
}

/* ---- the provider ---- */

static bool provider_is_away(uint64_t now) {
        for (size_t i = 0; i < ELEMENTSOF(outages); i++)
                if (now >= outages[i].begin && now < outages[i].end)
                        return true;
        return false;
}

static bool provider_has_too_many(Fleet *fleet, uint64_t now) {
        if (now / SEC != fleet->taken_second)
                fleet->taken = 0;
        fleet->taken_second = now / SEC;
        return now >= limited.begin && now < limited.end && fleet->taken++ >= fleet->limit;
}

/* ---- a host ---- */

static void host_renewed(Fleet *fleet, Host *host, uint64_t now, bool login) {
        bool one_of_many = login || host->n_failures > 0;

        host->n_failures = 0;
        host->offline = false;
        host->expires = now + LIFETIME;
        host->next = now + (one_of_many ? schedule_scattered_delay : schedule_refresh_delay)(
                                   LIFETIME, REFRESH_AT, random_next(fleet));
}

static void host_failed(Fleet *fleet, Host *host, uint64_t now) {
        host->offline = true;
        host->next =
                now + schedule_retry_delay(RETRY_TRANSIENT, ++host->n_failures, random_next(fleet));
}

static void host_network_changed(Fleet *fleet, Host *host, uint64_t now) {
        uint64_t remaining = host->expires > now ? host->expires - now : 0;
        uint64_t when = now + schedule_network_delay(remaining, fleet->n_users, random_next(fleet));

        if (!host->offline)
                return;
        host->next = when;
        heap_sift(fleet, host);
}

/* Host-seconds without a good token, but for those of an outage, by what had been before. */
static void note_expired(Fleet *fleet, const Host *host, uint64_t now) {
        uint64_t since = host->expires;
        Cause cause = now >= limited.begin ? CAUSE_LIMIT : CAUSE_NONE;

        for (size_t i = 0; i < ELEMENTSOF(outages); i++) {
                if (since >= outages[i].begin && since < outages[i].end)
                        since = outages[i].end;
                if (now >= outages[i].end && now < outages[i].end + BACK_WITHIN)
                        cause = CAUSE_OUTAGE;
        }
        if (since < now)
                fleet->expired_usec[cause] += now - since;
}

static void note_back(Fleet *fleet, const Host *host, uint64_t now) {
        if (host->n_failures == 0)
                return;
        for (size_t i = 0; i < ELEMENTSOF(outages); i++)
                if (now >= outages[i].end && now < outages[i].end + BACK_WITHIN &&
                    now - outages[i].end > fleet->last_back[i])
                        fleet->last_back[i] = now - outages[i].end;
}

static void host_attempt(Fleet *fleet, Host *host, uint64_t now) {
        if (now < host->busy_until) { /* the gateway does not ask: it was told when to */
                host_failed(fleet, host, now);
                return;
        }
        fleet->seconds[now / SEC]++;
        if (provider_is_away(now)) {
                host_failed(fleet, host, now);
        } else if (provider_has_too_many(fleet, now)) {
                fleet->refused[now / SEC]++;
                host->busy_until = now + RETRY_AFTER;
                host_failed(fleet, host, now);
        } else {
                note_expired(fleet, host, now);
                note_back(fleet, host, now);
                host_renewed(fleet, host, now, false);
        }
}

/* ---- a day ---- */

static void fleet_log_in(Fleet *fleet) {
        for (size_t i = 0; i < fleet->n; i++) {
                uint64_t when = LOGINS_BEGIN + random_next(fleet) % (LOGINS_END - LOGINS_BEGIN);

                fleet->hosts[i] = (Host){.place = i};
                host_renewed(fleet, &fleet->hosts[i], when, true);
                fleet->n_in_heap = i + 1;
                heap_put(fleet, i, &fleet->hosts[i]);
                heap_sift(fleet, &fleet->hosts[i]);
        }
}

static void fleet_signal(Fleet *fleet, uint64_t when) {
        for (size_t i = 0; i < fleet->n; i++)
                host_network_changed(fleet, &fleet->hosts[i], when);
}

static void fleet_day(Fleet *fleet) {
        size_t n_signals = 0;

        fleet_log_in(fleet);
        while (fleet->heap[0]->next < DAY_END) {
                Host *host = fleet->heap[0];

                while (n_signals < ELEMENTSOF(outages) && host->next >= outages[n_signals].end) {
                        if (outages[n_signals].signal)
                                fleet_signal(fleet, outages[n_signals].end);
                        n_signals++;
                        host = fleet->heap[0];
                }
                host_attempt(fleet, host, host->next);
                heap_sift(fleet, host);
        }
}

/* ---- what came of it ---- */

typedef struct Sum {
        double total, *seconds; /* of all days, by second of the day */
        double *busiest;        /* of each phase, the busiest second of a day, summed up */
        double refused;
} Sum;

static void sum_day(Sum *sum, const Fleet *fleet) {
        for (size_t i = 0; i < ELEMENTSOF(phases); i++) {
                unsigned busiest = 0;

                for (uint64_t s = phases[i].begin / SEC; s < phases[i].end / SEC; s++)
                        busiest = fleet->seconds[s] > busiest ? fleet->seconds[s] : busiest;
                sum->busiest[i] += busiest;
        }
        for (size_t s = 0; s < DAY_END / SEC; s++) {
                sum->seconds[s] += fleet->seconds[s];
                sum->refused += fleet->refused[s];
        }
}

static void print_phase(const Sum *sum, size_t phase, unsigned days) {
        uint64_t begin = phases[phase].begin / SEC, end = phases[phase].end / SEC;
        double total = 0, highest = 0;

        for (uint64_t s = begin; s < end; s++) {
                total += sum->seconds[s];
                highest = sum->seconds[s] > highest ? sum->seconds[s] : highest;
        }
        total /= days;
        highest /= days;
        (void)printf("| %-33s | %7.2f | %7.2f | %5.2f | %7.1f |\n", phases[phase].name,
                     total / (double)(end - begin), highest,
                     highest * (double)(end - begin) / total, sum->busiest[phase] / days);
}

static const char *const causes[_CAUSE_MAX] = {
        [CAUSE_NONE] = "- without a cause",
        [CAUSE_OUTAGE] = "- until the back-off after an outage was over",
        [CAUSE_LIMIT] = "- because of the limit",
};

static void print_all(const Sum *sum, const Fleet *fleet, unsigned days) {
        (void)printf("| phase | mean | highest rate | highest to mean | busiest second |\n"
                     "|---|---|---|---|---|\n");
        for (size_t i = 0; i < ELEMENTSOF(phases); i++)
                print_phase(sum, i, days);
        (void)printf("\nHost-seconds with an expired token while the provider was up, of all:\n");
        for (size_t i = 0; i < _CAUSE_MAX; i++)
                (void)printf("%s: %.4f %%\n", causes[i],
                             (double)fleet->expired_usec[i] / (double)SEC / days * 100 /
                                     ((double)fleet->n * (double)((DAY_END - LOGINS_BEGIN) / SEC)));
        for (size_t i = 0; i < ELEMENTSOF(outages); i++)
                (void)printf("\nOutage %zu: the last host was back at most %.0f s after its end\n",
                             i + 1, (double)fleet->last_back[i] / (double)SEC);
        (void)printf("\nAnswers 429 a day: %.0f\n", sum->refused / days);
}

static uint64_t number(const char *text) {
        char *end;
        uint64_t value = strtoull(text, &end, 10);

        if (*end != '\0' || end == text) {
                (void)fprintf(stderr, "not a number: %s\n", text);
                exit(2);
        }
        return value;
}

/* The second outage: so many minutes, at most those since the phase before. */
static void set_outage(uint64_t minutes, bool with_signal) {
        assert(minutes > 0 && minutes <= 45);
        outages[1].begin = phases[OUTAGE_PHASE].begin = outages[1].end - AT(0, minutes);
        outages[1].signal = with_signal;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {{"hosts", required_argument, NULL, 'n'},
                                                {"days", required_argument, NULL, 'd'},
                                                {"seed", required_argument, NULL, 's'},
                                                {"limit", required_argument, NULL, 'l'},
                                                {"users", required_argument, NULL, 'u'},
                                                {"outage", required_argument, NULL, 'o'},
                                                {"signal", required_argument, NULL, 'g'},
                                                {"help", no_argument, NULL, 'h'},
                                                {NULL, 0, NULL, 0}};
        uint64_t values[256] = {
                ['n'] = 10000, ['d'] = 400, ['s'] = 1, ['l'] = 5, ['u'] = 1, ['o'] = 15, ['g'] = 1};
        static double seconds[DAY_END / SEC], busiest[ELEMENTSOF(phases)];
        Sum sum = {.seconds = seconds, .busiest = busiest};
        static unsigned by_second[DAY_END / SEC], refused[DAY_END / SEC];
        Fleet fleet = {.seconds = by_second, .refused = refused};

        for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) >= 0;) {
                if (option == 'h' || option == '?')
                        return printf("simulate-hosts [--hosts N] [--users N] [--days N] [--seed N]"
                                      " [--outage MINUTES] [--signal 0|1] [--limit PER_SECOND]\n") <
                                       0 ||
                               option == '?';
                values[option] = number(optarg);
        }
        set_outage(values['o'], values['g']);
        fleet.n = values['n'];
        fleet.n_users = values['u'];
        fleet.state = values['s'];
        fleet.limit = (unsigned)values['l'];
        fleet.hosts = calloc(fleet.n, sizeof(*fleet.hosts));
        fleet.heap = calloc(fleet.n, sizeof(Host *));
        assert(fleet.n > 0 && values['d'] > 0 && fleet.hosts && fleet.heap);
        for (uint64_t day = 0; day < values['d']; day++) {
                memset(by_second, 0, sizeof(by_second));
                memset(refused, 0, sizeof(refused));
                fleet_day(&fleet);
                sum_day(&sum, &fleet);
        }
        print_all(&sum, &fleet, (unsigned)values['d']);
        free(fleet.hosts);
        free(fleet.heap);
        return 0;
}
