/* SPDX-License-Identifier: MIT */
#include "cli/login-event.h"

#include <stdio.h>

#include "cli/output.h"
#include "common/clock.h"

typedef struct EventMember {
        const char *name;
        json_object *value; /* taken over */
} EventMember;

/* One line, at once: whoever reads it acts upon it. */
static void login_event_print(const char *event, const EventMember *members, size_t n_members) {
        _cleanup_(json_putp) json_object *object = json_object_new_object();

        (void)json_object_object_add(object, "event", json_object_new_string(event));
        for (size_t i = 0; i < n_members; i++)
                (void)json_object_object_add(object, members[i].name, members[i].value);
        (void)puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
        (void)fflush(stdout);
}

void login_event_code(const GatewayLogin *gateway) {
        const char *complete = gateway->verification_uri_complete;
        const EventMember members[] = {
                {"verification_uri", json_object_new_string(gateway->verification_uri)},
                {"verification_uri_complete", *complete ? json_object_new_string(complete) : NULL},
                {"user_code", json_object_new_string(gateway->user_code)},
                {"expires", json_time(clock_boottime_to_realtime(gateway->expires_usec))},
        };

        login_event_print("code", members, ELEMENTSOF(members));
}

void login_event_approved(const char *issuer, const char *subject) {
        const EventMember members[] = {
                {"issuer", json_object_new_string(issuer)},
                {"subject", json_object_new_string(subject)},
        };

        login_event_print("approved", members, ELEMENTSOF(members));
}

void login_event_done(const AccountView *view) {
        const EventMember members[] = {
                {"account", json_object_new_string(view->name)},
                {"expires", json_time(view->expires_usec)},
        };

        login_event_print("done", members, ELEMENTSOF(members));
}

void login_event_error(const sd_bus_error *error) {
        const EventMember members[] = {
                {"name", json_object_new_string(error->name)},
                {"message", json_object_new_string(error->message ? error->message : "")},
        };

        login_event_print("error", members, ELEMENTSOF(members));
}
