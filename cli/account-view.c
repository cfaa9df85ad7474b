/* SPDX-License-Identifier: MIT */
#include "cli/account-view.h"

#include <errno.h>

#include "common/names.h"

typedef struct Property {
        const char *name;
        const char *type;
        size_t offset;
} Property;

static const Property properties[] = {
        {"Name", "s", offsetof(AccountView, name)},
        {"State", "s", offsetof(AccountView, state)},
        {"Issuer", "s", offsetof(AccountView, issuer)},
        {"Subject", "s", offsetof(AccountView, subject)},
        {"Scope", "s", offsetof(AccountView, scope)},
        {"LastError", "s", offsetof(AccountView, last_error)},
        {"Expires", "t", offsetof(AccountView, expires_usec)},
        {"NextRefresh", "t", offsetof(AccountView, next_refresh_usec)},
        {"Renewals", "u", offsetof(AccountView, renewals)},
        {"KeySerial", "i", offsetof(AccountView, key_serial)},
        {"KeptOnDisk", "b", offsetof(AccountView, kept_on_disk)},
};

static void account_view_done(AccountView *view) {
        for (size_t i = 0; i < ELEMENTSOF(properties); i++)
                if (*properties[i].type == 's')
                        free(*(char **)(void *)((char *)view + properties[i].offset));
}

void account_views_done(AccountViews *views) {
        for (size_t i = 0; i < views->n; i++)
                account_view_done(&views->views[i]);
        free(views->views);
}

static int property_read(const Property *property, sd_bus_message *reply, AccountView *view) {
        void *field = (char *)view + property->offset;
        const char *text;
        char *copy;
        int r;

        if (*property->type != 's')
                return sd_bus_message_read(reply, "v", property->type, field);
        r = sd_bus_message_read(reply, "v", "s", &text);
        if (r < 0)
                return r;
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        free(*(char **)field);
        *(char **)field = copy;
        return 0;
}

static int property_read_any(sd_bus_message *reply, AccountView *view) {
        const char *name;
        int r;

        r = sd_bus_message_read(reply, "s", &name);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(properties); i++)
                if (streq(properties[i].name, name))
                        return property_read(&properties[i], reply, view);
        return sd_bus_message_skip(reply, "v");
}

/* a{sv} of one interface */
static int view_read(sd_bus_message *reply, AccountView *view) {
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = property_read_any(reply, view);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

/* What was not told is empty. */
static int view_complete(AccountView *view) {
        for (size_t i = 0; i < ELEMENTSOF(properties); i++) {
                char **text = (char **)(void *)((char *)view + properties[i].offset);

                if (*properties[i].type == 's' && !*text) {
                        *text = strdup("");
                        if (!*text)
                                return -ENOMEM;
                }
        }
        return 0;
}

static int views_append(sd_bus_message *reply, AccountViews *views) {
        AccountView *grown;
        int r;

        if (views->n >= ACCOUNT_VIEWS_MAX)
                return -E2BIG;
        grown = reallocarray(views->views, views->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        views->views = grown;
        views->views[views->n] = (AccountView){0};
        r = view_read(reply, &views->views[views->n++]);
        return r < 0 ? r : view_complete(&views->views[views->n - 1]);
}

/* oa{sa{sv}} of one object */
static int object_read(sd_bus_message *reply, AccountViews *views) {
        const char *interface;
        int r;

        r = sd_bus_message_skip(reply, "o");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "{sa{sv}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sa{sv}")) > 0) {
                r = sd_bus_message_read(reply, "s", &interface);
                if (r >= 0)
                        r = streq(interface, KEYRING_ACCOUNT_INTERFACE)
                                    ? views_append(reply, views)
                                    : sd_bus_message_skip(reply, "a{sv}");
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int view_compare(const void *a, const void *b) {
        return strcmp(((const AccountView *)a)->name, ((const AccountView *)b)->name);
}

int account_views_read(sd_bus_message *reply, AccountViews *ret) {
        _cleanup_(account_views_done) AccountViews views = {0};
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}")) > 0) {
                r = object_read(reply, &views);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r < 0)
                return r == -ENXIO ? -EBADMSG : r;
        if (views.n > 0)
                qsort(views.views, views.n, sizeof(*views.views), view_compare);

        *ret = views;
        views = (AccountViews){0};
        return 0;
}
