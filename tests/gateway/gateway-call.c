/* SPDX-License-Identifier: MIT */

/* Calls the gateway for the tests, as one caller on one connection: reads lines
 * "TAG<tab>METHOD<tab>SIGNATURE<tab>ARGUMENT..." and writes one JSON object for each answer, in the
 * order in which they come. METHOD may be "PATH INTERFACE METHOD", and with "user:" before it, it
 * is one of the daemon on the user's bus. A descriptor is a number: that of the line's TAG that got
 * it; or KIND or KIND:TAG of odd-fd.h. Grants are written with their tokens, so this is for tests
 * only.
 */

#include <assert.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "common/grant.h"
#include "common/names.h"
#include "tests/gateway/odd-fd.h"

#define TAGS_MAX 4096
#define FIELDS_MAX 16

typedef struct Service {
        const char *prefix; /* of its methods */
        const char *name, *path, *interface;
        int (*open)(sd_bus **ret);
        sd_bus *bus; /* once it is needed */
} Service;

static Service services[] = {
        {"user:", KEYRING_BUS_NAME, KEYRING_OBJECT_PATH, KEYRING_INTERFACE, sd_bus_open_user, NULL},
        {"", GATEWAY_BUS_NAME, GATEWAY_OBJECT_PATH, GATEWAY_INTERFACE, sd_bus_open_system, NULL},
};
static sd_event *event;
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
        add_text(object, "access_token",
                 grant->access_token ? secret_bytes(grant->access_token) : NULL);
        add_text(object, "refresh_token",
                 grant->refresh_token ? secret_bytes(grant->refresh_token) : NULL);
        json_object_object_add(object, "expires_usec", json_object_new_uint64(grant->expires_usec));
        json_object_object_add(object, "lifetime_usec",
                               json_object_new_uint64(grant->lifetime_usec));
        json_object_object_add(object, "keep_replaced",
                               json_object_new_uint64(grant->keep_replaced));
        json_object_object_add(object, "generation", json_object_new_uint64(grant->generation));
        json_object_object_add(object, "kept_on_disk", json_object_new_uint64(grant->kept_on_disk));
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
        int32_t serial;
        int fd;

        switch (type) {
        case 's':
        case 'o':
                assert(sd_bus_message_read_basic(reply, type, &text) > 0);
                return json_object_new_string(text);
        case 'i':
                assert(sd_bus_message_read(reply, "i", &serial) > 0);
                return json_object_new_int(serial);
        case 'v':
                assert(sd_bus_message_read(reply, "v", "s", &text) > 0);
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

static void append_fd(sd_bus_message *message, char *field) {
        const char *kind = strsep(&field, ":");
        int fd;

        if (*kind >= '0' && *kind <= '9')
                fd = dup(grant_fds[atoi(kind)]);
        else
                fd = odd_fd_new(kind, field ? grant_fds[atoi(field)] : -1);
        assert(sd_bus_message_append(message, "h", fd) >= 0);
        close(fd);
}

static void append(sd_bus_message *message, char type, char *field) {
        uint64_t number;

        switch (type) {
        case 'h':
                append_fd(message, field);
                break;
        case 'v':
                assert(sd_bus_message_append(message, "v", "s", field) >= 0);
                break;
        case 's':
        case 'o':
                assert(sd_bus_message_append_basic(message, type, field) >= 0);
                break;
        default: /* little-endian: the low bytes of a number are a smaller one */
                number = strtoull(field, NULL, 10);
                assert(sd_bus_message_append_basic(message, type, &number) >= 0);
        }
}

static Service *service_of(char **member) {
        Service *service = services;

        while (strncmp(*member, service->prefix, strlen(service->prefix)) != 0)
                service++;
        *member += strlen(service->prefix);
        if (!service->bus) {
                assert(service->open(&service->bus) >= 0);
                assert(sd_bus_attach_event(service->bus, event, SD_EVENT_PRIORITY_NORMAL) >= 0);
        }
        return service;
}

static void call(char *fields[], size_t n_fields) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        int tag = atoi(fields[0]);
        char *member = fields[1];
        Service *service = service_of(&member);
        const char *signature = fields[2], *path = service->path, *interface = service->interface;

        assert(tag >= 0 && tag < TAGS_MAX && strlen(signature) + 3 == n_fields);
        if (*member == '/') {
                path = strsep(&member, " ");
                interface = strsep(&member, " ");
        }
        assert(sd_bus_message_new_method_call(service->bus, &message, service->name, path,
                                              interface, member) >= 0);
        for (size_t i = 0; signature[i]; i++)
                append(message, signature[i], fields[3 + i]);
        assert(sd_bus_call_async(service->bus, NULL, message, on_reply, (void *)(intptr_t)tag,
                                 UINT64_MAX) >= 0);
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
        (void)setvbuf(stdin, NULL, _IONBF, 0);
        assert(sd_event_new(&event) >= 0);
        assert(sd_event_add_io(event, NULL, STDIN_FILENO, EPOLLIN, on_input, NULL) >= 0);
        return sd_event_loop(event) < 0;
}
