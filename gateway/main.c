/* SPDX-License-Identifier: MIT */

/* oidc-keyring-gateway: arguments and the event loop. */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "common/secret.h"
#include "gateway/manager.h"
#include "gateway/network-watch.h"

#define IDLE_TIMEOUT_DEFAULT_SEC 600u
#define SECONDS_MAX (7u * 24u * 3600u)
#define STOP_POLL_USEC UINT64_C(20000)
/* Less than the 25 s for which the bus lets those wait who ask for a successor meanwhile. */
#define STOP_MAX_USEC (20 * USEC_PER_SEC)
#define TIMER_ACCURACY_USEC UINT64_C(1000000)

static uint64_t arg_idle_timeout_sec = IDLE_TIMEOUT_DEFAULT_SEC;
static uint64_t arg_answer_memory_sec = REFRESH_ANSWER_USEC / USEC_PER_SEC;
static const char *arg_root = "";

typedef struct Gateway {
        sd_event *event;
        sd_bus *bus;
        Manager *manager;
        sd_event_source *idle_timer;
        sd_event_source *stop_timer;
        uint64_t stop_due_usec;
        bool leaving; /* the bus name is being given up */
} Gateway;

#define EXIT_USAGE 2

static int help(void) {
        (void)printf(
                "Usage: oidc-keyring-gateway [OPTION...]\n"
                "\n"
                "Speaks to the identity providers for all logins of this host. It is started\n"
                "by the system bus; see oidc-keyring-gateway(8).\n"
                "\n"
                "      --answer-memory=SECONDS give the answer to a refresh again for so long\n"
                "                              (60)\n"
                "      --idle-timeout=SECONDS  leave after so long with nothing to do (600);\n"
                "                              0: never\n"
                "      --root=DIRECTORY        read the configuration, and keep the bindings,\n"
                "                              below it\n"
                "  -h, --help                  this text\n"
                "  -V, --version               the version\n");
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int version(void) {
        (void)printf("oidc-keyring-gateway %s\n", PACKAGE_VERSION);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int set_seconds(const char *option, const char *text, uint64_t *ret_sec) {
        if (parse_u64(text, 0, SECONDS_MAX, ret_sec) == 0)
                return -1;
        (void)fprintf(stderr, "oidc-keyring-gateway: %s is a number of seconds, at most %u\n",
                      option, SECONDS_MAX);
        return EXIT_USAGE;
}

/* The exit status; -1: go on. */
static int parse_arguments(int argc, char *argv[]) {
        enum {
                ARG_ANSWER_MEMORY = 0x100,
                ARG_IDLE_TIMEOUT,
                ARG_ROOT,
        };
        static const struct option options[] = {
                {"answer-memory", required_argument, NULL, ARG_ANSWER_MEMORY},
                {"idle-timeout", required_argument, NULL, ARG_IDLE_TIMEOUT},
                {"root", required_argument, NULL, ARG_ROOT},
                {"help", no_argument, NULL, 'h'},
                {"version", no_argument, NULL, 'V'},
                {0},
        };
        int option, r = -1;

        while (r < 0 && (option = getopt_long(argc, argv, "hV", options, NULL)) >= 0) {
                switch (option) {
                case ARG_ANSWER_MEMORY:
                        r = set_seconds("--answer-memory", optarg, &arg_answer_memory_sec);
                        break;
                case ARG_IDLE_TIMEOUT:
                        r = set_seconds("--idle-timeout", optarg, &arg_idle_timeout_sec);
                        break;
                case ARG_ROOT:
                        arg_root = optarg;
                        break;
                case 'V':
                        return version();
                case 'h':
                        return help();
                default:
                        return EXIT_USAGE;
                }
        }
        if (r < 0 && optind < argc) {
                (void)fprintf(stderr, "oidc-keyring-gateway: no arguments beside options, see "
                                      "--help\n");
                return EXIT_USAGE;
        }
        return r;
}

/* Leaving: the name is given up first, so that whoever calls from then on starts a new gateway;
 * calls that came before are still in the queue when the bus confirms, and undo it. */

static int gateway_request_name(Gateway *gateway) {
        return sd_bus_request_name(gateway->bus, GATEWAY_BUS_NAME, 0);
}

static bool gateway_is_idle(const Gateway *gateway) {
        return manager_is_idle(gateway->manager) &&
               clock_boottime_usec() >= manager_last_call_usec(gateway->manager) +
                                                arg_idle_timeout_sec * USEC_PER_SEC;
}

static int gateway_set_idle_timer(Gateway *gateway) {
        uint64_t now_usec = clock_boottime_usec();
        uint64_t due_usec =
                manager_last_call_usec(gateway->manager) + arg_idle_timeout_sec * USEC_PER_SEC;
        int r;

        /* Something is pending: nothing tells when it ends, so look again in a while. */
        if (due_usec <= now_usec)
                due_usec = now_usec + arg_idle_timeout_sec * USEC_PER_SEC / 4 + USEC_PER_SEC;
        r = sd_event_source_set_time(gateway->idle_timer, due_usec);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(gateway->idle_timer, SD_EVENT_ONESHOT);
}

static int on_name_released(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Gateway *gateway = userdata;
        int r;

        (void)message;
        (void)error;
        gateway->leaving = false;
        if (gateway_is_idle(gateway))
                return sd_event_exit(gateway->event, 0);

        r = gateway_request_name(gateway);
        if (r < 0) {
                /* A successor has it. What is pending here is still brought to its end. */
                log_debug_errno(r, "Cannot take the bus name back");
                return 0;
        }
        return gateway_set_idle_timer(gateway);
}

static int on_idle_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Gateway *gateway = userdata;

        (void)source;
        (void)usec;
        if (!gateway_is_idle(gateway) || gateway->leaving)
                return gateway_set_idle_timer(gateway);
        gateway->leaving = true;
        return sd_bus_release_name_async(gateway->bus, NULL, GATEWAY_BUS_NAME, on_name_released,
                                         gateway);
}

/* The end by signal: refreshes are brought to their end, what nobody was given is revoked. A
 * provider that hangs holds up all others no longer than that: of what it was asked, the journal
 * tells the successor. */

static int on_stop_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Gateway *gateway = userdata;
        int r;

        (void)usec;
        if (manager_is_idle(gateway->manager) || clock_boottime_usec() >= gateway->stop_due_usec)
                return sd_event_exit(gateway->event, 0);
        r = sd_event_source_set_time_relative(source, STOP_POLL_USEC);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_name_given_up(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        (void)message;
        (void)userdata;
        (void)error;
        return 0;
}

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *info,
                          void *userdata) {
        Gateway *gateway = userdata;

        (void)source;
        (void)info;
        if (gateway->stop_timer)
                return sd_event_exit(gateway->event, 0);
        (void)sd_notify(0, "STOPPING=1");
        gateway->stop_due_usec = clock_boottime_usec() + STOP_MAX_USEC;
        manager_stop(gateway->manager);
        /* Whoever calls from now on starts a successor. */
        if (!gateway->leaving) {
                int r = sd_bus_release_name_async(gateway->bus, NULL, GATEWAY_BUS_NAME,
                                                  on_name_given_up, NULL);

                if (r < 0)
                        return r;
        }
        return sd_event_add_time_relative(gateway->event, &gateway->stop_timer, CLOCK_MONOTONIC, 0,
                                          1, on_stop_timer, gateway);
}

static int on_reload_signal(sd_event_source *source, const struct signalfd_siginfo *info,
                            void *userdata) {
        Gateway *gateway = userdata;

        (void)source;
        (void)info;
        manager_reload(gateway->manager);
        return 0;
}

static void on_network_changed(void *userdata) {
        Gateway *gateway = userdata;

        manager_tell_network_changed(gateway->bus);
}

static int gateway_add_signals(Gateway *gateway) {
        static const struct {
                int number;
                sd_event_signal_handler_t handler;
        } signals[] = {
                {SIGTERM, on_stop_signal},
                {SIGINT, on_stop_signal},
                {SIGHUP, on_reload_signal},
        };
        sigset_t mask;
        int r;

        (void)sigemptyset(&mask);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void)sigaddset(&mask, signals[i].number);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                r = sd_event_add_signal(gateway->event, NULL, signals[i].number, signals[i].handler,
                                        gateway);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int gateway_connect(Gateway *gateway) {
        int r;

        r = sd_bus_open_system(&gateway->bus);
        if (r < 0)
                return log_error_errno(r, "Cannot reach the system bus");
        r = manager_attach(gateway->manager, gateway->bus);
        if (r < 0)
                return log_error_errno(r, "Cannot offer the interface");
        r = sd_bus_set_exit_on_disconnect(gateway->bus, 1);
        if (r < 0)
                return log_error_errno(r, "Cannot follow the system bus");
        r = sd_bus_attach_event(gateway->bus, gateway->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return log_error_errno(r, "Cannot follow the system bus");
        r = gateway_request_name(gateway);
        if (r < 0)
                return log_error_errno(r, "Cannot own the bus name " GATEWAY_BUS_NAME);
        return 0;
}

static int gateway_setup(Gateway *gateway) {
        int r;

        r = sd_event_new(&gateway->event);
        if (r < 0)
                return log_error_errno(r, "Cannot make an event loop");
        r = gateway_add_signals(gateway);
        if (r < 0)
                return log_error_errno(r, "Cannot take signals");
        r = manager_new(gateway->event, arg_root, &gateway->manager);
        if (r < 0)
                return log_error_errno(r, "Cannot set up");
        manager_remember_answers_for(gateway->manager, arg_answer_memory_sec * USEC_PER_SEC);
        r = gateway_connect(gateway);
        if (r < 0)
                return r;
        r = network_watch_add(gateway->event, on_network_changed, gateway);
        if (r < 0)
                log_warning_errno(r, "Changes of the network cannot be seen");
        if (arg_idle_timeout_sec == 0)
                return 0;
        r = sd_event_add_time_relative(gateway->event, &gateway->idle_timer, CLOCK_BOOTTIME,
                                       arg_idle_timeout_sec * USEC_PER_SEC, TIMER_ACCURACY_USEC,
                                       on_idle_timer, gateway);
        return r < 0 ? log_error_errno(r, "Cannot set a timer") : 0;
}

static void gateway_done(Gateway *gateway) {
        manager_free(gateway->manager);
        sd_event_source_disable_unref(gateway->idle_timer);
        sd_event_source_disable_unref(gateway->stop_timer);
        sd_bus_flush_close_unref(gateway->bus);
        sd_event_unref(gateway->event);
}

static int run(void) {
        _cleanup_(gateway_done) Gateway gateway = {0};
        int r;

        /* Not even root's tools of another container or a process of this user may look inside. */
        r = secret_protect_process();
        if (r < 0)
                return log_error_errno(r, "Cannot protect the memory");
        r = gateway_setup(&gateway);
        if (r < 0)
                return r;
        (void)sd_notify(0, "READY=1");
        return sd_event_loop(gateway.event);
}

int main(int argc, char *argv[]) {
        int r = parse_arguments(argc, argv);

        if (r >= 0)
                return r;
        /* Above 0 when the bus went away. */
        return run() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
