/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/user-bus.h"
#include "common/clock.h"
#include "common/macro.h"

#define REFRESH_TIMEOUT_USEC (120 * USEC_PER_SEC)

static ExitCode run_refresh(const Command *command, int argc, char *argv[]);

const Command command_refresh = {
        .name = "refresh",
        .arguments = "[ACCOUNT]",
        .summary = "renew the token now",
        .help = "ACCOUNT may be left out where there is only one. It returns when the new token "
                "is\n"
                "in the keyring.\n\n",
        .run = run_refresh,
};

static ExitCode run_refresh(const Command *command, int argc, char *argv[]) {
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
        return user_bus_call(false, REFRESH_TIMEOUT_USEC, &reply, "Refresh", "s", account);
}
