/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "tests/pam/fake-bus.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <systemd/sd-bus.h>

#include "common/clock.h"
#include "common/macro.h"
#include "common/names.h"
#include "tests/pam/transcript.h"

FakeBusMode fake_bus_mode_from_string(const char *text) {
        static const char *const names[_FAKE_BUS_MODE_MAX] = {
                [FAKE_BUS_GOOD] = "good",   [FAKE_BUS_ABSENT] = "absent",
                [FAKE_BUS_DEAF] = "deaf",   [FAKE_BUS_MUTE] = "mute",
                [FAKE_BUS_FLOOD] = "flood", [FAKE_BUS_GARBAGE] = "garbage"};

        for (int i = 0; i < _FAKE_BUS_MODE_MAX; i++)
                if (streq(text, names[i]))
                        return (FakeBusMode)i;
        assert(!"no such mode");
        return FAKE_BUS_GOOD;
}

void fake_bus_set_reply(FakeBus *bus, const char *member, const char *behaviour) {
        for (size_t i = 0; i < FAKE_BUS_REPLIES_MAX; i++)
                if (!bus->replies[i].member) {
                        bus->replies[i].member = strdup(member);
                        bus->replies[i].behaviour = strdup(behaviour);
                        return;
                }
        assert(!"more replies than expected");
}

/* The good answers of gateway and daemon. */

static int answer_begin(FakeBus *b, sd_bus_message *m) {
        static const char usual[] = "https://id.example.com/device";
        uint64_t lifetime = b->expired ? 0 : 600 * USEC_PER_SEC;

        return sd_bus_reply_method_return(m, "ssssts", TRANSCRIPT_LOGIN_ID, b->uri ? b->uri : usual,
                                          b->complete ? b->complete : "",
                                          b->code ? b->code : "WDJB-MJHT",
                                          clock_boottime_usec() + lifetime, b->qr ? b->qr : "");
}

static int answer_login(FakeBus *b, sd_bus_message *m) {
        const char *id, *member = sd_bus_message_get_member(m);

        (void)b;
        assert(sd_bus_message_read(m, "s", &id) > 0);
        if (streq(member, "CancelLogin"))
                return sd_bus_reply_method_return(m, "");
        return sd_bus_reply_method_return(m, "ss", "https://id.example.com", "248289761001");
}

static int answer_check(FakeBus *b, sd_bus_message *m) {
        (void)b;
        return sd_bus_reply_method_return(m, "s", "allowed");
}

static int answer_unmanaged(FakeBus *b, sd_bus_message *m) {
        (void)b;
        return sd_bus_reply_method_return(m, "s", "unmanaged");
}

static int answer_claim(FakeBus *b, sd_bus_message *m) {
        int fd = memfd_create("grant", MFD_CLOEXEC);
        int r;

        (void)b;
        assert(fd >= 0 && write(fd, "grant", 5) == 5);
        r = sd_bus_reply_method_return(m, "h", fd);
        close(fd);
        return r;
}

static int answer_grant(FakeBus *b, sd_bus_message *m) {
        struct stat st;
        int fd;

        (void)b;
        assert(sd_bus_message_read(m, "h", &fd) > 0);
        assert(fstat(fd, &st) == 0 && st.st_size == 5); /* the one that answer_claim() made */
        if (streq(sd_bus_message_get_member(m), "AddGrant"))
                return sd_bus_reply_method_return(m, "o", KEYRING_ACCOUNT_PREFIX "/corp");
        return sd_bus_reply_method_return(m, "");
}

static int answer_bad(FakeBus *b, sd_bus_message *m) {
        (void)b;
        return sd_bus_reply_method_return(m, "u", 42);
}

static const struct {
        const char *member;
        const char *interface;
        const char *signature;
        int (*answer)(FakeBus *b, sd_bus_message *m);
} methods[] = {
        {"BeginLogin", GATEWAY_INTERFACE, "ssssss", answer_begin},
        {"AwaitLogin", GATEWAY_INTERFACE, "s", answer_login},
        {"CancelLogin", GATEWAY_INTERFACE, "s", answer_login},
        {"CheckAccount", GATEWAY_INTERFACE, "ss", answer_check},
        {"ClaimGrant", GATEWAY_INTERFACE, "ss", answer_claim},
        {"Revoke", GATEWAY_INTERFACE, "h", answer_grant},
        {"AddGrant", KEYRING_INTERFACE, "h", answer_grant},
};

static void record(const char *label, const char *signature, sd_bus_message *m) {
        char *arguments = strdup("");

        for (const char *type = signature; *type; type++) {
                const char *text = "a descriptor";
                char *longer = NULL;
                int fd;

                assert(sd_bus_message_read_basic(m, *type,
                                                 *type == 's' ? (void *)&text : (void *)&fd) > 0);
                assert(asprintf(&longer, "%s%s%s", arguments, type > signature ? ", " : "", text) >=
                       0);
                free(arguments);
                arguments = longer;
        }
        assert(sd_bus_message_rewind(m, 1) >= 0);
        transcript_line("%s %s(%s)", label, sd_bus_message_get_member(m), arguments);
        free(arguments);
}

/* "after MSEC ..." waits first. Returns the rest. */
static const char *wait_first(const char *behaviour) {
        static const char after[] = "after ";
        char *rest;
        unsigned long msec;

        if (strncmp(behaviour, after, strlen(after)) != 0)
                return behaviour;
        msec = strtoul(behaviour + strlen(after), &rest, 10);
        usleep((useconds_t)msec * 1000);
        return rest + strspn(rest, " ");
}

static int answer_error(sd_bus_message *m, const char *behaviour) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        char name[128], text[256] = "";

        assert(sscanf(behaviour, "error %127s %255[^\n]", name, text) >= 1);
        assert(sd_bus_error_set(&error, name, text) < 0);
        return sd_bus_reply_method_error(m, &error);
}

static int behave(FakeBus *b, sd_bus_message *m, const char *behaviour,
                  int (*answer)(FakeBus *b, sd_bus_message *m)) {
        behaviour = wait_first(behaviour);
        if (streq(behaviour, "silent"))
                return 1;
        if (streq(behaviour, "gone"))
                _exit(0);
        if (streq(behaviour, "bad"))
                return answer_bad(b, m);
        if (streq(behaviour, "unmanaged"))
                return answer_unmanaged(b, m);
        if (strncmp(behaviour, "error ", strlen("error ")) == 0)
                return answer_error(m, behaviour);
        assert(streq(behaviour, "ok") || streq(behaviour, ""));
        return answer(b, m);
}

static int on_call(FakeBus *b, sd_bus_message *m) {
        const char *behaviour = "ok";

        for (size_t i = 0; i < FAKE_BUS_REPLIES_MAX && b->replies[i].member; i++)
                if (streq(b->replies[i].member, sd_bus_message_get_member(m)))
                        behaviour = b->replies[i].behaviour;
        for (size_t i = 0; i < ELEMENTSOF(methods); i++) {
                if (!sd_bus_message_is_method_call(m, methods[i].interface, methods[i].member))
                        continue;
                record(b->label, methods[i].signature, m);
                return behave(b, m, behaviour, methods[i].answer);
        }
        assert(!"a call that nobody expects");
        return -EINVAL;
}

static void flood(sd_bus *bus) {
        static char padding[64 * 1024];

        memset(padding, 'x', sizeof(padding) - 1);
        while (sd_bus_emit_signal(bus, "/", "org.example.Flood", "Drop", "s", padding) >= 0)
                if (sd_bus_flush(bus) < 0)
                        break;
        _exit(0);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        FakeBus *b = userdata;

        (void)ret_error;
        if (sd_bus_message_is_signal(m, NULL, NULL)) /* that the client has gone */
                return 0;
        if (!sd_bus_message_is_method_call(m, "org.freedesktop.DBus", "Hello"))
                return on_call(b, m);
        if (b->mode == FAKE_BUS_MUTE)
                return 1;
        if (sd_bus_reply_method_return(m, "s", ":1.7") < 0)
                _exit(0); /* the client has gone */
        if (b->mode == FAKE_BUS_FLOOD)
                flood(sd_bus_message_get_bus(m));
        return 1;
}

static void serve_bus(FakeBus *b, int fd) {
        static const sd_id128_t id =
                SD_ID128_MAKE(01, 02, 03, 04, 05, 06, 07, 10, 11, 12, 13, 14, 15, 16, 17, 20);
        sd_bus *bus = NULL;

        assert(sd_bus_new(&bus) >= 0);
        assert(sd_bus_set_fd(bus, fd, fd) >= 0);
        assert(sd_bus_set_server(bus, 1, id) >= 0);
        assert(sd_bus_add_filter(bus, NULL, on_message, b) >= 0);
        if (sd_bus_start(bus) < 0)
                _exit(0);
        for (;;) {
                int r = sd_bus_process(bus, NULL);

                if (r < 0)
                        _exit(0); /* the client has gone */
                if (r == 0)
                        (void)sd_bus_wait(bus, UINT64_MAX);
        }
}

static void serve(FakeBus *b, int fd) {
        static const char garbage[] = "HTTP/1.1 400 Bad Request\r\n\r\n";

        if (b->mode == FAKE_BUS_DEAF)
                for (;;)
                        pause();
        if (b->mode == FAKE_BUS_GARBAGE) {
                (void)send(fd, garbage, strlen(garbage), MSG_NOSIGNAL);
                sleep(1);
                _exit(0);
        }
        serve_bus(b, fd);
}

/* A process for each connection, so that one that hangs does not hinder the next. */
static void listen_loop(FakeBus *b, int listener) {
        signal(SIGCHLD, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        for (;;) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

                assert(fd >= 0);
                if (fork() == 0) {
                        prctl(PR_SET_PDEATHSIG, SIGKILL);
                        close(listener);
                        serve(b, fd);
                }
                close(fd);
        }
}

static int make_listener(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert(fd >= 0);
        assert(strlen(path) < sizeof(address.sun_path));
        memcpy(address.sun_path, path, strlen(path));
        assert(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
        assert(listen(fd, 16) == 0);
        return fd;
}

void fake_bus_start(FakeBus *b, const char *directory, uid_t uid) {
        int ready[2];
        char byte;

        assert(asprintf(&b->path, "%s/%s", directory, b->label) >= 0);
        if (b->mode == FAKE_BUS_ABSENT)
                return;
        assert(pipe(ready) == 0);
        b->pid = fork();
        assert(b->pid >= 0);
        if (b->pid == 0) {
                int listener;

                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (uid != 0)
                        assert(setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0);
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                listener = make_listener(b->path);
                close(ready[0]);
                close(ready[1]);
                listen_loop(b, listener);
        }
        close(ready[1]);
        assert(read(ready[0], &byte, 1) == 0); /* ends when the listener is there */
        close(ready[0]);
}

void fake_bus_stop(FakeBus *b) {
        for (size_t i = 0; i < FAKE_BUS_REPLIES_MAX; i++) {
                free(b->replies[i].member);
                free(b->replies[i].behaviour);
        }
        if (b->pid > 0) {
                kill(b->pid, SIGKILL);
                (void)waitpid(b->pid, NULL, 0);
                (void)unlink(b->path);
        }
        free(b->path);
        *b = (FakeBus){0};
}
