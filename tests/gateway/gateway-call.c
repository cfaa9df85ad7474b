/* SPDX-License-Identifier: MIT */

/* Calls the gateway for the tests beside this file, as one caller on one connection: reads lines
 * "TAG<tab>METHOD<tab>SIGNATURE<tab>ARGUMENT..." and writes one JSON object for each answer, in the
 * order in which they come. A descriptor is a number: that of the line's TAG that got it. Grants
 * are written with their tokens, so this is for tests only. */

#include <assert.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "common/grant.h"
#include "common/names.h"

#define TAGS_MAX 4096
#define FIELDS_MAX 16

static sd_bus *bus;
static int grant_fds[TAGS_MAX];

static void add_text(json_object *object, const char *name, const char *value) {
        json_object_object_add(object, name, value ? json_object_new_string(value) : NULL);
}

static json_object *grant_to_json(int fd) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        json_object *object = json_object_new_object();

        assert(grant_unseal(fd, &grant) == 0);
        add_text(object, "account", grant->account);
        add_text(object, "issuer", grant->issuer);
        add_text(object, "subject", grant->subject);
        add_text(object, "user", grant->user);
        add_text(object, "scope", grant->scope);
        add_text(object, "access_token", secret_bytes(grant->access_token));
        add_text(object, "refresh_token",
                 grant->refresh_token ? secret_bytes(grant->refresh_token) : NULL);
        json_object_object_add(object, "expires_usec", json_object_new_uint64(grant->expires_usec));
        json_object_object_add(object, "lifetime_usec",
                               json_object_new_uint64(grant->lifetime_usec));
        json_object_object_add(object, "generation", json_object_new_uint64(grant->generation));
        return object;
}

static json_object *findings_to_json(sd_bus_message *reply) {
        json_object *list = json_object_new_array();
        const char *severity, *what, *message;

        assert(sd_bus_message_enter_container(reply, 'a', "(sss)") > 0);
        while (sd_bus_message_read(reply, "(sss)", &severity, &what, &message) > 0) {
                json_object *row = json_object_new_array();

                json_object_array_add(row, json_object_new_string(severity));
                json_object_array_add(row, json_object_new_string(what));
                json_object_array_add(row, json_object_new_string(message));
                json_object_array_add(list, row);
        }
        assert(sd_bus_message_exit_container(reply) >= 0);
        return list;
}

static json_object *value_to_json(sd_bus_message *reply, char type, int tag) {
        const char *text;
        uint64_t number;
        int fd;

        switch (type) {
        case 's':
                assert(sd_bus_message_read(reply, "s", &text) > 0);
                return json_object_new_string(text);
        case 't':
                assert(sd_bus_message_read(reply, "t", &number) > 0);
                return json_object_new_uint64(number);
        case 'h':
                assert(sd_bus_message_read(reply, "h", &fd) > 0);
                grant_fds[tag] = dup(fd);
                return grant_to_json(fd);
        case 'a':
                return findings_to_json(reply);
        default:
                assert(!"a type that the interface does not have");
                return NULL;
        }
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *unused) {
        json_object *object = json_object_new_object(), *values = json_object_new_array();
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        int tag = (int)(intptr_t)userdata;
        const char *contents;
        char type;

        (void)unused;
        json_object_object_add(object, "tag", json_object_new_int(tag));
        if (error) {
                add_text(object, "error", error->name);
                add_text(object, "message", error->message);
        }
        while (!error && sd_bus_message_peek_type(reply, &type, &contents) > 0)
                json_object_array_add(values, value_to_json(reply, type, tag));
        json_object_object_add(object, "values", values);
        (void)puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
        (void)fflush(stdout);
        json_object_put(object);
        return 1;
}

static void call(char *fields[], size_t n_fields) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        int tag = atoi(fields[0]);
        const char *signature = fields[2];

        assert(tag >= 0 && tag < TAGS_MAX && strlen(signature) + 3 == n_fields);
        assert(sd_bus_message_new_method_call(bus, &message, GATEWAY_BUS_NAME, GATEWAY_OBJECT_PATH,
                                              GATEWAY_INTERFACE, fields[1]) >= 0);
        for (size_t i = 0; signature[i]; i++) {
                const char *field = fields[3 + i];

                if (signature[i] == 'h')
                        assert(sd_bus_message_append(message, "h", grant_fds[atoi(field)]) >= 0);
                else
                        assert(sd_bus_message_append(message, "s", field) >= 0);
        }
        assert(sd_bus_call_async(bus, NULL, message, on_reply, (void *)(intptr_t)tag, UINT64_MAX) >=
               0);
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        static char line[65536];
        char *fields[FIELDS_MAX] = {0}, *rest = line;
        size_t n = 0;

        (void)fd;
        (void)events;
        (void)userdata;
        if (!fgets(line, sizeof(line), stdin))
                return sd_event_exit(sd_event_source_get_event(source), 0);
        line[strcspn(line, "\n")] = '\0';
        while (n < FIELDS_MAX && rest)
                fields[n++] = strsep(&rest, "\t");
        call(fields, n);
        return 0;
}

int main(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;

        (void)setvbuf(stdin, NULL, _IONBF, 0);
        assert(sd_bus_open_system(&bus) >= 0);
        assert(sd_event_new(&event) >= 0);
        assert(sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL) >= 0);
        assert(sd_event_add_io(event, NULL, STDIN_FILENO, EPOLLIN, on_input, NULL) >= 0);
        return sd_event_loop(event) < 0;
}
