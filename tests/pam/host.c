/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "tests/pam/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/macro.h"
#include "tests/pam/transcript.h"

static int converse(int n_messages, const struct pam_message **messages,
                    struct pam_response **ret_responses, void *userdata) {
        static const char *const styles[] = {[PAM_PROMPT_ECHO_OFF] = "echo_off",
                                             [PAM_PROMPT_ECHO_ON] = "echo_on",
                                             [PAM_ERROR_MSG] = "error",
                                             [PAM_TEXT_INFO] = "info"};
        const Person *person = userdata;

        assert(n_messages == 1);
        transcript_line("%s", styles[messages[0]->msg_style]);
        transcript_text(messages[0]->msg);
        *ret_responses = NULL;
        if (person->code != PAM_SUCCESS)
                return person->code;
        usleep(person->wait_msec * 1000);
        if (person->no_prompt && messages[0]->msg_style == PAM_PROMPT_ECHO_OFF)
                return PAM_CONV_ERR;
        if (person->no_reply)
                return PAM_SUCCESS;

        /* Hosts answer information too; the module has to free and wipe that as well. */
        *ret_responses = calloc(1, sizeof(**ret_responses));
        assert(*ret_responses);
        (*ret_responses)->resp = person->no_text ? NULL : strdup(PERSON_REPLY);
        return PAM_SUCCESS;
}

void person_set(Person *person, const char *what) {
        unsigned msec = 0;

        *person = (Person){.conv = {.conv = converse, .appdata_ptr = person}};
        if (sscanf(what, "replies after %u", &msec) == 1)
                person->wait_msec = msec;
        else if (streq(what, "absent"))
                person->absent = true;
        else if (streq(what, "fails"))
                person->code = PAM_CONV_ERR;
        else if (streq(what, "again"))
                person->code = PAM_CONV_AGAIN;
        else if (streq(what, "is-not-there"))
                person->no_reply = true;
        else if (streq(what, "says-nothing"))
                person->no_text = true;
        else if (streq(what, "cannot-be-asked"))
                person->no_prompt = true;
        else if (streq(what, "no-function"))
                person->conv.conv = NULL;
        else
                assert(streq(what, "replies"));
}

const struct pam_conv *person_conv(Person *person) {
        return person->absent ? NULL : &person->conv;
}

static void *run_thread(void *userdata) {
        for (;;)
                (void)pause();
        return userdata;
}

static void start_threads(void) {
        pthread_t thread;

        for (size_t i = 0; i < 4; i++)
                assert(pthread_create(&thread, NULL, run_thread, NULL) == 0 &&
                       pthread_detach(thread) == 0);
}

void host_set(const char *what) {
        if (streq(what, "sigchld-ignored"))
                assert(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
        else if (streq(what, "closed-stdio"))
                for (int fd = 0; fd <= 2; fd++)
                        assert(close(fd) == 0);
        else if (streq(what, "threads"))
                start_threads();
        else
                assert(!"no such host");
}

static void note_fds(HostState *state) {
        struct stat st;

        for (int fd = 0; fd < HOST_FDS_MAX; fd++) {
                if (fstat(fd, &st) < 0)
                        continue;
                state->fds[fd].device = st.st_dev;
                state->fds[fd].inode = st.st_ino + 1;
        }
        assert(fcntl(HOST_FDS_MAX, F_GETFD) < 0 && errno == EBADF);
}

static unsigned long environment_hash(void) {
        unsigned long hash = 5381;

        for (char **variable = environ; *variable; variable++)
                for (const char *c = *variable; *c; c++)
                        hash = hash * 33 + (unsigned char)*c;
        return hash;
}

/* /proc would take a descriptor, which may be one of those that are closed; that is good here. */
static unsigned count_threads(void) {
        DIR *directory = opendir("/proc/self/task");
        unsigned n = 0;

        assert(directory);
        for (struct dirent *entry; (entry = readdir(directory));)
                n += entry->d_name[0] != '.';
        closedir(directory);
        return n;
}

static void note_signals(HostState *state) {
        for (int number = 1; number < _NSIG; number++) {
                struct sigaction action = {0};

                if (sigaction(number, NULL, &action) == 0)
                        state->handlers[number] = (void *)action.sa_handler;
        }
        assert(sigprocmask(SIG_SETMASK, NULL, &state->blocked) == 0);
}

HostState host_state(void) {
        HostState state = {
                .euid = geteuid(),
                .egid = getegid(),
                .umask = umask(0),
                .n_threads = count_threads(),
                .dumpable = prctl(PR_GET_DUMPABLE),
                .no_new_privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
                .environment = environment_hash(),
        };
        struct stat st;

        (void)umask(state.umask);
        assert(stat(".", &st) == 0);
        state.folder = st.st_ino;
        note_fds(&state);
        note_signals(&state);
        assert(prctl(PR_GET_PDEATHSIG, &state.death_signal) == 0);
        return state;
}

static bool same_signals(const sigset_t *a, const sigset_t *b) {
        for (int number = 1; number < _NSIG; number++)
                if (sigismember(a, number) != sigismember(b, number))
                        return false;
        return true;
}

void host_check(const HostState *before) {
        HostState now = host_state();
        struct rusage usage = {0};

        assert(memcmp(now.fds, before->fds, sizeof(now.fds)) == 0);
        assert(now.euid == before->euid && now.egid == before->egid);
        assert(now.umask == before->umask && now.folder == before->folder);
        assert(now.environment == before->environment);
        assert(now.n_threads == before->n_threads);
        assert(now.dumpable == before->dumpable);
        assert(now.no_new_privileges == before->no_new_privileges);
        assert(now.death_signal == before->death_signal);
        assert(memcmp(now.handlers, before->handlers, sizeof(now.handlers)) == 0);
        assert(same_signals(&now.blocked, &before->blocked));
        assert(now.handlers[SIGPIPE] == (void *)SIG_DFL); /* so that one would end this test */
#ifndef __SANITIZE_ADDRESS__
        assert(getrusage(RUSAGE_SELF, &usage) == 0);
        assert(usage.ru_maxrss < 32 * 1024); /* kilobytes */
#else
        (void)usage;
#endif
}

static size_t count_mappings(void) {
        FILE *maps = fopen("/proc/self/maps", "re");
        size_t n = 0;

        assert(maps);
        for (int c; (c = fgetc(maps)) != EOF;)
                n += c == '\n';
        (void)fclose(maps);
        return n;
}

HostMemory host_memory(void) {
        HostMemory now = {.n_mappings = count_mappings()};

#ifndef __SANITIZE_ADDRESS__
        now.heap = mallinfo2().uordblks + mallinfo2().hblkhd;
#endif
        return now;
}

void host_memory_check(const HostMemory *before) {
        HostMemory now = host_memory();

        if (now.n_mappings != before->n_mappings || now.heap != before->heap)
                printf("mappings %zu, then %zu; heap %zu, then %zu\n", before->n_mappings,
                       now.n_mappings, before->heap, now.heap);
        assert(now.n_mappings == before->n_mappings);
        assert(now.heap == before->heap);
}

void host_without_allocator_cache(char **argv) {
        static const char tunables[] = "GLIBC_TUNABLES";

        if (getenv(tunables))
                return;
        assert(setenv(tunables, "glibc.malloc.tcache_count=0", 1) == 0);
        (void)execv("/proc/self/exe", argv);
        assert(!"it could not be started again");
}
