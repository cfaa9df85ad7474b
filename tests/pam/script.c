/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "tests/pam/script.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <security/pam_appl.h>

#include "tests/pam/fake-address.h"
#include "tests/pam/fake-bus.h"
#include "tests/pam/fake-clock.h"
#include "tests/pam/fakepam.h"
#include "tests/pam/host.h"
#include "tests/pam/transcript.h"

#define N_ARGS 8
#define N_FIELDS 8

typedef struct Script {
        pam_handle_t *pamh;
        Person person;
        FakeBus system, user;
        char directory[32];
        char *fields[N_FIELDS]; /* texts that the buses borrow */
        size_t n_fields;
        int flags;
        bool started;
        bool in_thread;
        bool hostile; /* what the script says of the host is true already */
        HostState before;
} Script;

/* "\n", "\e" and "\xHH" in the rest of a line, so that scripts can hold what terminals fear. */
static char *unescape(Script *s, const char *text) {
        char *out = malloc(strlen(text) + 1), *to = out;

        assert(out && s->n_fields < N_FIELDS);
        while (*text) {
                unsigned byte;

                if (text[0] == '\\' && text[1] == 'n') {
                        *to++ = '\n';
                        text += 2;
                } else if (text[0] == '\\' && text[1] == 'e') {
                        *to++ = '\x1b';
                        text += 2;
                } else if (sscanf(text, "\\x%2x", &byte) == 1) {
                        *to++ = (char)byte;
                        text += 4;
                } else
                        *to++ = *text++;
        }
        *to = '\0';
        s->fields[s->n_fields++] = out;
        return out;
}

/* The words that set things up. */

static void set_item(Script *s, char *rest) {
        static const struct {
                const char *name;
                int type;
        } items[] = {
                {"user", PAM_USER},   {"service", PAM_SERVICE}, {"tty", PAM_TTY},
                {"rhost", PAM_RHOST}, {"ruser", PAM_RUSER},
        };
        const char *name = strsep(&rest, " ");

        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                if (streq(name, items[i].name)) {
                        fakepam_set_item(s->pamh, items[i].type, rest ? unescape(s, rest) : NULL);
                        return;
                }
        assert(!"no such item");
}

static void set_passwd(Script *s, char *rest) {
        uid_t uid = streq(rest, "self") ? geteuid() : (uid_t)strtoul(rest, NULL, 10);

        fakepam_set_passwd(s->pamh, uid, streq(rest, "self") ? getegid() : (gid_t)uid);
}

static void set_real_uid(Script *s, char *rest) {
        (void)s;
        fakepam_set_real_uid((uid_t)strtoul(rest, NULL, 10));
}

static void set_person(Script *s, char *rest) {
        person_set(&s->person, rest);
        fakepam_set_conv(s->pamh, person_conv(&s->person));
}

static void set_host(Script *s, char *rest) {
        if (streq(rest, "thread"))
                s->in_thread = true;
        else if (!s->hostile)
                host_set(rest);
}

static void set_clock(Script *s, char *rest) {
        (void)s;
        fake_clock_speed(strtoul(rest, NULL, 10));
}

static void set_system_bus(Script *s, char *rest) {
        s->system.mode = fake_bus_mode_from_string(rest);
}

static void set_user_bus(Script *s, char *rest) {
        s->user.mode = fake_bus_mode_from_string(rest);
}

static void set_reply(Script *s, char *rest) {
        const char *member = strsep(&rest, " ");

        fake_bus_set_reply(streq(member, "AddGrant") ? &s->user : &s->system, member,
                           rest ? rest : "ok");
}

static void set_gateway(Script *s, char *rest) {
        const char *name = strsep(&rest, " ");

        if (streq(name, "uri"))
                s->system.uri = unescape(s, rest);
        else if (streq(name, "complete"))
                s->system.complete = unescape(s, rest);
        else if (streq(name, "code"))
                s->system.code = unescape(s, rest);
        else if (streq(name, "qr"))
                s->system.qr = unescape(s, rest);
        else if (streq(name, "expired"))
                s->system.expired = true;
        else
                assert(!"no such field");
}

static void set_variable(Script *s, char *rest) {
        assert(pam_putenv(s->pamh, rest) == PAM_SUCCESS);
}

static void set_flag(Script *s, char *rest) {
        assert(streq(rest, "silent"));
        s->flags |= PAM_SILENT;
}

static void forget_data(Script *s, char *rest) {
        (void)rest;
        fakepam_forget_data(s->pamh);
}

/* What the host calls. */

static void start(Script *s) {
        fakepam_add_secret(s->pamh, TRANSCRIPT_LOGIN_ID);
        fakepam_add_secret(s->pamh, s->system.code ? s->system.code : "WDJB-MJHT");
        fakepam_add_secret(s->pamh, PERSON_REPLY);
        fake_bus_start(&s->system, s->directory, 0);
        fake_bus_start(&s->user, s->directory, 0);
        fake_address_set(s->system.path, s->user.path);
        s->before = host_state();
        s->started = true;
}

typedef struct Call {
        int (*function)(pam_handle_t *pamh, int flags, int argc, const char **argv);
        pam_handle_t *pamh;
        int flags, argc;
        const char *argv[N_ARGS];
        int code;
} Call;

static void *run_call(void *userdata) {
        Call *call = userdata;

        call->code = call->function(call->pamh, call->flags, call->argc, call->argv);
        return NULL;
}

static void do_call(Script *s, char *rest) {
        static const struct {
                const char *name;
                int flags;
                int (*function)(pam_handle_t *pamh, int flags, int argc, const char **argv);
        } functions[] = {
                {"authenticate", 0, pam_sm_authenticate},
                {"acct_mgmt", 0, pam_sm_acct_mgmt},
                {"setcred", PAM_ESTABLISH_CRED, pam_sm_setcred},
                {"delcred", PAM_DELETE_CRED, pam_sm_setcred},
                {"open_session", 0, pam_sm_open_session},
                {"close_session", 0, pam_sm_close_session},
                {"chauthtok", PAM_PRELIM_CHECK, pam_sm_chauthtok},
        };
        const char *name = strsep(&rest, " ");
        Call call = {.pamh = s->pamh, .flags = s->flags};

        if (!s->started)
                start(s);
        for (const char *word; (word = strsep(&rest, " "));) {
                assert(call.argc < N_ARGS);
                call.argv[call.argc++] = word;
        }
        for (size_t i = 0; i < ELEMENTSOF(functions); i++)
                if (streq(name, functions[i].name)) {
                        call.function = functions[i].function;
                        call.flags |= functions[i].flags;
                }
        assert(call.function);

        if (s->in_thread) {
                pthread_t thread;

                assert(pthread_create(&thread, NULL, run_call, &call) == 0);
                assert(pthread_join(thread, NULL) == 0);
        } else
                run_call(&call);
        transcript_line("%s = %s", name, fakepam_code_name(call.code));
}

static void run_line(Script *s, char *line) {
        static const struct {
                const char *word;
                void (*run)(Script *s, char *rest);
        } words[] = {
                {"item", set_item},
                {"passwd", set_passwd},
                {"real-uid", set_real_uid},
                {"person", set_person},
                {"host", set_host},
                {"clock", set_clock},
                {"system-bus", set_system_bus},
                {"user-bus", set_user_bus},
                {"reply", set_reply},
                {"gateway", set_gateway},
                {"variable", set_variable},
                {"flag", set_flag},
                {"forget-data", forget_data},
                {"do", do_call},
        };
        const char *word = strsep(&line, " ");

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (streq(word, words[i].word)) {
                        words[i].run(s, line);
                        return;
                }
        fprintf(stderr, "no such word: %s\n", word);
        abort();
}

static void script_end(Script *s) {
        for (char **v = fakepam_environment(s->pamh); v < fakepam_environment(s->pamh) + 8; v++)
                if (*v)
                        transcript_line("environment %s", *v);
        if (s->started)
                host_check(&s->before);
        s->pamh = fakepam_free(s->pamh);
        fake_bus_stop(&s->system);
        fake_bus_stop(&s->user);
        fake_address_set(NULL, NULL);
        for (size_t i = 0; i < s->n_fields; i++)
                free(s->fields[i]);
        (void)rmdir(s->directory);
}

void script_run(const char *path, bool hostile) {
        static const char *const hosts[] = {"closed-stdio", "sigchld-ignored", "threads"};
        Script s = {.directory = "/tmp/oidc-pam.XXXXXX",
                    .hostile = hostile,
                    .system.label = "system",
                    .user.label = "user"};
        FILE *file = fopen(path, "re");
        char *line = NULL;
        size_t size = 0;

        assert(file && mkdtemp(s.directory));
        for (size_t i = 0; hostile && i < ELEMENTSOF(hosts); i++)
                host_set(hosts[i]);
        s.pamh = fakepam_new();
        set_person(&s, (char[]){"replies"});
        while (getline(&line, &size, file) > 0 && strncmp(line, "---", 3) != 0) {
                line[strcspn(line, "\n")] = '\0';
                if (*line && *line != '#')
                        run_line(&s, line);
        }
        script_end(&s);
        free(line);
        fclose(file);
}
