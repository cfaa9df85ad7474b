/* SPDX-License-Identifier: MIT */
#include "cli/user-bus.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/bus-client.h"
#include "common/clock.h"
#include "common/macro.h"
#include "common/names.h"
#include "common/outcome.h"

#define OBJECTS_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define SYSTEMD_TIMEOUT_USEC (2 * USEC_PER_SEC)
#define RESTART_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define UNIT_PATH "/org/freedesktop/systemd1/unit/oidc_2dkeyringd_2eservice"

int user_bus_open(sd_bus **ret) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        char address[64];
        int r;

        if (secure_getenv("DBUS_SESSION_BUS_ADDRESS") || secure_getenv("XDG_RUNTIME_DIR"))
                return sd_bus_open_user(ret);
        (void)snprintf(address, sizeof(address), "unix:path=/run/user/%u/bus", (unsigned)getuid());
        r = bus_client_new(address, &bus);
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(bus);
        return 0;
}

ExitCode user_bus_exit_code(const char *error_name) {
        static const struct {
                const char *name;
                ExitCode code;
        } errors[] = {
                {SD_BUS_ERROR_SERVICE_UNKNOWN, EXIT_CODE_NO_ACCOUNT},
                {SD_BUS_ERROR_NAME_HAS_NO_OWNER, EXIT_CODE_NO_ACCOUNT},
                {SD_BUS_ERROR_NO_REPLY, EXIT_CODE_NOT_NOW},
                {SD_BUS_ERROR_FAILED, EXIT_CODE_NOT_NOW},
        };
        static const struct {
                Outcome outcome;
                ExitCode code;
        } outcomes[] = {
                {OUTCOME_LOGIN_REQUIRED, EXIT_CODE_LOGIN_REQUIRED},
                {OUTCOME_NO_REFRESH_TOKEN, EXIT_CODE_LOGIN_REQUIRED},
                {OUTCOME_UNKNOWN_ACCOUNT, EXIT_CODE_NO_ACCOUNT},
                {OUTCOME_UNKNOWN_PROVIDER, EXIT_CODE_NO_ACCOUNT},
                {OUTCOME_LOGIN_LOST, EXIT_CODE_NOT_NOW},
                {OUTCOME_TOO_MANY_LOGINS, EXIT_CODE_NOT_NOW},
                {OUTCOME_PROVIDER_UNREACHABLE, EXIT_CODE_NOT_NOW},
                {OUTCOME_PROVIDER_BUSY, EXIT_CODE_NOT_NOW},
                {OUTCOME_PROVIDER_ANSWER, EXIT_CODE_NOT_NOW},
                {OUTCOME_ANSWER_LOST, EXIT_CODE_NOT_NOW},
                {OUTCOME_NO_KEYRING, EXIT_CODE_NO_KEYRING},
        };
        Outcome outcome = outcome_from_error_name(error_name);

        for (size_t i = 0; i < ELEMENTSOF(outcomes); i++)
                if (outcomes[i].outcome == outcome)
                        return outcomes[i].code;
        for (size_t i = 0; error_name && i < ELEMENTSOF(errors); i++)
                if (streq(errors[i].name, error_name))
                        return errors[i].code;
        return EXIT_CODE_FAILURE;
}

/* Tells why a call failed and what that means. Only what the bus says of a daemon that is not there
 * is said in other words: the daemon's own errors tell what has happened. */
static ExitCode user_bus_failed(int r, const sd_bus_error *error) {
        ExitCode code = user_bus_exit_code(error->name);

        if (code == EXIT_CODE_NO_ACCOUNT && outcome_from_error_name(error->name) == OUTCOME_SUCCESS)
                complain("%s", outcome_message(OUTCOME_UNKNOWN_ACCOUNT));
        else if (sd_bus_error_is_set(error) && error->message)
                complain("%s", error->message);
        else
                complain("the daemon of this session cannot be reached: %s", strerror(-r));
        return code;
}

static ExitCode user_bus_connect(sd_bus **ret) {
        int r;

        r = user_bus_open(ret);
        if (r < 0) {
                complain("the user's bus cannot be reached (is this a session of your own, with "
                         "dbus-user-session installed?): %s",
                         strerror(-r));
                return EXIT_CODE_NOT_NOW;
        }
        return EXIT_CODE_OK;
}

/* By ActiveState of its unit: "active" without a name is one that has died just now. */
static bool daemon_is_being_started(sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const char *state;

        return sd_bus_message_new_method_call(bus, &call, "org.freedesktop.systemd1", UNIT_PATH,
                                              "org.freedesktop.DBus.Properties", "Get") >= 0 &&
               sd_bus_message_append(call, "ss", "org.freedesktop.systemd1.Unit", "ActiveState") >=
                       0 &&
               sd_bus_message_set_auto_start(call, 0) >= 0 &&
               sd_bus_call(bus, call, SYSTEMD_TIMEOUT_USEC, NULL, &reply) >= 0 &&
               sd_bus_message_read(reply, "v", "s", &state) > 0 &&
               (streq(state, "activating") || streq(state, "active"));
}

static int on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        bool *has_owner = userdata;
        const char *owner = "";

        (void)error;
        if (sd_bus_message_read(signal, "sss", NULL, NULL, &owner) > 0)
                *has_owner = *owner;
        return 0;
}

/* Not by starting it: that would count against the limit of the unit's restarts. */
static void wait_for_daemon(sd_bus *bus) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t now = clock_boottime_usec(), end = now + RESTART_TIMEOUT_USEC;
        bool has_owner = false;
        int owned = 0, r;

        r = sd_bus_add_match(bus, &slot,
                             "type='signal',sender='org.freedesktop.DBus',"
                             "member='NameOwnerChanged',arg0='" KEYRING_BUS_NAME "'",
                             on_owner_changed, &has_owner);
        if (r >= 0)
                r = sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "NameHasOwner", NULL, &reply, "s",
                                       KEYRING_BUS_NAME);
        if (r >= 0)
                r = sd_bus_message_read(reply, "b", &owned);
        while (r >= 0 && !owned && !has_owner && now < end) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, end - now);
                now = clock_boottime_usec();
        }
}

/* By what the bus says of a call that began at @began_usec: there is no daemon, or it went away
 * without an answer, which has the same name as a time that is over. */
static bool daemon_is_away(const sd_bus_error *error, uint64_t began_usec, uint64_t timeout_usec) {
        if (outcome_from_error_name(error->name) != OUTCOME_SUCCESS)
                return false;
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY))
                return clock_boottime_usec() - began_usec < timeout_usec;
        return user_bus_exit_code(error->name) == EXIT_CODE_NO_ACCOUNT;
}

/* A daemon that is not there has no accounts, unless it has crashed and is about to be back with
 * all of them: then it is waited for, and asked again. Every method may be called twice. */
static int user_bus_send(sd_bus *bus, sd_bus_message *call, uint64_t timeout_usec,
                         sd_bus_error *error, sd_bus_message **ret_reply) {
        uint64_t began_usec = clock_boottime_usec();
        int r;

        r = sd_bus_call(bus, call, timeout_usec, error, ret_reply);
        if (r >= 0 || !daemon_is_away(error, began_usec, timeout_usec) ||
            !daemon_is_being_started(bus))
                return r;
        wait_for_daemon(bus);
        sd_bus_error_free(error);
        return sd_bus_call(bus, call, timeout_usec, error, ret_reply);
}

ExitCode user_bus_call(bool start, uint64_t timeout_usec, sd_bus_message **ret_reply,
                       const char *member, const char *types, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        ExitCode code;
        va_list args;
        int r;

        code = user_bus_connect(&bus);
        if (code != EXIT_CODE_OK)
                return code;
        r = sd_bus_message_new_method_call(bus, &call, KEYRING_BUS_NAME, KEYRING_OBJECT_PATH,
                                           KEYRING_INTERFACE, member);
        if (r < 0)
                return user_bus_failed(r, &error);
        va_start(args, types);
        r = sd_bus_message_appendv(call, types, args);
        va_end(args);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(call, start);
        if (r >= 0)
                r = user_bus_send(bus, call, timeout_usec, &error, ret_reply);
        return r < 0 ? user_bus_failed(r, &error) : EXIT_CODE_OK;
}

ExitCode user_bus_command(const Command *command, int argc, char *argv[], const char *member,
                          uint64_t timeout_usec) {
        static const struct option options[] = {COMMAND_HELP_OPTION, {NULL, 0, NULL, 0}};
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *account;
        int option;

        option = getopt_long(argc, argv, "h", options, NULL);
        if (option >= 0)
                return command_option(command, option);
        account = command_account(argc, argv);
        if (!account)
                return EXIT_CODE_USAGE;
        return user_bus_call(false, timeout_usec, &reply, member, "s", account);
}

int user_bus_get_objects(sd_bus *bus, sd_bus_message **ret_reply, sd_bus_error *error) {
        _cleanup_(sd_bus_error_free) sd_bus_error answer = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        *ret_reply = NULL;
        r = sd_bus_message_new_method_call(bus, &call, KEYRING_BUS_NAME, KEYRING_OBJECT_PATH,
                                           "org.freedesktop.DBus.ObjectManager",
                                           "GetManagedObjects");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(call, 0);
        if (r >= 0)
                r = user_bus_send(bus, call, OBJECTS_TIMEOUT_USEC, &answer, ret_reply);
        if (r >= 0 || user_bus_exit_code(answer.name) == EXIT_CODE_NO_ACCOUNT)
                return 0;
        if (sd_bus_error_is_set(&answer))
                (void)sd_bus_error_copy(error, &answer);
        return r;
}

ExitCode user_bus_objects(sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        ExitCode code;
        int r;

        code = user_bus_connect(&bus);
        if (code != EXIT_CODE_OK)
                return code;
        r = user_bus_get_objects(bus, ret_reply, &error);
        return r < 0 ? user_bus_failed(r, &error) : EXIT_CODE_OK;
}
