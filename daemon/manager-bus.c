/* SPDX-License-Identifier: MIT */
#include "daemon/manager-bus.h"

#include <errno.h>

#include "common/clock.h"
#include "common/names.h"
#include "common/outcome.h"
#include "daemon/account-bus.h"
#include "daemon/bus-error.h"

#define UID_INVALID ((uid_t)-1)

/* A method that is answered later keeps a reference to its call as the userdata of the wait. The
 * answers below take that over. */
static void answer_error(sd_bus_message *call, int result, const char *message) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        (void)bus_error_set(&error, result, message);
        (void)sd_bus_reply_method_error(call, &error);
}

static void answer_token(void *userdata, const Account *account, int result, const char *message) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = userdata;

        if (result == 0 && account_key_serial(account) == 0)
                result = OUTCOME_PROVIDER_ANSWER; /* less than a second is left of what came */
        if (result != 0)
                answer_error(call, result, message);
        else
                (void)sd_bus_reply_method_return(
                        call, "it", account_key_serial(account),
                        clock_boottime_to_realtime(account_grant(account)->expires_usec));
}

/* A keyring is not needed here. */
static void answer_token_file(void *userdata, const Account *account, int result,
                              const char *message) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = userdata;
        _cleanup_close_ int fd = -1;

        if (result == 0 || result == OUTCOME_NO_KEYRING) {
                message = NULL;
                result = account_token_file(account, &fd);
        }
        if (result != 0)
                answer_error(call, result, message);
        else
                (void)sd_bus_reply_method_return(
                        call, "ht", fd,
                        clock_boottime_to_realtime(account_grant(account)->expires_usec));
}

static void answer_path(void *userdata, const Account *account, int result, const char *message) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = userdata;
        _cleanup_free_ char *path = account_bus_path(account);

        if (result == 0 && !path)
                result = -ENOMEM;
        if (result != 0)
                answer_error(call, result, message);
        else
                (void)sd_bus_reply_method_return(call, "o", path);
}

static void answer_nothing(void *userdata, const Account *account, int result,
                           const char *message) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = userdata;

        (void)account;
        if (result != 0)
                answer_error(call, result, message);
        else
                (void)sd_bus_reply_method_return(call, NULL);
}

static void answer_logout(void *userdata, int result, const char *message) {
        _cleanup_free_ char *text = NULL;

        if (result != 0 &&
            asprintf(&text, "Logged out here, but the provider could not be told: %s",
                     message ? message : "out of memory") < 0)
                text = NULL;
        answer_nothing(userdata, NULL, result, text);
}

static int method_add_grant(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;
        Account *account;
        int fd, r;

        r = sd_bus_message_read(call, "h", &fd);
        if (r < 0)
                return r;
        r = manager_add_grant(manager, fd, &account);
        if (r == -ENOBUFS)
                return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                        "There are too many accounts in this session.");
        if (r < 0)
                return bus_error_set(error, r, NULL);
        account_get_token(account, 0, answer_path, sd_bus_message_ref(call));
        return 1;
}

static int get_token(sd_bus_message *call, Manager *manager, AccountDone answer,
                     sd_bus_error *error) {
        const char *name;
        uint32_t min_valid_sec;
        Account *account;
        int r;

        r = sd_bus_message_read(call, "su", &name, &min_valid_sec);
        if (r < 0)
                return r;
        account = manager_find(manager, name);
        if (!account)
                return bus_error_set(error, OUTCOME_UNKNOWN_ACCOUNT, NULL);
        account_get_token(account, min_valid_sec * USEC_PER_SEC, answer, sd_bus_message_ref(call));
        return 1;
}

static int method_get_token(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        return get_token(call, userdata, answer_token, error);
}

static int method_read_token(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        return get_token(call, userdata, answer_token_file, error);
}

static int method_refresh(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const char *name;
        Account *account;
        int r;

        r = sd_bus_message_read(call, "s", &name);
        if (r < 0)
                return r;
        account = manager_find(userdata, name);
        if (!account)
                return bus_error_set(error, OUTCOME_UNKNOWN_ACCOUNT, NULL);
        account_refresh(account, answer_nothing, sd_bus_message_ref(call));
        return 1;
}

static int method_logout(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;
        Account *account = NULL;
        const char *name;
        int r;

        r = sd_bus_message_read(call, "s", &name);
        if (r < 0)
                return r;
        if (*name) {
                account = manager_find(manager, name);
                if (!account)
                        return bus_error_set(error, OUTCOME_UNKNOWN_ACCOUNT, NULL);
        }
        r = manager_logout(manager, account, answer_logout, sd_bus_message_ref(call));
        if (r < 0) {
                sd_bus_message_unref(call);
                return r;
        }
        return 1;
}

/* A user's bus lets nobody else in. Where one does, the sender's uid, which the bus has from the
 * kernel, decides; root has no business here that it could not do as the user. */
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
        uid_t uid = UID_INVALID;

        (void)userdata;
        (void)error;
        if (sd_bus_message_is_method_call(message, NULL, NULL) <= 0)
                return 0;
        if (sd_bus_query_sender_creds(message, SD_BUS_CREDS_EUID, &creds) >= 0)
                (void)sd_bus_creds_get_euid(creds, &uid);
        if (uid == geteuid())
                return 0;
        (void)sd_bus_reply_method_errorf(message, SD_BUS_ERROR_ACCESS_DENIED,
                                         "This keyring is of another user.");
        return 1;
}

/* Unprivileged: on_message() has decided already. */
#define METHOD SD_BUS_VTABLE_UNPRIVILEGED

static const char *const version = PACKAGE_VERSION;

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("AddGrant", SD_BUS_ARGS("h", grant), SD_BUS_RESULT("o", account),
                                method_add_grant, METHOD),
        SD_BUS_METHOD_WITH_ARGS("GetToken", SD_BUS_ARGS("s", account, "u", min_valid_sec),
                                SD_BUS_RESULT("i", serial, "t", expires_usec), method_get_token,
                                METHOD),
        SD_BUS_METHOD_WITH_ARGS("ReadToken", SD_BUS_ARGS("s", account, "u", min_valid_sec),
                                SD_BUS_RESULT("h", token, "t", expires_usec), method_read_token,
                                METHOD),
        SD_BUS_METHOD_WITH_ARGS("Refresh", SD_BUS_ARGS("s", account), SD_BUS_NO_RESULT,
                                method_refresh, METHOD),
        SD_BUS_METHOD_WITH_ARGS("Logout", SD_BUS_ARGS("s", account), SD_BUS_NO_RESULT,
                                method_logout, METHOD),
        SD_BUS_PROPERTY("Version", "s", NULL, (size_t)&version,
                        SD_BUS_VTABLE_PROPERTY_CONST | SD_BUS_VTABLE_ABSOLUTE_OFFSET),
        SD_BUS_VTABLE_END,
};

int manager_export(Manager *manager) {
        sd_bus *bus = manager_bus(manager);
        int r;

        r = sd_bus_add_filter(bus, NULL, on_message, NULL);
        if (r < 0)
                return r;
        r = sd_bus_add_object_manager(bus, NULL, KEYRING_OBJECT_PATH);
        if (r < 0)
                return r;
        r = sd_bus_add_object_vtable(bus, NULL, KEYRING_OBJECT_PATH, KEYRING_INTERFACE,
                                     manager_vtable, manager);
        if (r < 0)
                return r;
        return account_bus_export(manager);
}
