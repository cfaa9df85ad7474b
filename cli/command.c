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
