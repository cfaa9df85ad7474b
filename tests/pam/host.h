/* SPDX-License-Identifier: MIT */
#pragma once

/* The program that loads the module, and the person in front of it. */

#include <stdbool.h>

#include <security/pam_appl.h>

/* What the person types: never to be seen again. */
#define PERSON_REPLY "hunter2-typed-by-mistake"

typedef struct Person {
        struct pam_conv conv;
        bool absent;   /* no conversation function */
        int code;      /* what it returns */
        bool no_reply; /* PAM_SUCCESS, but nothing in the response */
        unsigned wait_msec;
} Person;

/* "replies", "replies after MSEC", "absent", "fails", "again", "is-not-there" */
void person_set(Person *person, const char *what);
const struct pam_conv *person_conv(Person *person);

/* "closed-stdio", "sigchld-ignored" */
void host_set(const char *what);

/* What a module must leave as it found it. */
typedef struct HostState {
        int n_fds;
        unsigned euid, egid;
        int dumpable, death_signal;
        void *sigchld, *sigpipe, *sigalrm;
} HostState;

HostState host_state(void);

/* That nothing has changed, and that the process has not grown out of bounds. */
void host_check(const HostState *before);
