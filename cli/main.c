/* SPDX-License-Identifier: MIT */

/* oidc-keyring: what people type. */

#include <stdio.h>

#include "cli/command.h"
#include "common/macro.h"
#include "common/secret.h"

static const Command *const commands[] = {
        &command_status, &command_token, &command_refresh,  &command_login,
        &command_logout, &command_check, &command_bindings, &command_unbind,
};

static ExitCode help(void) {
        (void)printf("Usage: oidc-keyring COMMAND [OPTION...] [ARGUMENT...]\n\n"
                     "Shows and uses the logins at identity providers that this session has.\n\n"
                     "Commands:\n");
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                (void)printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
        (void)printf(
                "\nOptions:\n"
                "  -h, --help      this text; after a command, the command's own\n"
                "  -V, --version   the version\n\n"
                "Exit status: 0 it worked, 1 it failed, 2 wrong usage, 3 a new login is needed,\n"
                "4 no such account, provider or binding, 5 not now (out of reach, busy, an odd\n"
                "answer), 6 the kernel keyring cannot be used, 130 interrupted.\n"
                "See oidc-keyring(1).\n");
        return command_written();
}

static ExitCode run_command(int argc, char *argv[]) {
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                if (streq(commands[i]->name, argv[0])) {
                        ExitCode code;

                        optind = 0; /* glibc: begin anew, with the command's own options */
                        code = commands[i]->run(commands[i], argc, argv);
                        return code == EXIT_CODE_OK ? command_written() : code;
                }
        complain("unknown command: %s", argv[0]);
        (void)fputs("Try: oidc-keyring --help\n", stderr);
        return EXIT_CODE_USAGE;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                COMMAND_HELP_OPTION,
                {"version", no_argument, NULL, 'V'},
                {NULL, 0, NULL, 0},
        };
        int option;

        (void)secret_protect_process(); /* best effort: the token is on its way through here */
        while ((option = getopt_long(argc, argv, "+hV", options, NULL)) >= 0) {
                if (option == 'h')
                        return (int)help();
                if (option == 'V') {
                        (void)printf("oidc-keyring %s\n", PACKAGE_VERSION);
                        return (int)command_written();
                }
                (void)fputs("Try: oidc-keyring --help\n", stderr);
                return EXIT_CODE_USAGE;
        }
        if (optind >= argc) {
                (void)help();
                return EXIT_CODE_USAGE;
        }
        return (int)run_command(argc - optind, argv + optind);
}
