/* SPDX-License-Identifier: MIT */
#include "daemon/account-bus.h"

#include <errno.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"

char *account_bus_path(const Account *account) {
        char *path = NULL;

        if (sd_bus_path_encode(KEYRING_ACCOUNT_PREFIX, account_name(account), &path) < 0)
                return NULL;
        return path;
}

static uint64_t shown_time(uint64_t boottime_usec) {
        return boottime_usec == 0 ? 0 : clock_boottime_to_realtime(boottime_usec);
}

static int property_get(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Account *account = userdata;
        const Grant *grant = account_grant(account);
        const uint64_t expires = shown_time(grant->expires_usec);
        const uint64_t next_refresh = shown_time(account_next_refresh(account));
        const uint32_t renewals =
                grant->generation > UINT32_MAX ? UINT32_MAX : (uint32_t)grant->generation;
        const int32_t serial = account_key_serial(account);
        const int kept_on_disk = grant->kept_on_disk != 0;
        const struct {
                const char *property;
                char type;
                const void *value;
        } values[] = {
                {"Name", 's', grant->account},      {"State", 's', account_state_name(account)},
                {"Issuer", 's', grant->issuer},     {"Subject", 's', grant->subject},
                {"Scope", 's', grant->scope},       {"LastError", 's', account_last_error(account)},
                {"Expires", 't', &expires},         {"NextRefresh", 't', &next_refresh},
                {"Renewals", 'u', &renewals},       {"KeySerial", 'i', &serial},
                {"KeptOnDisk", 'b', &kept_on_disk},
        };

        (void)bus;
        (void)path;
        (void)interface;
        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                if (streq(values[i].property, property))
                        return sd_bus_message_append_basic(reply, values[i].type, values[i].value);
        return sd_bus_error_set(error, SD_BUS_ERROR_UNKNOWN_PROPERTY, "No such property");
}

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable account_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("Issuer", "s", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("Subject", "s", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("Scope", "s", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("Expires", "t", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("NextRefresh", "t", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("LastError", "s", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("Renewals", "u", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("KeySerial", "i", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("KeptOnDisk", "b", property_get, 0, CHANGES),
        SD_BUS_VTABLE_END,
};

static int account_bus_find(sd_bus *bus, const char *path, const char *interface, void *userdata,
                            void **ret_found, sd_bus_error *error) {
        Manager *manager = userdata;
        _cleanup_free_ char *name = NULL;
        Account *account;
        int r;

        (void)bus;
        (void)interface;
        (void)error;
        r = sd_bus_path_decode(path, KEYRING_ACCOUNT_PREFIX, &name);
        if (r <= 0)
                return r;
        account = *name ? manager_find(manager, name) : NULL;
        if (!account)
                return 0;

        *ret_found = account;
        return 1;
}

static int account_bus_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                                 sd_bus_error *error) {
        Manager *manager = userdata;
        size_t n = manager_n_accounts(manager);
        char **nodes = calloc(n + 1, sizeof(*nodes));

        (void)bus;
        (void)prefix;
        (void)error;
        if (!nodes)
                return -ENOMEM;
        manager_republish(manager); /* whoever asks for all finds the keys that are told */
        for (size_t i = 0; i < n; i++) {
                nodes[i] = account_bus_path(manager_account(manager, i));
                if (!nodes[i]) {
                        while (i > 0)
                                free(nodes[--i]);
                        free(nodes);
                        return -ENOMEM;
                }
        }
        *ret_nodes = nodes;
        return 1;
}

int account_bus_export(Manager *manager) {
        sd_bus *bus = manager_bus(manager);
        int r;

        r = sd_bus_add_fallback_vtable(bus, NULL, KEYRING_ACCOUNT_PREFIX, KEYRING_ACCOUNT_INTERFACE,
                                       account_vtable, account_bus_find, manager);
        if (r < 0)
                return r;
        return sd_bus_add_node_enumerator(bus, NULL, KEYRING_ACCOUNT_PREFIX, account_bus_enumerate,
                                          manager);
}

/* A signal that cannot be sent is no reason to stop anything. */
static void account_bus_emit(sd_bus *bus, const Account *account,
                             int (*emit)(sd_bus *bus, const char *path)) {
        _cleanup_free_ char *path = account_bus_path(account);
        int r = path ? emit(bus, path) : -ENOMEM;

        if (r < 0)
                (void)log_debug_errno(r, "%s: a signal could not be sent", account_name(account));
}

static int emit_changed(sd_bus *bus, const char *path) {
        return sd_bus_emit_properties_changed(
                bus, path, KEYRING_ACCOUNT_INTERFACE, "State", "Issuer", "Subject", "Scope",
                "Expires", "NextRefresh", "LastError", "Renewals", "KeySerial", "KeptOnDisk", NULL);
}

void account_bus_emit_added(sd_bus *bus, const Account *account) {
        account_bus_emit(bus, account, sd_bus_emit_object_added);
}

void account_bus_emit_removed(sd_bus *bus, const Account *account) {
        account_bus_emit(bus, account, sd_bus_emit_object_removed);
}

void account_bus_emit_changed(sd_bus *bus, const Account *account) {
        account_bus_emit(bus, account, emit_changed);
}
