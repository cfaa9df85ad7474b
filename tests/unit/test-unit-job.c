/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <sys/socket.h>

#include "common/macro.h"
#include "daemon/unit-job.h"

/* What the user's service manager answers, from a thread of its own: it is asked synchronously. */
typedef struct Systemd {
        int fd;
        const char *job_type; /* NULL: the unit has no job */
        const char *failing;  /* the method that is answered with an error, NULL: none */
        bool silent;
        bool other_types;
        unsigned n_asked;
} Systemd;

static int answer_get(sd_bus_message *call, const Systemd *systemd) {
        const char *interface, *property;
        uint32_t id = systemd->job_type ? 17 : 0;

        assert(sd_bus_message_read(call, "ss", &interface, &property) > 0);
        if (systemd->other_types)
                return sd_bus_reply_method_return(call, "v", "u", UINT32_C(1));
        if (streq(property, "Job")) {
                assert(streq(interface, "org.freedesktop.systemd1.Unit"));
                assert(streq(sd_bus_message_get_path(call), "/unit"));
                return sd_bus_reply_method_return(call, "v", "(uo)", id, id ? "/job/17" : "/");
        }
        assert(streq(property, "JobType") && streq(interface, "org.freedesktop.systemd1.Job"));
        assert(streq(sd_bus_message_get_path(call), "/job/17"));
        return sd_bus_reply_method_return(call, "v", "s", systemd->job_type);
}

static int on_call(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        Systemd *systemd = userdata;
        const char *member = sd_bus_message_get_member(call);
        uint32_t pid;

        (void)error;
        if (sd_bus_message_is_method_call(call, NULL, NULL) <= 0)
                return 0;
        systemd->n_asked++;
        if (systemd->silent)
                return 1;
        if (systemd->failing && streq(systemd->failing, member))
                return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_ACCESS_DENIED, "no");
        if (streq(member, "Get"))
                return answer_get(call, systemd);
        assert(streq(member, "GetUnitByPID"));
        assert(sd_bus_message_read(call, "u", &pid) > 0 && pid == (uint32_t)getpid());
        return sd_bus_reply_method_return(call, "o", "/unit");
}

static void *systemd_run(void *userdata) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        Systemd *systemd = userdata;
        sd_id128_t id;
        int r;

        assert(sd_id128_randomize(&id) == 0);
        assert(sd_bus_new(&bus) == 0 && sd_bus_set_fd(bus, systemd->fd, systemd->fd) >= 0);
        assert(sd_bus_set_server(bus, 1, id) >= 0);
        assert(sd_bus_add_filter(bus, NULL, on_call, systemd) >= 0);
        assert(sd_bus_start(bus) >= 0);
        do {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        } while (r >= 0); /* until the other end is closed */
        return NULL;
}

static bool is_restarting(Systemd *systemd) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        pthread_t thread;
        int fds[2];
        bool restarting;

        assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        systemd->fd = fds[1];
        assert(pthread_create(&thread, NULL, systemd_run, systemd) == 0);
        assert(sd_bus_new(&bus) == 0 && sd_bus_set_fd(bus, fds[0], fds[0]) >= 0);
        assert(sd_bus_start(bus) >= 0);
        restarting = unit_is_restarting(bus);
        bus = sd_bus_flush_close_unref(bus);
        assert(pthread_join(thread, NULL) == 0);
        assert(systemd->n_asked > 0);
        return restarting;
}

static void test_jobs(void) {
        static const struct {
                const char *type;
                bool restart;
        } jobs[] = {
                {"restart", true}, {"try-restart", true}, {"stop", false},
                {"start", false},  {"restarted", false},  {NULL, false},
        };

        for (size_t i = 0; i < ELEMENTSOF(jobs); i++) {
                Systemd systemd = {.job_type = jobs[i].type};

                assert(is_restarting(&systemd) == jobs[i].restart);
        }
}

/* Whatever is not said is no restart: a login that nobody brings back is revoked. */
static void test_no_answer(void) {
        Systemd systemds[] = {
                {.job_type = "restart", .failing = "GetUnitByPID"},
                {.job_type = "restart", .failing = "Get"},
                {.job_type = "restart", .other_types = true},
                {.job_type = "restart", .silent = true},
        };

        for (size_t i = 0; i < ELEMENTSOF(systemds); i++)
                assert(!is_restarting(&systemds[i]));
}

int main(void) {
        test_jobs();
        test_no_answer();
        return 0;
}
