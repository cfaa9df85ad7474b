/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "cli/command.h"
#include "cli/gateway-bus.h"
#include "cli/output.h"
#include "common/clock.h"
#include "common/macro.h"

static ExitCode run_bindings(const Command *command, int argc, char *argv[]);

const Command command_bindings = {
        .name = "bindings",
        .arguments = "[--json]",
        .summary = "show which identity each user is bound to (root)",
        .help = "A user is bound by the first login; see bind_subject in oidc-keyring.conf(5), "
                "and\n"
                "oidc-keyring unbind.\n\n"
                "  -j, --json            for programs: {\"bindings\":[{\"user\", ...}]}\n",
        .run = run_bindings,
};

/* Its texts belong to the pages. */
typedef struct Row {
        const char *provider, *user, *issuer, *subject;
        uint64_t since_usec;
} Row;

typedef struct Table {
        sd_bus_message **pages;
        size_t n_pages;
        Row *rows;
        size_t n_rows;
} Table;

static void table_done(Table *table) {
        for (size_t i = 0; i < table->n_pages; i++)
                sd_bus_message_unref(table->pages[i]);
        free(table->pages);
        free(table->rows);
}

static int table_add_page(Table *table, sd_bus_message *page) {
        sd_bus_message **pages;

        pages = reallocarray(table->pages, table->n_pages + 1, sizeof(*pages));
        if (!pages) {
                sd_bus_message_unref(page);
                return -ENOMEM;
        }
        table->pages = pages;
        pages[table->n_pages++] = page;
        return 0;
}

static int table_add_rows(Table *table, sd_bus_message *page) {
        Row row, *rows;
        int r;

        r = sd_bus_message_enter_container(page, 'a', "(sssst)");
        while (r >= 0 &&
               (r = sd_bus_message_read(page, "(sssst)", &row.provider, &row.user, &row.issuer,
                                        &row.subject, &row.since_usec)) > 0) {
                rows = reallocarray(table->rows, table->n_rows + 1, sizeof(*rows));
                if (!rows)
                        return -ENOMEM;
                table->rows = rows;
                rows[table->n_rows++] = row;
        }
        return r;
}

/* The gateway answers with a page that begins after the last of the one before; the last page is
 * empty. */
static ExitCode table_fetch(Table *table) {
        const char *provider = "", *user = "";
        sd_bus_message *page = NULL;
        size_t before;
        ExitCode code;
        int r;

        do {
                before = table->n_rows;
                code = gateway_bus_call("ListBindings", provider, user, &page);
                if (code != EXIT_CODE_OK)
                        return code;
                r = table_add_page(table, page);
                if (r >= 0)
                        r = table_add_rows(table, page);
                if (r < 0) {
                        complain("the gateway's answer cannot be read");
                        return EXIT_CODE_FAILURE;
                }
                if (table->n_rows > 0) {
                        provider = table->rows[table->n_rows - 1].provider;
                        user = table->rows[table->n_rows - 1].user;
                }
        } while (table->n_rows > before);
        return EXIT_CODE_OK;
}

static json_object *json_text(const char *text) {
        return *text ? json_object_new_string(text) : NULL;
}

static void print_json(const Table *table) {
        _cleanup_(json_putp) json_object *root = json_object_new_object();
        json_object *bindings = json_object_new_array();

        for (size_t i = 0; i < table->n_rows; i++) {
                const Row *row = &table->rows[i];
                json_object *binding = json_object_new_object();

                (void)json_object_object_add(binding, "user", json_text(row->user));
                (void)json_object_object_add(binding, "provider", json_text(row->provider));
                (void)json_object_object_add(binding, "subject", json_text(row->subject));
                (void)json_object_object_add(binding, "issuer", json_text(row->issuer));
                (void)json_object_object_add(binding, "since", json_time(row->since_usec));
                (void)json_object_array_add(bindings, binding);
        }
        (void)json_object_object_add(root, "bindings", bindings);
        (void)puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_NOSLASHESCAPE));
}

typedef struct Line {
        const char *cells[4];
        const char *last;
} Line;

static Line line_of(const Row *row) {
        bool readable = *row->subject;

        return (Line){{row->user, row->provider, readable ? row->subject : "(cannot be read)",
                       readable ? row->issuer : "-"}};
}

static void print_line(const Line *line, const size_t *widths) {
        for (size_t i = 0; i < ELEMENTSOF(line->cells); i++) {
                print_clean(line->cells[i]);
                (void)printf("%*s", (int)(widths[i] - strlen(line->cells[i])) + 2, "");
        }
        (void)puts(line->last);
}

static void widen(size_t *widths, const Line *line) {
        for (size_t i = 0; i < ELEMENTSOF(line->cells); i++)
                if (strlen(line->cells[i]) > widths[i])
                        widths[i] = strlen(line->cells[i]);
}

static void print_people(const Table *table) {
        static const Line head = {{"USER", "PROVIDER", "SUBJECT", "ISSUER"}, "SINCE"};
        size_t widths[ELEMENTSOF(head.cells)] = {0};

        if (table->n_rows == 0) {
                (void)puts("No user is bound to an identity.");
                return;
        }
        widen(widths, &head);
        for (size_t i = 0; i < table->n_rows; i++) {
                Line line = line_of(&table->rows[i]);

                widen(widths, &line);
        }
        print_line(&head, widths);
        for (size_t i = 0; i < table->n_rows; i++) {
                time_t since = (time_t)(table->rows[i].since_usec / USEC_PER_SEC);
                Line line = line_of(&table->rows[i]);
                char date[32] = "-";
                struct tm tm;

                if (localtime_r(&since, &tm))
                        (void)strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &tm);
                line.last = date;
                print_line(&line, widths);
        }
}

static ExitCode run_bindings(const Command *command, int argc, char *argv[]) {
        _cleanup_(table_done) Table table = {0};
        ExitCode code;
        bool json;

        if (!command_without_arguments(command, argc, argv, &json, &code))
                return code;
        code = table_fetch(&table);
        if (code != EXIT_CODE_OK)
                return code;
        if (json)
                print_json(&table);
        else
                print_people(&table);
        return EXIT_CODE_OK;
}
