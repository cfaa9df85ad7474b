/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "tests/pam/host.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

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
        if (person->no_reply)
                return PAM_SUCCESS;

        /* Hosts answer information too; the module has to free and wipe that as well. */
        *ret_responses = calloc(1, sizeof(**ret_responses));
        assert(*ret_responses);
        (*ret_responses)->resp = strdup(PERSON_REPLY);
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
        else
                assert(streq(what, "replies"));
}

const struct pam_conv *person_conv(Person *person) {
        return person->absent ? NULL : &person->conv;
}

void host_set(const char *what) {
        if (streq(what, "sigchld-ignored"))
                assert(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
        else if (streq(what, "closed-stdio"))
                for (int fd = 0; fd <= 2; fd++)
                        assert(close(fd) == 0);
        else
                assert(!"no such host");
}

static int count_fds(void) {
        DIR *directory = opendir("/proc/self/fd");
        int n = 0;

        assert(directory);
        while (readdir(directory))
                n++;
        closedir(directory);
        return n;
}

static void *disposition(int signal_number) {
        struct sigaction action = {0};

        assert(sigaction(signal_number, NULL, &action) == 0);
        return (void *)action.sa_handler;
}

HostState host_state(void) {
        HostState state = {
                .n_fds = count_fds(),
                .euid = geteuid(),
                .egid = getegid(),
                .dumpable = prctl(PR_GET_DUMPABLE),
                .sigchld = disposition(SIGCHLD),
                .sigpipe = disposition(SIGPIPE),
                .sigalrm = disposition(SIGALRM),
        };

        assert(prctl(PR_GET_PDEATHSIG, &state.death_signal) == 0);
        return state;
}

void host_check(const HostState *before) {
        HostState now = host_state();
        struct rusage usage = {0};

        assert(now.n_fds == before->n_fds);
        assert(now.euid == before->euid && now.egid == before->egid);
        assert(now.dumpable == before->dumpable);
        assert(now.death_signal == before->death_signal);
        assert(now.sigchld == before->sigchld);
        assert(now.sigpipe == before->sigpipe);
        assert(now.sigalrm == before->sigalrm);
#ifndef __SANITIZE_ADDRESS__
        assert(getrusage(RUSAGE_SELF, &usage) == 0);
        assert(usage.ru_maxrss < 32 * 1024); /* kilobytes */
#else
        (void)usage;
#endif
}
