/* SPDX-License-Identifier: MIT */

/* oidc-keyringd: argv and the loop. */

#include <errno.h>
#include <getopt.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <systemd/sd-daemon.h>

#include "common/log.h"
#include "common/names.h"
#include "common/secret.h"
#include "common/token-key.h"
#include "daemon/clock-watch.h"
#include "daemon/manager-bus.h"
#include "daemon/unit-job.h"

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Manager *manager = userdata;

        (void)source;
        (void)info;
        (void)sd_notify(0, "STOPPING=1");
        manager_leave(manager, unit_is_restarting(manager_bus(manager)));
        return 0;
}

/* Whatever is mapped from files and never written: the kernel reads it back when it is needed. */
static int forget_code(struct dl_phdr_info *object, size_t size, void *userdata) {
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

        (void)size;
        (void)userdata;
        for (size_t i = 0; i < object->dlpi_phnum; i++) {
                const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
                uintptr_t start = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
                uintptr_t end = object->dlpi_addr + segment->p_vaddr + segment->p_memsz;

                if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
                        (void)madvise((void *)start, end - start, MADV_DONTNEED);
        }
        return 0;
}

/* After each turn that did something: what the work took is given back before the long sleep. Most
 * of a service of this kind is code and heap that it needed once, at its start; a host has one of
 * it for each user. */
static int on_turn(sd_event_source *source, void *userdata) {
        (void)source;
        (void)userdata;
        (void)malloc_trim(0);
        (void)dl_iterate_phdr(forget_code, NULL);
        return 0;
}

static int add_sources(sd_event *event, Manager *manager) {
        _cleanup_(sd_event_source_unrefp) sd_event_source *turn = NULL;
        int r;

        r = sd_event_add_signal(event, NULL, SIGTERM, on_signal, manager);
        if (r < 0)
                return r;
        r = sd_event_add_signal(event, NULL, SIGINT, on_signal, manager);
        if (r < 0)
                return r;
        r = clock_watch_add(event, manager_clock_was_set, manager);
        if (r < 0)
                return r;
        r = sd_event_add_post(event, &turn, on_turn, NULL);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(turn, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return r;
        return sd_event_source_set_floating(turn, 1);
}

/* SIGHUP, for which there is nothing to do, stays blocked: to the service manager an end by it is
 * no failure, and every grant would be gone. */
static int block_signals(void) {
        sigset_t set;

        if (sigemptyset(&set) < 0 || sigaddset(&set, SIGHUP) < 0 || sigaddset(&set, SIGTERM) < 0 ||
            sigaddset(&set, SIGINT) < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        return 0;
}

static int open_bus(sd_event *event, sd_bus **ret) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_user_with_description(&bus, "user");
        if (r < 0)
                return r;
        /* A bus that went away takes every caller with it: the service manager starts us again
         * with the next one, and the fd store has the grants. */
        r = sd_bus_set_exit_on_disconnect(bus, 1);
        if (r < 0)
                return r;
        r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(bus);
        return 0;
}

/* The grants first: whoever the name lets in finds the accounts there. */
static int serve(Manager *manager) {
        int r;

        token_key_remove_torn(); /* those of these grants have just been written */
        r = manager_export(manager);
        if (r < 0)
                return log_error_errno(r, "The objects cannot be put on the bus");
        r = sd_bus_request_name(manager_bus(manager), KEYRING_BUS_NAME, 0);
        if (r < 0)
                return log_error_errno(r, "The name %s cannot be had", KEYRING_BUS_NAME);
        (void)sd_notify(0, "READY=1");
        return 0;
}

static void on_ready(void *userdata) {
        Manager *manager = userdata;

        if (serve(manager) < 0)
                (void)sd_event_exit(sd_bus_get_event(manager_bus(manager)), EXIT_FAILURE);
}

static int begin(Manager *manager) {
        int r;

        r = manager_restore(manager);
        if (r < 0)
                return log_error_errno(r, "The grants in the fd store cannot be taken up");
        if (manager_n_accounts(manager) > 0)
                return serve(manager);
        r = manager_restore_kept(manager, on_ready, manager);
        return r < 0 ? log_error_errno(r, "The gateway cannot be asked") : 0;
}

static int run(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(manager_freep) Manager *manager = NULL;
        int r;

        r = secret_protect_process();
        if (r < 0)
                return log_error_errno(r, "The process cannot be made undumpable");
        r = block_signals();
        if (r < 0)
                return log_error_errno(r, "Signals cannot be blocked");
        r = sd_event_new(&event);
        if (r < 0)
                return log_error_errno(r, "There is no event loop");
        r = open_bus(event, &bus);
        if (r < 0)
                return log_error_errno(r, "The user's bus cannot be reached");
        r = manager_new(event, bus, NULL, NULL, &manager);
        if (r < 0)
                return log_error_errno(r, "Cannot begin");
        r = add_sources(event, manager);
        if (r < 0)
                return log_error_errno(r, "The event loop cannot be filled");
        r = begin(manager);
        if (r < 0)
                return r;
        return sd_event_loop(event);
}

static int usage(void) {
        (void)printf("Usage: oidc-keyringd [--help | --version]\n\n"
                     "Keeps this user's logins and their tokens fresh. It is started by the "
                     "user's\n"
                     "bus as oidc-keyringd.service and takes no other arguments; see "
                     "oidc-keyringd(8).\n"
                     "\n"
                     "  -h, --help      this text\n"
                     "  -V, --version   the version\n");
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int version(void) {
        (void)printf("oidc-keyringd %s\n", PACKAGE_VERSION);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                {"help", no_argument, NULL, 'h'},
                {"version", no_argument, NULL, 'V'},
                {NULL, 0, NULL, 0},
        };
        int option;

        while ((option = getopt_long(argc, argv, "hV", options, NULL)) >= 0) {
                if (option == 'h')
                        return usage();
                if (option == 'V')
                        return version();
                return 2;
        }
        if (optind < argc) {
                (void)fprintf(stderr,
                              "oidc-keyringd: there are no arguments beside options, see --help\n");
                return 2;
        }
        /* Above 0 when the bus went away: then it is started again, with its grants. */
        return run() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
