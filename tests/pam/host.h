/* SPDX-License-Identifier: MIT */
#pragma once

/* The program that loads the module, and the person in front of it. */

#include <signal.h>
#include <stdbool.h>

#include <security/pam_appl.h>

/* What the person types: never to be seen again. */
#define PERSON_REPLY "hunter2-typed-by-mistake"

#define HOST_FDS_MAX 128

typedef struct Person {
        struct pam_conv conv;
        bool absent;    /* no conversation function */
        int code;       /* what it returns */
        bool no_reply;  /* PAM_SUCCESS, but nothing in the response */
        bool no_text;   /* PAM_SUCCESS and a response, but no text in it */
        bool no_prompt; /* shows information only */
        unsigned wait_msec;
} Person;

/* "replies", "replies after MSEC", "absent", "no-function", "fails", "again", "is-not-there",
 * "says-nothing", "cannot-be-asked" */
void person_set(Person *person, const char *what);
const struct pam_conv *person_conv(Person *person);

/* "closed-stdio", "sigchld-ignored", "threads" (others run meanwhile) */
void host_set(const char *what);

/* What a module must leave as it found it. */
typedef struct HostState {
        struct {
                unsigned long device, inode;
        } fds[HOST_FDS_MAX]; /* what each descriptor is; 0: closed */
        unsigned euid, egid, umask, n_threads;
        int dumpable, death_signal, no_new_privileges;
        unsigned long folder;      /* the inode of the working directory */
        unsigned long environment; /* a hash of all of it */
        void *handlers[_NSIG];     /* what is done about each signal */
        sigset_t blocked;
} HostState;

/* Starts this program again without the allocator's caches for threads, in which what was freed
 * counts as held. To be called first. */
void host_without_allocator_cache(char **argv);

HostState host_state(void);

/* That nothing has changed, and that the process has not grown out of bounds. */
void host_check(const HostState *before);

/* What the process has of memory. With a sanitizer the heap is its own, and not counted. */
typedef struct HostMemory {
        size_t n_mappings, heap;
} HostMemory;

HostMemory host_memory(void);

/* That it has as much as before. */
void host_memory_check(const HostMemory *before);
