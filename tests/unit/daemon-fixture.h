/* SPDX-License-Identifier: MIT */
#pragma once

/* The daemon's manager on one end of a socketpair, a client on the other, and a gateway that does
 * what it is told, all in one event loop. The keyring is the real one. */

#include <stdbool.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "daemon/manager.h"

#define GATEWAY_ERROR(name) "org.oidckeyring.Error." name
#define LIFE (300 * USEC_PER_SEC) /* of a token */

typedef struct FakeGateway {
        sd_event *event;
        sd_bus *buses[64];
        size_t n_buses;
        const char *error;   /* the error that calls end with, NULL: they succeed */
        const char *subject; /* whose the new grants are; NULL: as before */
        const char *token;   /* their access token; NULL: "access-GENERATION" */
        bool absent;         /* no connection at all */
        bool stuck;          /* connections are made, but nobody is there who reads */
        bool hold;           /* Refresh is answered by fixture_release() */
        bool no_grant;       /* Refresh is answered with another descriptor */
        const char *kept;    /* the account that RestoreGrant has, with refresh-0; NULL: none */
        uint64_t lifetime_usec;
        sd_bus_message *held;
        unsigned n_refreshes, n_revocations;
        char revoked[64]; /* the refresh token of the last revocation, "" if it had none */
} FakeGateway;

typedef struct Fixture {
        sd_event *event;
        sd_bus *server, *client;
        Manager *manager;
        FakeGateway gateway;
        char account[32]; /* nobody else's in this keyring */
        char path[128];   /* of its object */
        char states[256]; /* every state that a signal told, each followed by a space */
        unsigned n_added, n_removed;
} Fixture;

/* Whether keyrings are allowed here. As root it goes on as a user of no name. */
bool fixture_has_keyring(void);

void fixture_begin(Fixture *f);
void fixture_end(Fixture *f);
static inline void fixture_endp(Fixture *f) {
        fixture_end(f);
}
#define FIXTURE _cleanup_(fixture_endp) Fixture
#define REPLY _cleanup_(sd_bus_message_unrefp) sd_bus_message

/* A sealed grant that was given out @age_usec ago. @refresh_token NULL: none. */
int fixture_grant(const Fixture *f, const char *access_token, const char *refresh_token,
                  uint64_t lifetime_usec, uint64_t age_usec);

/* A call of the manager and its answer, which may be an error. */
sd_bus_message *fixture_call(Fixture *f, const char *member, const char *types, ...);
/* AddGrant of access-0 and refresh-0, given out @age_usec ago, which must succeed. */
void fixture_add(Fixture *f, uint64_t lifetime_usec, uint64_t age_usec);
/* GetManagedObjects. */
sd_bus_message *fixture_call_objects(Fixture *f);
/* fixture_call() without waiting; *ret is set when the answer is there. */
void fixture_send(Fixture *f, sd_bus_message **ret, const char *member, const char *types, ...);
void fixture_wait(Fixture *f, sd_bus_message **reply);
/* Runs the loop for a while. */
void fixture_run(Fixture *f, uint64_t usec);

/* The account's property as text ("" if there is no such account); the caller frees it. */
char *fixture_property(Fixture *f, const char *property);
bool fixture_property_is(Fixture *f, const char *property, const char *value);
/* Whether the key holds this token; NULL: whether there is no key. */
bool fixture_key_is(const Fixture *f, const char *token);
/* Asserts that GetToken was answered with the key, and with the end of a token just given out. */
void fixture_token_is(const Fixture *f, sd_bus_message *reply, uint64_t lifetime_usec);

/* Answers the Refresh that is held. */
void fixture_release(Fixture *f);

bool is_error(sd_bus_message *reply, const char *name);
