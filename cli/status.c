/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/account-view.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/user-bus.h"
#include "common/clock.h"

static ExitCode run_status(const Command *command, int argc, char *argv[]);

const Command command_status = {
        .name = "status",
        .arguments = "[--json]",
        .summary = "show the accounts of this session",
        .help = "  -j, --json            for programs: {\"accounts\":[{\"name\", ...}]}\n",
        .run = run_status,
};

static json_object *json_account(const AccountView *view) {
        json_object *account = json_object_new_object();
        const struct {
                const char *name;
                json_object *value;
        } members[] = {
                {"name", json_object_new_string(view->name)},
                {"state", json_object_new_string(view->state)},
                {"issuer", json_object_new_string(view->issuer)},
                {"subject", json_object_new_string(view->subject)},
                {"scope", json_object_new_string(view->scope)},
                {"expires", json_time(view->expires_usec)},
                {"next_refresh", json_time(view->next_refresh_usec)},
                {"last_error", json_object_new_string(view->last_error)},
                {"key_serial", json_object_new_int(view->key_serial)},
                {"renewals", json_object_new_int64(view->renewals)},
                {"kept_on_disk", json_object_new_boolean(view->kept_on_disk)},
        };

        for (size_t i = 0; i < ELEMENTSOF(members); i++)
                (void)json_object_object_add(account, members[i].name, members[i].value);
        return account;
}

static void print_json(const AccountViews *views) {
        _cleanup_(json_putp) json_object *root = json_object_new_object();
        json_object *accounts = json_object_new_array();

        for (size_t i = 0; i < views->n; i++)
                (void)json_object_array_add(accounts, json_account(&views->views[i]));
        (void)json_object_object_add(root, "accounts", accounts);
        (void)puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void print_fact(const char *name, const char *text) {
        (void)printf("  %-13s ", name);
        print_clean(text);
        (void)putchar('\n');
}

static void print_time(const char *name, uint64_t usec, const char *what_then) {
        uint64_t now = clock_realtime_usec();
        char text[64];

        duration_text((usec > now ? usec - now : now - usec) / USEC_PER_SEC, text, sizeof(text));
        if (usec > now)
                (void)printf("  %-13s %s in %s\n", name, what_then, text);
        else
                (void)printf("  %-13s expired %s ago\n", name, text);
}

static void print_account(const AccountView *view) {
        print_clean(view->name);
        (void)fputs(": ", stdout);
        print_clean(view->state);
        (void)putchar('\n');
        print_fact("issuer", view->issuer);
        print_fact("subject", view->subject);
        print_fact("scope", view->scope);
        if (view->expires_usec == 0)
                (void)printf("  %-13s none yet\n", "token");
        else
                print_time("token", view->expires_usec, "expires");
        if (view->next_refresh_usec > clock_realtime_usec())
                print_time("next refresh", view->next_refresh_usec, "due");
        else if (view->next_refresh_usec == 0 && !streq(view->state, "refreshing"))
                (void)printf("  %-13s none: the token cannot be renewed\n", "next refresh");
        (void)printf("  %-13s %" PRIu32 " since login\n", "renewals", view->renewals);
        if (view->key_serial != 0)
                (void)printf("  %-13s %" PRIi32 " (oidc:%s in @u)\n", "key", view->key_serial,
                             view->name);
        else
                (void)printf("  %-13s none\n", "key");
        if (view->kept_on_disk)
                (void)printf("  %-13s kept, encrypted on this host\n", "after reboot");
        if (*view->last_error)
                print_fact("trouble", view->last_error);
}

static void print_people(const AccountViews *views) {
        if (views->n == 0)
                (void)puts("There is no account in this session.");
        for (size_t i = 0; i < views->n; i++) {
                if (i > 0)
                        (void)putchar('\n');
                print_account(&views->views[i]);
        }
}

static ExitCode run_status(const Command *command, int argc, char *argv[]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(account_views_done) AccountViews views = {0};
        ExitCode code;
        bool json;

        if (!command_without_arguments(command, argc, argv, &json, &code))
                return code;
        code = user_bus_objects(&reply);
        if (code != EXIT_CODE_OK)
                return code;
        if (reply && account_views_read(reply, &views) < 0) {
                complain("the daemon's answer cannot be read");
                return EXIT_CODE_FAILURE;
        }
        if (json)
                print_json(&views);
        else
                print_people(&views);
        return EXIT_CODE_OK;
}
