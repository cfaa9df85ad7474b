/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/parse.h"

void complain(const char *format, ...) {
        va_list args;

        (void)fputs("oidc-keyring: ", stderr);
        va_start(args, format);
        (void)vfprintf(stderr, format, args);
        va_end(args);
        (void)fputc('\n', stderr);
}

ExitCode command_written(void) {
        if (fflush(stdout) == 0 && !ferror(stdout))
                return EXIT_CODE_OK;
        complain("the output cannot be written: %s", strerror(errno));
        return EXIT_CODE_FAILURE;
}

ExitCode command_option(const Command *command, int option) {
        if (option != 'h') {
                (void)fprintf(stderr, "Try: oidc-keyring %s --help\n", command->name);
                return EXIT_CODE_USAGE;
        }
        (void)printf("Usage: oidc-keyring %s%s%s\n\n%s\n\n%s" COMMAND_HELP_TEXT, command->name,
                     *command->arguments ? " " : "", command->arguments, command->summary,
                     command->help);
        return command_written();
}

bool command_without_arguments(const Command *command, int argc, char *argv[], bool *ret_json,
                               ExitCode *ret_code) {
        static const struct option options[] = {
                {"json", no_argument, NULL, 'j'},
                COMMAND_HELP_OPTION,
                {NULL, 0, NULL, 0},
        };
        bool json = false;
        int option;

        while ((option = getopt_long(argc, argv, ret_json ? "hj" : "h", options + !ret_json,
                                     NULL)) >= 0) {
                if (option != 'j') {
                        *ret_code = command_option(command, option);
                        return false;
                }
                json = true;
        }
        if (optind < argc) {
                complain("%s takes no arguments: %s", command->name, argv[optind]);
                *ret_code = EXIT_CODE_USAGE;
                return false;
        }
        if (ret_json)
                *ret_json = json;
        return true;
}

const char *command_account(int argc, char *argv[]) {
        if (argc - optind > 1) {
                complain("one account at most: %s", argv[optind + 1]);
                return NULL;
        }
        if (argc == optind)
                return "";
        if (!account_name_is_valid(argv[optind])) {
                complain("not the name of an account: %s", argv[optind]);
                return NULL;
        }
        return argv[optind];
}
