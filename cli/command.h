/* SPDX-License-Identifier: MIT */
#pragma once

/* Command: one word after `oidc-keyring`. main.c has the table; each command is a file of its own.
 */

#include <getopt.h>
#include <stdbool.h>

/* What scripts may rely on; oidc-keyring(1) lists them. */
typedef enum ExitCode {
        EXIT_CODE_OK = 0,
        EXIT_CODE_FAILURE = 1,
        EXIT_CODE_USAGE = 2,
        EXIT_CODE_LOGIN_REQUIRED = 3,
        EXIT_CODE_NO_ACCOUNT = 4, /* or no such provider or binding */
        EXIT_CODE_NOT_NOW = 5,    /* out of reach, busy, an odd answer: try again later */
        EXIT_CODE_NO_KEYRING = 6,
        EXIT_CODE_INTERRUPTED = 130, /* as the shell says it of SIGINT */
} ExitCode;

typedef struct Command {
        const char *name;
        const char *arguments; /* of the usage line */
        const char *summary;
        const char *help;
        /* @argv[0] is the command's name. */
        ExitCode (*run)(const struct Command *command, int argc, char *argv[]);
} Command;

extern const Command command_status;
extern const Command command_token;
extern const Command command_refresh;
extern const Command command_login;
extern const Command command_logout;
extern const Command command_check;
extern const Command command_bindings;
extern const Command command_unbind;

#define COMMAND_HELP_OPTION \
        { "help", no_argument, NULL, 'h' }
#define COMMAND_HELP_TEXT "  -h, --help            this text\n"

/* For the options that are the same everywhere: 'h' prints the help and anything else is wrong
 * usage, of which getopt has told already. */
ExitCode command_option(const Command *command, int option);

/* All the options of a command that takes no arguments: --help, and --json where @ret_json is not
 * NULL. False: the command is over, with @ret_code. */
bool command_without_arguments(const Command *command, int argc, char *argv[], bool *ret_json,
                               ExitCode *ret_code);

/* The one ACCOUNT that may stand after the options, "" if none does. NULL: too many, which has been
 * told, or no name of an account. */
const char *command_account(int argc, char *argv[]);

/* Output that could not be written is a failure, whatever else was done. */
ExitCode command_written(void);

/* One line on standard error, with the name of the program in front. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
