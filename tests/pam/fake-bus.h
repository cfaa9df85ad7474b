/* SPDX-License-Identifier: MIT */
#pragma once

/* A bus with a service behind it, in a process of its own: system bus with gateway, or user's bus
 * with daemon. It speaks the protocol as far as one client and one service need it, so neither a
 * bus daemon nor root is wanted, and it can misbehave in ways no bus daemon does. Calls are
 * recorded in the transcript. */

#include <stdbool.h>
#include <sys/types.h>

typedef enum FakeBusMode {
        FAKE_BUS_GOOD,
        FAKE_BUS_ABSENT,  /* nobody listens */
        FAKE_BUS_DEAF,    /* accepts connections and never reads */
        FAKE_BUS_MUTE,    /* never answers Hello */
        FAKE_BUS_FLOOD,   /* sends signals without end instead of answers */
        FAKE_BUS_GARBAGE, /* does not speak D-Bus */
        _FAKE_BUS_MODE_MAX,
} FakeBusMode;

#define FAKE_BUS_REPLIES_MAX 8

typedef struct FakeReply {
        char *member;
        char *behaviour; /* "silent", "bad", "gone", "after MSEC ...", "error NAME TEXT", "ok" */
} FakeReply;

typedef struct FakeBus {
        const char *label; /* "system" or "user" */
        FakeBusMode mode;
        FakeReply replies[FAKE_BUS_REPLIES_MAX];
        const char *uri, *complete, *code, *qr; /* of BeginLogin; NULL = the usual */
        bool expired;                           /* the code is over already */
        char *path;
        pid_t pid;
} FakeBus;

FakeBusMode fake_bus_mode_from_string(const char *text);
void fake_bus_set_reply(FakeBus *bus, const char *member, const char *behaviour);

/* Listens in @directory as this process's user, or as @uid if that is not 0. */
void fake_bus_start(FakeBus *bus, const char *directory, uid_t uid);
void fake_bus_stop(FakeBus *bus);
